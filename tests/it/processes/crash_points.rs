//! Nodes that die at a chosen write, sync or rename of their log or database, in every role that a
//! height has, and disks that fail there. Only where the program has points to fail at: debug builds,
//! and `--features failpoints`.

use std::{
    fs,
    time::{Duration, Instant},
};

use timecoin::{devnet::link::Weather, storage::failpoint::PLAN_FILE};

use super::net::{Net, limit};

const ALL: [u16; 4] = [0, 1, 2, 3];
/// The node that dies.
const VICTIM: u16 = 3;
/// The node that is down where the victim's vote shall be the last one needed.
const ABSENT: u16 = 2;
/// Operations from the first record of a height on that are looked at: the height's own (about ten),
/// and those of the flush and the pruning that follow within a second.
const POINTS: u64 = 40;

/// What the victim is at the height at which it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Leader,
    Follower,
    /// One other node is down and its votes come late: each completes a quorum.
    LastVoter,
}

/// How it dies.
const DEEDS: [&str; 2] = ["kill", "tear"];

fn network() -> Net {
    let mut net = Net::with_links_and(4, |params| params.block_interval_ms = 150);
    net.start_all();
    net.wait_height(&ALL, 2, limit(10));
    net
}

fn plan(net: &Net, node: u16, deed: &str, height: u64, point: u64) {
    let path = net.layout.node_dir(node).join(PLAN_FILE);
    fs::write(path, format!("{deed} {height} {point}")).unwrap();
}

/// The first height from `from` on at which the victim has the role.
fn height_of(net: &Net, role: Role, from: u64) -> u64 {
    (from..)
        .find(|height| (net.leader(*height) == VICTIM) == (role == Role::Leader))
        .unwrap()
}

/// How one trial went.
#[derive(Debug, Clone, Copy)]
struct Death {
    /// False if it passed the height without ever coming to the point.
    died: bool,
    /// Its log shows that it had signed at the height, and as a leader if it was to be one.
    as_planned: bool,
}

