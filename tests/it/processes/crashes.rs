//! Nodes that are killed, all or some, and come back.

use std::time::{Duration, Instant};

use super::net::{Net, limit, run_timed};

#[test]
fn one_of_four_is_killed_the_others_go_on_and_it_comes_back_to_sign() {
    let mut net = Net::started(4);
    net.wait_height(&[0, 1, 2, 3], 2, limit(10));
    net.kill(3);
    let height = net.height(0);
    net.wait_height(&[0, 1, 2], height + 3, limit(20));
    net.start(3);
    let goal = net.height(0);
    net.wait_height(&[3], goal, limit(10));
    // Once it listens no more, its name stands in certificates again.
    let mut at = goal;
    net.wait("node3 signs again", limit(30), |net| {
        at += u64::from(net.block(0, at + 1).is_some());
        net.block(0, at).is_some_and(|block| net.has_signed(&block, 3))
    });
    net.check(&[0, 1, 2, 3]);
    net.check_no_evidence(&[0, 1, 2, 3]);
}

#[test]
fn two_of_four_are_killed_the_height_freezes_and_one_is_enough_to_go_on() {
    let mut net = Net::started(4);
    net.wait_height(&[0, 1, 2, 3], 2, limit(10));
    net.kill(2);
    net.kill(3);
    // What was under way may still be decided; afterwards nothing may be.
    std::thread::sleep(Duration::from_millis(500));
    let frozen = net.height(0).max(net.height(1));
    net.wait("node0 says whom it waits for", limit(20), |net| {
        let waiting_for = net.status(0).waiting_for;
        waiting_for.contains("node2") && waiting_for.contains("node3")
    });
    std::thread::sleep(Duration::from_secs(3));
    assert!(net.height(0) <= frozen && net.height(1) <= frozen);
    // Restarting node0 would not help, so it stays healthy; once the others count as gone it is not
    // ready any more.
    net.wait("node0 is alive and not ready", limit(20), |net| {
        let ready = net.ask(net.client(0).ready()).unwrap();
        assert!(ready.live, "{ready:?}");
        !ready.ready
    });
    net.start(2);
    let took = net.wait_height(&[0, 1, 2], frozen + 1, limit(5));
    println!("block after the restart: {took:?}");
    net.check(&[0, 1, 2]);
    net.check_no_evidence(&[0, 1, 2]);
}

#[test]
fn all_four_are_killed_under_load_three_times() {
    kill_all_under_load(3);
}

#[test]
#[ignore = "takes minutes: cargo test --release --test it -- --ignored processes::crashes"]
fn all_four_are_killed_under_load_ten_times() {
    kill_all_under_load(10);
}

/// After each power cut of the whole network: final within 5 s, nothing final gone, nothing signed
/// twice.
pub(super) fn kill_all_under_load(times: u32) {
    let all = [0, 1, 2, 3];
    let mut net = Net::started(4);
    net.wait_height(&all, 1, limit(10));
    let mut reached = 0;
    for round in 0..times {
        let load = net.load(0, 100.0);
        // A different moment of a block's life every time.
        std::thread::sleep(Duration::from_millis(2_000 + u64::from(round) * 137));
        net.check(&all);
        net.kill_all();
        net.check_logs();
        let before = net.highest_seen();
        let restarted = Instant::now();
        net.start_all();
        let answering = restarted.elapsed();
        net.wait_height(&all, before + 1, limit(5));
        println!(
            "round {round}: answering after {answering:?}, final after {:?}",
            restarted.elapsed()
        );
        let report = net.finish(load);
        assert_eq!(report.lost, 0, "{report:?}");
        // Every block again; of the transactions those that this power cut may have cost.
        net.check_from(&all, reached);
        net.check_no_evidence(&all);
        reached = before;
    }
    net.check_again(&all);
    check_databases(&mut net);
}

#[test]
fn a_terminated_node_ends_well_within_five_seconds_and_signs_nothing_twice() {
    let mut net = Net::started(4);
    let all = [0, 1, 2, 3];
    net.wait_height(&all, 2, limit(10));
    let load = net.load(1, 50.0);
    for node in all {
        let (took, code) = net.stop(node);
        assert_eq!(code, Some(0), "{}", net.log(node));
        assert!(took < limit(5), "{took:?}");
        net.check_logs();
        let log = net.log(node);
        for line in [
            "Shutdown signal received",
            "shutting down",
            "All tasks shut down gracefully",
        ] {
            assert!(log.contains(line), "no `{line}` in {log}");
        }
        net.start(node);
        let goal = net.height((node + 1) % 4) + 2;
        net.wait_height(&all, goal, limit(20));
    }
    let report = net.finish(load);
    assert_eq!(report.lost, 0, "{report:?}");
    net.check(&all);
    net.check_no_evidence(&all);
}

/// One of four at a time, so that the chain goes on and every death comes at another moment of it.
#[test]
#[ignore = "about ten minutes: cargo test --test it -- --ignored two_hundred_kills --nocapture"]
fn two_hundred_kills_under_load_lose_nothing_final() {
    const KILLS: u64 = 200;
    let all = [0, 1, 2, 3];
    let mut net = Net::started(4);
    net.wait_height(&all, 1, limit(10));
    let load = net.load(0, 50.0);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let began = Instant::now();
    for kill in 0..KILLS {
        // xorshift: the same moments in every run, as far as a machine allows.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_millis(random % 900));
        let node = (random >> 32) as u16 % 4;
        net.kill(node);
        net.check_logs();
        net.start(node);
        // Two that catch up at once would be too many.
        let goal = net.highest_seen().max(net.height((node + 1) % 4)) + 1;
        net.wait_height(&all, goal, limit(60));
        if kill % 10 == 9 {
            let lowest = net.check(&all);
            println!("{} kills, height {lowest}, {:?}", kill + 1, began.elapsed());
        }
    }
    let report = net.finish(load);
    println!("{report:?}");
    assert_eq!(report.lost, 0, "{report:?}");
    net.check_again(&all);
    net.check_no_evidence(&all);
    check_databases(&mut net);
}

/// Every table of every node agrees with every other: blocks, indexes, coins, addresses, commitment.
fn check_databases(net: &mut Net) {
    for node in net.all() {
        net.stop(node);
    }
    for node in net.all() {
        let config = net.layout.config(node).display().to_string();
        let (code, out, errors) = run_timed(&["db", "check", "--config", &config]);
        assert_eq!(code, 0, "node{node}: {errors}");
        println!("node{node}: {}", out.trim());
    }
}
