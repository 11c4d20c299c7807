//! Scenarios that take minutes. All of them:
//! `cargo test --release --test it -- --ignored processes::longest --nocapture`.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use timecoin::devnet::link::Weather;

use super::{
    net::{Net, limit},
    scenarios::{halves_apart_for, joins_at},
};

#[test]
#[ignore = "takes 2 minutes: cargo test --release --test it -- --ignored a25"]
fn a25_the_leader_is_killed_every_five_seconds_and_the_chain_grows() {
    let all = [0, 1, 2, 3];
    let mut net = Net::started(4);
    net.wait_height(&all, 1, limit(10));
    let load = net.load(0, 20.0);
    net.wait_flows(0);
    let started = Instant::now();
    let mut kills = 0;
    while started.elapsed() < Duration::from_secs(120) {
        let height = net.check(&all);
        let leader = net.leader(net.height((kills % 4) as u16) + 1);
        net.kill(leader);
        net.check_logs();
        kills += 1;
        sleep(Duration::from_secs(1));
        net.start(leader);
        net.wait_height(&all, height + 1, limit(10));
        sleep(Duration::from_secs(3));
    }
    let report = net.finish(load);
    let height = net.check_again(&all);
    println!("{kills} kills, height {height}, {report:?}");
    assert_eq!(report.lost, 0);
    net.check_no_evidence(&all);
}

#[test]
#[ignore = "takes a minute: cargo test --release --test it -- --ignored a26"]
fn a26_a_node_frozen_for_thirty_seconds_rejoins_without_a_restart() {
    let all = [0, 1, 2, 3];
    let mut net = Net::started(4);
    net.wait_height(&all, 2, limit(10));
    let pid = net.node(3).pid();
    net.node(3).pause();
    sleep(Duration::from_secs(30));
    let height = net.height(0);
    net.wait_height(&[0, 1, 2], height + 1, limit(10));
    net.node(3).resume();
    let goal = net.height(0);
    let took = net.wait_height(&[3], goal, limit(10));
    println!("caught up {took:?} after SIGCONT");
    let mut at = goal;
    net.wait("node3 signs again", limit(30), |net| {
        at += u64::from(net.block(0, at + 1).is_some());
        net.block(0, at).is_some_and(|block| net.has_signed(&block, 3))
    });
    assert_eq!(net.node(3).pid(), pid, "it was restarted");
    net.check(&all);
    net.check_no_evidence(&all);
}

#[test]
#[ignore = "takes 90 s: cargo test --release --test it -- --ignored a27"]
fn a27_two_halves_apart_for_a_minute() {
    halves_apart_for(Duration::from_secs(60));
}

#[test]
#[ignore = "takes 5 minutes: cargo test --release --test it -- --ignored a31 --nocapture"]
fn a31_a_node_that_joins_at_height_a_thousand_catches_up_and_votes() {
    joins_at(1_000);
}

#[test]
#[ignore = "takes 90 s: cargo test --release --test it -- --ignored a30"]
fn a30_loss_and_delay_slow_the_chain_but_do_not_stop_it() {
    let all = [0, 1, 2, 3];
    let mut net = Net::with_links(4);
    net.weather_everywhere(Weather {
        delay: Duration::from_millis(100),
        jitter: Duration::from_millis(400),
        loss: 0.10,
        ..Weather::default()
    });
    net.start_all();
    net.wait_height(&all, 1, limit(60));
    let (first, started) = (net.height(0), Instant::now());
    let mut highest_round = 0;
    while started.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(500));
        highest_round = all
            .iter()
            .map(|node| net.status(*node).round)
            .max()
            .unwrap()
            .max(highest_round);
    }
    let blocks = net.height(0) - first;
    println!("{blocks} blocks in 60 s, highest round {highest_round}");
    assert!(blocks >= 5, "{blocks} blocks");
    assert!(highest_round <= 8, "round {highest_round}");
    net.weather_everywhere(Weather::default());
    let goal = net.height(0) + 1;
    net.wait_height(&all, goal, limit(10));
    net.check(&all);
    net.check_no_evidence(&all);
}