/// The victim dies at one point, comes back, and nothing that was promised is gone.
fn dies_at(net: &mut Net, role: Role, deed: &str, point: u64) -> Death {
    net.stop(VICTIM);
    net.check_logs();
    if role == Role::LastVoter {
        net.stop(ABSENT);
        let delay = Duration::from_millis(20);
        let slow = Weather {
            delay,
            ..Weather::default()
        };
        for node in ALL.into_iter().filter(|node| *node != VICTIM) {
            net.weather(VICTIM, node, slow);
        }
    }
    // Far enough ahead for the start and the second in which it listens; without its votes nothing is
    // decided meanwhile.
    let ahead = if role == Role::LastVoter { 2 } else { 14 };
    let height = height_of(net, role, net.height(0) + ahead);
    plan(net, VICTIM, deed, height, point);
    net.start(VICTIM);
    let until = Instant::now() + limit(30);
    let died = loop {
        if net.node(VICTIM).try_exit().is_some() {
            break true;
        }
        if net.height(0) > height + 40 || Instant::now() > until {
            break false;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    net.check_logs();
    let as_planned = died && net.was_at(VICTIM, height, role == Role::Leader);
    net.weather_everywhere(Weather::default());
    net.start(ABSENT);
    net.start(VICTIM);
    let goal = net.height(0) + 2;
    net.wait_height(&ALL, goal, limit(20));
    net.check_again(&ALL);
    net.check_no_evidence(&ALL);
    Death { died, as_planned }
}

#[test]
fn a_validator_killed_at_a_write_of_a_height_signs_nothing_twice() {
    let mut net = network();
    // Each is another kind of operation, in another role; all of them: the campaign below.
    for (role, deed, point) in [
        (Role::Leader, "tear", 1),
        (Role::Leader, "kill", 2),
        (Role::Follower, "tear", 3),
        (Role::LastVoter, "kill", 4),
        (Role::Follower, "kill", 5),
    ] {
        let death = dies_at(&mut net, role, deed, point);
        assert!(death.died, "{role:?} never came to point {point}");
    }
}

#[test]
#[ignore = "takes minutes: cargo test --release --features failpoints --test it -- --ignored at_every_write_of_its_height --nocapture"]
fn a_leader_killed_at_every_write_of_its_height_signs_nothing_twice() {
    dies_everywhere(Role::Leader);
}

#[test]
#[ignore = "takes minutes: cargo test --release --features failpoints --test it -- --ignored at_every_write_of_its_height --nocapture"]
fn a_follower_killed_at_every_write_of_its_height_signs_nothing_twice() {
    dies_everywhere(Role::Follower);
}

#[test]
#[ignore = "takes minutes: cargo test --release --features failpoints --test it -- --ignored at_every_write_of_its_height --nocapture"]
fn a_last_voter_killed_at_every_write_of_its_height_signs_nothing_twice() {
    dies_everywhere(Role::LastVoter);
}

fn dies_everywhere(role: Role) {
    let mut net = network();
    let (mut deaths, mut as_planned) = (0, 0);
    for deed in DEEDS {
        for point in 1..=POINTS {
            let death = dies_at(&mut net, role, deed, point);
            deaths += u64::from(death.died);
            as_planned += u64::from(death.as_planned);
        }
    }
    println!(
        "{role:?}: {deaths} deaths at {} points, {as_planned} after it had signed at the height; nothing signed twice, nothing final taken back",
        2 * POINTS
    );
    assert_eq!(deaths, 2 * POINTS, "it never came to some of the points");
    // It may die at the first write of the height, before it signed.
    assert!(as_planned + 4 >= 2 * POINTS, "{as_planned}");
}

/// All four die within one height, each at a point of its own; all come back.
fn power_cut(net: &mut Net, cut: u64) -> Duration {
    for node in ALL {
        net.stop(node);
    }
    net.check_logs();
    let height = net.highest_seen() + 12;
    for node in ALL {
        // Spread over the writes of a height, another way every time.
        let point = 1 + (cut * 7 + u64::from(node) * (3 + cut % 5)) % 11;
        let deed = DEEDS[((cut + u64::from(node)) % 2) as usize];
        plan(net, node, deed, height, point);
    }
    net.start_all();
    let until = Instant::now() + limit(40);
    let mut alive: Vec<u16> = ALL.to_vec();
    while alive.len() > 1 && Instant::now() < until {
        alive.retain(|node| net.node(*node).try_exit().is_none());
        // Two dead leave no quorum: who has not come to its point by now never will.
        if alive.len() <= 2 {
            std::thread::sleep(Duration::from_millis(300));
            alive.retain(|node| net.node(*node).try_exit().is_none());
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(alive.len() <= 2, "{alive:?} live");
    net.kill_all();
    net.check_logs();
    for node in ALL {
        let _ = fs::remove_file(net.layout.node_dir(node).join(PLAN_FILE));
    }
    let before = net.highest_seen();
    net.start_all();
    let answering = Instant::now();
    let from = net.all().map(|node| net.height(node)).max().unwrap();
    net.wait_height(&ALL, from.max(before) + 1, limit(5));
    let took = answering.elapsed();
    net.check_again(&ALL);
    net.check_no_evidence(&ALL);
    took
}

#[test]
fn a_power_cut_of_all_four_in_the_middle_of_their_writes_is_survived() {
    let mut net = network();
    net.check(&ALL);
    for cut in 0..2 {
        let took = power_cut(&mut net, cut);
        println!("cut {cut}: final {took:?} after all answer");
    }
}

#[test]
#[ignore = "takes 6 minutes: cargo test --release --features failpoints --test it -- --ignored fifty_power_cuts --nocapture"]
fn fifty_power_cuts_of_all_four_are_survived() {
    let mut net = network();
    net.check(&ALL);
    let mut took: Vec<Duration> = (0..50).map(|cut| power_cut(&mut net, cut)).collect();
    took.sort_unstable();
    println!("50 of 50: final after p50 {:?}, max {:?}", took[24], took[49]);
}

#[test]
fn a_disk_that_fails_once_ends_signing_for_good_and_health_says_so() {
    let mut net = network();
    // The write, and the sync, of a vote.
    for point in [1, 2] {
        net.stop(VICTIM);
        let height = height_of(&net, Role::Follower, net.height(0) + 14);
        plan(&net, VICTIM, "fail", height, point);
        net.start(VICTIM);
        net.wait("health fails", limit(30), |net| {
            net.health_status(VICTIM) == Some(503)
        });
        let status = net.status(VICTIM);
        assert!(!status.signing, "{status:?}");
        assert!(status.signing_reason.contains("check the disk"), "{status:?}");
        let log = newest_segment(&net);
        let after = fs::read(&log).unwrap();
        // The others go on; the disk is healthy again, and is still not written to.
        let goal = net.height(0) + 5;
        net.wait_height(&[0, 1, 2], goal, limit(20));
        assert_eq!(fs::read(&log).unwrap(), after, "it wrote again");
        assert_eq!(net.health_status(VICTIM), Some(503));
        let mut at = height;
        while let Some(block) = net.block(0, at) {
            assert!(
                !net.has_signed(&block, VICTIM) || at < height,
                "it signed at {at}"
            );
            at += 1;
        }
        net.kill(VICTIM);
        net.check_logs();
        net.start(VICTIM);
        let mut at = net.height(0);
        net.wait("it signs again after a restart", limit(30), |net| {
            at += u64::from(net.block(0, at + 1).is_some());
            net.block(0, at)
                .is_some_and(|block| net.has_signed(&block, VICTIM))
        });
        net.check_again(&ALL);
        net.check_no_evidence(&ALL);
    }
}

fn newest_segment(net: &Net) -> std::path::PathBuf {
    let dir = net.layout.node_dir(VICTIM).join("consensus");
    let files = fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    files
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .max()
        .unwrap()
}
