//! Bans, discouragement and scores.

use std::net::IpAddr;

use tokio::time::Instant;

use super::*;
use crate::{
    network::{
        BanError, CloseReason, DISCOURAGED_MAX, OPERATOR_BANS_MAX,
        bans::Bans,
        standing::{STANDINGS_MAX, Standings, Verdict},
    },
    wire::{Ban, BanSource, BanTarget, Fault, ParseBanTargetError},
};

const DAY_MS: u64 = 86_400_000;
const NOW: u64 = 1_700_000_000_000;

fn ban(target: &str, until_ms: Option<u64>) -> Ban {
    Ban {
        target: target.parse().unwrap(),
        source: BanSource::Operator,
        by: "test".to_owned(),
        reason: "because".to_owned(),
        evidence: String::new(),
        at_ms: NOW,
        until_ms,
        times: 1,
    }
}

fn numbered(n: u32) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    NodeId::from_bytes(bytes)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn targets_read_as_they_are_written_and_nobody_bans_half_the_internet() {
    for (written, canonical) in [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.77/24", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::/48", "2001:db8:1::/48"),
        (" 2001:db8::1 ", "2001:db8::1"),
    ] {
        let target: BanTarget = written.parse().unwrap();
        assert_eq!(target.to_string(), canonical);
        assert_eq!(canonical.parse(), Ok(target));
    }
    let node = BanTarget::Node(id(3));
    assert_eq!(node.to_string().parse(), Ok(node));
    for wrong in [
        "",
        "host",
        "1.2.3.4:80",
        "1.2.3.4/33",
        "1.2.3/8",
        "::1/129",
        "abcd",
    ] {
        assert!(matches!(
            wrong.parse::<BanTarget>(),
            Err(ParseBanTargetError::Form(_))
        ));
    }
    for wide in ["0.0.0.0/0", "10.0.0.0/7", "::/0", "2000::/15"] {
        assert!(matches!(
            wide.parse::<BanTarget>(),
            Err(ParseBanTargetError::TooWide { .. })
        ));
    }
}

#[test]
fn a_ban_hits_whom_it_names_until_it_ends() {
    let bans = Bans::open(None, NOW);
    for (target, until) in [
        ("203.0.113.0/24", Some(NOW + 10)),
        ("198.51.100.4", None),
        ("2001:db8::/32", None),
    ] {
        bans.ban(ban(target, until)).unwrap();
    }
    bans.ban(ban(&id(5).to_string(), None)).unwrap();
    let hits = |address: &str, now| bans.of_address(ip(address), now).is_some();
    assert!(hits("203.0.113.200", NOW + 9) && !hits("203.0.113.200", NOW + 10));
    assert!(hits("198.51.100.4", NOW + 90 * DAY_MS) && !hits("198.51.100.5", NOW));
    assert!(hits("::ffff:198.51.100.4", NOW));
    assert!(hits("2001:db8:ffff::9", NOW) && !hits("2001:db9::9", NOW));
    assert!(bans.of_node(&id(5), ip("8.8.8.8"), NOW).is_some());
    assert!(bans.of_node(&id(6), ip("8.8.8.8"), NOW).is_none());
    assert!(bans.of_node(&id(6), ip("198.51.100.4"), NOW).is_some());
    assert_eq!(bans.shown(NOW).total, 4);
    assert_eq!(
        bans.shown(NOW + 10).total,
        3,
        "the list knows when the first ends"
    );
    assert_eq!(bans.unban(&"198.51.100.4".parse().unwrap()).len(), 1);
    assert!(!hits("198.51.100.4", NOW));
    assert_eq!(bans.clear(), 3);
    assert!(!hits("2001:db8::9", NOW));
}

