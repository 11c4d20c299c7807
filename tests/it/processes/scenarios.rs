//! Scenarios of docs/CONSENSUS.md §11 on processes, by their numbers.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use timecoin::devnet::link::Weather;

use super::net::{Net, limit};

#[test]
fn a24_three_nodes_lose_one_go_on_and_get_it_back() {
    let mut net = Net::started(3);
    net.wait_height(&[0, 1, 2], 2, limit(10));
    let (_, code) = net.stop(2);
    assert_eq!(code, Some(0));
    let height = net.height(0);
    net.wait_height(&[0, 1], height + 2, limit(20));
    net.check(&[0, 1]);
    // Alone, the third makes no block.
    net.stop(0);
    net.stop(1);
    net.start(2);
    let alone = net.height(2);
    sleep(Duration::from_secs(3));
    assert_eq!(net.height(2), alone, "one of three made a block alone");
    net.start(0);
    net.start(1);
    let goal = net.height(0) + 1;
    net.wait_height(&[0, 1, 2], goal, limit(20));
    net.check_again(&[0, 1, 2]);
    net.check_no_evidence(&[0, 1, 2]);
}

#[test]
fn a27_two_halves_stand_still_and_decide_within_five_seconds_of_healing() {
    halves_apart_for(Duration::from_secs(8));
}

#[test]
fn a31_a_node_that_joins_late_catches_up_and_votes() {
    joins_at(150);
}

/// One of four starts for the first time when the others are at `height`.
pub(super) fn joins_at(height: u64) {
    let mut net = Net::with(4, |params| params.block_interval_ms = 30);
    for node in [0, 1, 2] {
        net.start(node);
    }
    net.wait_height(&[0, 1, 2], height, limit(60 + height / 4));
    let goal = net.height(0);
    let started = Instant::now();
    net.start(3);
    net.wait_height(&[3], goal, limit(60));
    let synced = started.elapsed();
    let mut at = goal;
    net.wait("node3 votes", limit(30), |net| {
        at += u64::from(net.block(0, at + 1).is_some());
        net.block(0, at).is_some_and(|block| net.has_signed(&block, 3))
    });
    println!(
        "{goal} blocks in {synced:?}, its first vote at {at} after {:?}",
        started.elapsed()
    );
    net.check(&[0, 1, 2, 3]);
    net.check_no_evidence(&[0, 1, 2, 3]);
}

/// Cuts four nodes into two halves for `time`.
pub(super) fn halves_apart_for(time: Duration) {
    let all = [0, 1, 2, 3];
    let mut net = Net::with_links(4);
    net.start_all();
    net.wait_height(&all, 2, limit(10));
    net.partition(&[0, 1], &[2, 3]);
    sleep(Duration::from_millis(500));
    let frozen: Vec<u64> = all.iter().map(|node| net.height(*node)).collect();
    sleep(time);
    let after: Vec<u64> = all.iter().map(|node| net.height(*node)).collect();
    assert_eq!(frozen, after, "a half without a quorum made a block");
    net.weather_everywhere(Weather::default());
    let goal = frozen.iter().max().unwrap() + 1;
    let took = net.wait_height(&all, goal, limit(5));
    println!("decided {took:?} after healing");
    net.check(&all);
    net.check_no_evidence(&all);
}

#[test]
fn a28_a_node_stopped_in_the_middle_of_a_round_does_not_sign_it_twice() {
    let all = [0, 1, 2, 3];
    let mut net = Net::started(4);
    net.wait_height(&all, 1, limit(10));
    let load = net.load(0, 50.0);
    for wait_ms in [211, 307, 401] {
        sleep(Duration::from_millis(1_000 + wait_ms));
        // The leader of the height under way: its round is always in the middle of something.
        let leader = net.leader(net.height(0) + 1);
        let (took, code) = net.stop(leader);
        assert_eq!(code, Some(0), "{}", net.log(leader));
        assert!(took < limit(5), "{took:?}");
        net.check_logs();
        net.start(leader);
        let goal = net.height((leader + 1) % 4) + 3;
        net.wait_height(&all, goal, limit(20));
    }
    let report = net.finish(load);
    assert_eq!(report.lost, 0, "{report:?}");
    net.check_again(&all);
    net.check_no_evidence(&all);
}

#[test]
fn a29_an_idle_chain_makes_a_block_per_interval_and_the_first_transaction_is_final_at_once() {
    let all = [0, 1, 2, 3];
    let net = Net::started(4);
    net.wait_height(&all, 1, limit(10));
    let interval_ms = 2_000;
    let (first, count) = (net.height(0), 4);
    net.wait_height(&all, first + count, limit(20));
    let at = |net: &Net, height| net.block(0, height).unwrap().timestamp_ms;
    for height in first + 1..=first + count {
        let gap = at(&net, height) - at(&net, height - 1);
        assert!(
            gap + 50 >= interval_ms,
            "block {height} came {gap} ms after its parent"
        );
        assert!(
            gap < 2 * interval_ms,
            "block {height} came {gap} ms after its parent"
        );
    }
    net.check(&all);
}

/// With a minute between blocks that nobody needs, a payment that waits for the next one of those is found out.
#[test]
fn a29_the_first_transaction_of_an_idle_chain_waits_for_no_interval() {
    let all = [0, 1, 2, 3];
    let mut net = Net::with(4, |params| params.block_interval_ms = 60_000);
    net.start_all();
    let mut took: Vec<Duration> = all.iter().map(|node| net.pay(*node, limit(5))).collect();
    took.sort_unstable();
    println!("final after their acceptance: {took:?}");
    let most = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 150 });
    assert!(took[0] < most, "{took:?}");
    net.check(&all);
}
