//! Links that are cut, cut one way, come and go, or are long and lossy: who has a quorum goes on, who
//! has none stands still and says so, all of it heals by itself, and nobody is blamed for the weather.

use std::{thread::sleep, time::Duration};

use timecoin::devnet::link::Weather;

use super::net::{Net, limit};

/// All are on one chain, none holds evidence, and none keeps anybody out.
fn unharmed(net: &Net, nodes: &[u16]) {
    net.check(nodes);
    net.check_no_evidence(nodes);
    for node in nodes {
        let bans = net.bans(*node);
        assert!(bans.is_empty(), "node{node} bans for the weather: {bans:?}");
    }
}

#[test]
fn of_three_nodes_two_go_on_and_the_third_says_that_it_stands_still_and_heals() {
    let all = [0, 1, 2];
    let mut net = Net::with_links_and(3, |params| params.block_interval_ms = 400);
    net.start_all();
    net.wait_height(&all, 2, limit(20));
    net.partition(&[0, 1], &[2]);
    sleep(Duration::from_millis(500));
    let alone = net.height(2);
    let goal = net.height(0) + 3;
    net.wait_height(&[0, 1], goal, limit(30));
    net.wait("the minority says that it stands still", limit(60), |net| {
        net.health_word(2).as_deref() == Some("stalled")
    });
    let status = net.status(2);
    assert_eq!(status.height, alone, "one of three made a block");
    assert!(
        ["node0", "node1"]
            .iter()
            .all(|name| status.waiting_for.contains(name)),
        "it names whom it waits for: {}",
        status.waiting_for
    );
    assert_ne!(net.health_word(0).as_deref(), Some("stalled"));
    net.weather_everywhere(Weather::default());
    let goal = net.height(0) + 1;
    let took = net.wait_height(&all, goal, limit(10));
    println!("caught up {took:?} after healing");
    unharmed(&net, &all);
}

#[test]
fn a_node_that_is_not_heard_or_hears_nothing_holds_nobody_up_and_heals() {
    let (all, others) = ([0, 1, 2, 3], [0, 1, 2]);
    let mut net = Net::with_links_and(4, |params| params.block_interval_ms = 400);
    net.start_all();
    net.wait_height(&all, 2, limit(20));
    // It hears everything and follows, though its votes count for nothing.
    net.silence(3, &others);
    let goal = net.height(0) + 3;
    net.wait_height(&all, goal, limit(30));
    net.weather_everywhere(Weather::default());
    // It is heard and hears nothing: it cannot follow, and the others do not wait.
    for other in others {
        net.silence(other, &[3]);
    }
    sleep(Duration::from_millis(500));
    let deaf = net.height(3);
    let goal = net.height(0) + 3;
    net.wait_height(&others, goal, limit(30));
    assert!(net.height(3) <= deaf + 1, "it followed without hearing");
    net.weather_everywhere(Weather::default());
    let goal = net.height(0) + 1;
    net.wait_height(&all, goal, limit(10));
    unharmed(&net, &all);
}

#[test]
fn a_link_that_comes_and_goes_costs_its_node_nothing_for_long() {
    let all = [0, 1, 2, 3];
    let mut net = Net::with_links_and(4, |params| params.block_interval_ms = 400);
    net.start_all();
    net.wait_height(&all, 2, limit(20));
    let before = net.height(0);
    for flap in 0..12 {
        match flap % 2 {
            0 => net.partition(&[3], &[0, 1, 2]),
            _ => net.weather_everywhere(Weather::default()),
        }
        sleep(Duration::from_millis(350));
    }
    let after = net.height(0);
    assert!(after > before, "the others stood still at {before}");
    let goal = after + 1;
    net.wait_height(&all, goal, limit(10));
    unharmed(&net, &all);
}

#[test]
fn a_long_and_lossy_way_between_all_nodes_stops_nothing() {
    let all = [0, 1, 2, 3];
    // A devnet's timeouts are for one machine; these are a public network's.
    let mut net = Net::with_links_and(4, |params| {
        params.block_interval_ms = 400;
        params.proposal_timeout_ms = 2_000;
        params.view_change_timeout_ms = 8_000;
    });
    net.weather_everywhere(Weather {
        delay: Duration::from_millis(100),
        jitter: Duration::from_millis(400),
        loss: 0.10,
        ..Weather::default()
    });
    net.start_all();
    let took = net.wait_height(&all, 4, limit(60));
    println!("four blocks in {took:?} over 100 to 500 ms with a tenth lost");
    // Blocks with transactions: a proposal by ids lacks some at whoever has not heard of them yet, and is
    // filled, or fetched, over the same way.
    let load = net.load(0, 30.0);
    let began = net.height(0);
    let paid = net.pay(1, limit(60));
    net.wait_height(&all, began + 6, limit(90));
    let again = net.pay(2, limit(60));
    let report = net.finish(load);
    println!("a payment is final after {paid:?} and {again:?}: {report:?}");
    assert_eq!(report.lost, 0, "{report:?}");
    assert!(report.made_final > 0, "{report:?}");
    unharmed(&net, &all);
}