#[test]
fn bans_and_discouragements_survive_a_restart_and_a_damaged_file_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("peers").join("bans.json");
    let bans = Bans::open(Some(path.clone()), NOW);
    bans.ban(ban("203.0.113.0/24", Some(NOW + DAY_MS))).unwrap();
    bans.ban(ban("198.51.100.4", Some(NOW + 1))).unwrap();
    bans.discourage(id(5), "framing: a length of 2.8 GB", "framing ×1", NOW);
    bans.save(NOW).unwrap();
    let before = bans.list(NOW + 2);
    let again = Bans::open(Some(path.clone()), NOW + 2);
    assert_eq!(again.list(NOW + 2), before);
    assert_eq!(before.len(), 2);
    // A repeat within the week is known as one, and lasts twice as long; the eighth, a week.
    let day = 12 * 3_600_000;
    assert_eq!(again.discourage(id(5), "", "", NOW + day), 2 * day);
    assert!((0..8).map(|_| again.discourage(id(5), "", "", NOW)).last() == Some(7 * DAY_MS));

    std::fs::write(&path, b"{ not a list").unwrap();
    assert!(Bans::open(Some(path.clone()), NOW).list(NOW).is_empty());
    assert!(path.with_extension("damaged").exists());
}

#[test]
fn dos_37_twenty_thousand_bad_ids_displace_no_operator_ban_and_stay_bounded() {
    let bans = Bans::open(None, NOW);
    for n in 0..OPERATOR_BANS_MAX as u32 {
        let target = format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255);
        bans.ban(ban(&target, None)).unwrap();
    }
    assert!(matches!(bans.ban(ban("11.0.0.1", None)), Err(BanError::Full)));
    let standings = Standings::default();
    let now = Instant::now();
    for n in 0..20_000 {
        let verdict = standings.charge(numbered(n), Fault::Framing, false, now);
        assert!(matches!(verdict, Verdict::Discourage(_)));
        bans.discourage(numbered(n), "framing", "framing ×1", NOW + u64::from(n));
    }
    let held = bans.list(NOW + 20_000);
    let by_hand = held.iter().filter(|ban| ban.source == BanSource::Operator);
    assert_eq!(by_hand.count(), OPERATOR_BANS_MAX);
    assert_eq!(held.len(), OPERATOR_BANS_MAX + DISCOURAGED_MAX);
    assert!(bans.is_discouraged(&numbered(19_999), NOW + 20_000));
    assert!(!bans.is_discouraged(&numbered(0), NOW + 20_000));
    assert!(standings.len() <= STANDINGS_MAX);
}

#[test]
fn a_connection_check_takes_less_than_a_millisecond_with_full_lists() {
    let bans = Bans::open(None, NOW);
    for n in 0..OPERATOR_BANS_MAX as u32 {
        let (a, b) = ((n >> 8) & 255, n & 255);
        let target = match n % 3 {
            0 => format!("10.{a}.{b}.{}/{}", n % 200, 9 + n % 24),
            1 => format!("172.{a}.{b}.1"),
            _ => format!("2001:{a:x}{b:02x}::/{}", 17 + n % 112),
        };
        bans.ban(ban(&target, None)).unwrap();
    }
    let began = std::time::Instant::now();
    let checks = 1_000;
    for n in 0..checks {
        let from = ip(&format!("99.{}.{}.7", n / 256, n % 256));
        assert!(bans.of_node(&numbered(n), from, NOW).is_none());
    }
    let each = began.elapsed() / checks;
    assert!(each < Duration::from_millis(1), "{each:?}");
}

#[tokio::test(start_paused = true)]
async fn points_halve_in_ten_minutes_and_masternodes_are_never_discouraged() {
    let standings = Standings::default();
    let node = id(5);
    let charge = |fault| standings.charge(node, fault, false, Instant::now());
    assert_eq!(charge(Fault::InvalidSignature), Verdict::Noted);
    assert_eq!(charge(Fault::InvalidSignature), Verdict::Disconnect);
    assert_eq!(standings.points(&node, Instant::now()), 20);
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(standings.points(&node, Instant::now()), 10);
    tokio::time::advance(Duration::from_secs(3 * 3600)).await;
    assert_eq!(standings.points(&node, Instant::now()), 0);
    for _ in 0..4 {
        assert!(!matches!(charge(Fault::InvalidSignature), Verdict::Discourage(_)));
    }
    assert_eq!(
        charge(Fault::EmptyPromise),
        Verdict::Discourage("invalid_signature ×4, empty_promise ×1".to_owned())
    );

    let masternode = id(6);
    let charge = |fault| standings.charge(masternode, fault, true, Instant::now());
    let pauses: Vec<u64> = (0..8)
        .map(|_| {
            assert_eq!(charge(Fault::Framing), Verdict::Pause);
            standings
                .pause(&masternode, Instant::now())
                .unwrap_or_default()
                .as_secs()
        })
        .collect();
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
    tokio::time::advance(Duration::from_secs(301)).await;
    assert_eq!(standings.pause(&masternode, Instant::now()), None);
    // Lighter faults keep the session and only its consensus.
    for _ in 0..2 {
        charge(Fault::InvalidTransaction);
    }
    assert!(standings.is_quarantined(&masternode, Instant::now()));
    assert_eq!(standings.pause(&masternode, Instant::now()), None);
}

/// Bans the node behind a live session; gives how long its end took.
async fn ban_live(network: &Network, inboxes: &mut Inboxes, target: &str) -> Duration {
    let began = std::time::Instant::now();
    let until = super::super::handshake::unix_ms() + DAY_MS;
    assert_eq!(network.ban(ban(target, Some(until))).unwrap(), 1);
    assert_eq!(next_down(inboxes).await, CloseReason::Banned);
    began.elapsed()
}

#[tokio::test]
async fn dos_38_a_ban_closes_at_once_outlives_a_restart_and_ends_with_unban() {
    let directory = tempfile::tempdir().unwrap();
    let start = |listen| start_in(directory.path().join("peers"), listen);
    let (victim, mut inboxes) = start(loopback(0)).await;
    let listening = victim.listening();
    let (other, _other_in) = network(around(2), &[listening]).await;
    eventually("they meet", || victim.is_connected(&id(2))).await;
    let took = ban_live(&victim, &mut inboxes, &id(2).to_string()).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    victim.shutdown().await;
    drop(victim);

    let (victim, mut inboxes) = start(listening).await;
    assert_eq!(victim.bans().len(), 1);
    let refused = &victim.core_metrics().p2p.handshakes;
    eventually("it is refused after the restart", || {
        refused.get(crate::metrics::labels::HandshakeResult::Refused) > 0
    })
    .await;
    assert!(!victim.is_connected(&id(2)));
    // A fresh dialler needs no patience of the old one's backoff.
    other.shutdown().await;
    let unbanned = victim.unban(&BanTarget::Node(id(2))).unwrap();
    assert_eq!((unbanned.lifted.len(), unbanned.still), (1, None));
    let (other, _other_in) = network(around(2), &[listening]).await;
    let began = std::time::Instant::now();
    eventually("it is welcome", || victim.is_connected(&id(2))).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());

    // By address: refused before any handshake, and known from the list as what keeps it out.
    let took = ban_live(&victim, &mut inboxes, "127.0.0.0/8").await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    let still = victim.unban(&"127.0.0.1".parse().unwrap()).unwrap().still;
    assert_eq!(
        still.map(|ban| ban.target.to_string()).as_deref(),
        Some("127.0.0.0/8")
    );
    assert_eq!(victim.clear_bans().unwrap(), 1);
    eventually("all is forgiven", || victim.is_connected(&id(2))).await;
    other.shutdown().await;
    victim.shutdown().await;
}

#[tokio::test]
async fn an_unban_lifts_all_there_is_and_says_what_still_keeps_the_node_out() {
    let (victim, mut inboxes) = network(around(1), &[]).await;
    let (other, _other_in) = network(around(2), &[victim.listening()]).await;
    eventually("they meet", || victim.is_connected(&id(2))).await;
    ban_live(&victim, &mut inboxes, &id(2).to_string()).await;
    victim.ban(ban("127.0.0.0/8", None)).unwrap();
    // By its id: the range that it was seen in is named.
    let unbanned = victim.unban(&BanTarget::Node(id(2))).unwrap();
    let still = unbanned.still.map(|ban| ban.target.to_string());
    assert_eq!(still.as_deref(), Some("127.0.0.0/8"));
    assert_eq!(unbanned.lifted.len(), 1);
    assert!(!victim.is_connected(&id(2)));
    let unbanned = victim.unban(&"127.0.0.0/8".parse().unwrap()).unwrap();
    assert_eq!((unbanned.lifted.len(), unbanned.still), (1, None));
    eventually("it is back", || victim.is_connected(&id(2))).await;
    // By where it comes from: what the program holds against nodes from there goes too, and no other's.
    victim.blame(&id(2), Fault::Framing, "test");
    assert!(
        victim
            .bans()
            .iter()
            .any(|ban| ban.target == BanTarget::Node(id(2)))
    );
    let elsewhere = victim.unban(&"203.0.113.0/24".parse().unwrap()).unwrap();
    assert_eq!((elsewhere.lifted.len(), elsewhere.forgiven), (0, false));
    let unbanned = victim.unban(&"127.0.0.1".parse().unwrap()).unwrap();
    let lifted: Vec<_> = unbanned.lifted.iter().map(|ban| ban.target).collect();
    assert_eq!((lifted, unbanned.forgiven), (vec![BanTarget::Node(id(2))], true));
    assert!(victim.bans().is_empty());
    other.shutdown().await;
    victim.shutdown().await;
}

/// The registry of a node that catches up grows: who is in it is no stranger any more.
#[tokio::test]
async fn who_was_discouraged_before_its_registration_counted_is_welcome_once_it_does() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let is_registered = Arc::new(AtomicBool::new(false));
    let registry = Arc::clone(&is_registered);
    let (victim, _inboxes) = core(Surroundings {
        is_member: Arc::new(move |key: &PublicKey| *key == id(103) && registry.load(Ordering::SeqCst)),
        ..around(1)
    });
    let now_ms = || super::super::handshake::unix_ms();
    let mut alive = Vec::new();
    for seed in [3, 4] {
        let (own, own_in) = core(masternode(seed));
        let (_, at_victim) = join(&own, &victim, pipe()).await;
        victim.fault(&at_victim.unwrap(), Fault::Framing, "test");
        assert!(victim.bans.is_discouraged(&id(seed), now_ms()));
        alive.push((own, own_in));
    }
    victim.welcome_registered();
    assert!(victim.bans.is_discouraged(&id(3), now_ms()));
    is_registered.store(true, Ordering::SeqCst);
    victim.welcome_registered();
    assert!(!victim.bans.is_discouraged(&id(3), now_ms()));
    assert_eq!(victim.standings.points(&id(3), Instant::now()), 0);
    assert!(
        victim.bans.is_discouraged(&id(4), now_ms()),
        "a key that no registry knows"
    );
    // Or as soon as it proves its key, also after a restart that forgot where the node was seen.
    victim.bans.discourage(id(3), "framing", "framing ×1", now_ms());
    let (own, own_in) = core(masternode(3));
    let (_, at_victim) = join(&own, &victim, pipe()).await;
    assert!(at_victim.is_ok(), "{:?}", at_victim.err());
    assert!(!victim.bans.is_discouraged(&id(3), now_ms()));
    alive.push((own, own_in));
}

async fn start_in(directory: std::path::PathBuf, listen: SocketAddr) -> (Network, Inboxes) {
    let (outboxes, inboxes) = queues();
    let config = NetworkConfig {
        directory: Some(directory),
        ..config(listen, &[])
    };
    let network = Network::start(config, around(1), outboxes).await.unwrap();
    (network, inboxes)
}
