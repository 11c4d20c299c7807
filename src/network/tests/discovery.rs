//! The address book and how nodes find each other.

use std::{collections::HashSet, net::IpAddr};

use super::*;
use crate::{
    network::book::{BUCKET_SLOTS, Book, NEW_BUCKETS},
    wire::{BoundedVec, Endpoint, PeerRecord, address_group, capability, is_dialable},
};

const NOW: u64 = 1_700_000_000;

/// Random numbers from a seed.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

fn at(a: u8, b: u8, c: u8, d: u8) -> SocketAddr {
    SocketAddr::from(([a, b, c, d], 24_100))
}

fn source(a: u8, b: u8) -> IpAddr {
    IpAddr::from([a, b, 0, 1])
}

#[test]
fn dos_14_ten_thousand_records_of_one_source_fill_an_eighth_of_what_is_new() {
    for seed in 0..4 {
        let mut book = Book::new([seed; 32]);
        let mut next = random(u64::from(seed));
        for _ in 0..10_000 {
            let [a, b, c, d, ..] = next().to_le_bytes();
            // From all addresses of the attacker's neighbourhood.
            book.hear(at(a, b, c, d), None, None, IpAddr::from([198, 51, c, d]), NOW);
        }
        let most = NEW_BUCKETS * BUCKET_SLOTS / 8;
        assert!(
            book.new_len() <= most,
            "seed {seed}: {} of {most}",
            book.new_len()
        );
        assert!(book.new_len() > most / 2, "seed {seed}: the attack is a real one");
        assert_eq!(book.tried_len(), 0, "hearsay is never experience");
    }
}

/// A book of which nine in ten addresses are the attacker's, from as many neighbourhoods as a rich one
/// has, and the addresses of honest nodes.
fn hostile_book(seed: u64) -> (Book, HashSet<SocketAddr>) {
    let mut next = random(seed);
    let mut book = Book::new([seed as u8; 32]);
    let mut honest = HashSet::new();
    for n in 0..100u8 {
        let address = at(20 + n, n, 7, 7);
        honest.insert(address);
        book.hear(address, None, None, source(20 + n, n), NOW);
    }
    for _ in 0..900 {
        let [b, c, d, s, ..] = next().to_le_bytes();
        book.hear(at(5, b % 16, c, d), None, None, source(5, s % 16), NOW);
    }
    (book, honest)
}

#[test]
fn dos_15_a_hostile_book_still_gives_an_honest_peer_within_two_minutes() {
    for (seed, wants_masternode) in (0..50).flat_map(|seed| [(seed, false), (seed, true)]) {
        let (book, honest) = hostile_book(seed);
        // Saved and read back, as over a restart.
        let book = Book::from_bytes(&book.to_bytes()).unwrap();
        let mut next = random(seed ^ 0xff);
        let (mut busy, mut groups) = (HashSet::new(), HashSet::new());
        // One dial a second, all of which succeed, up to the sixteen outbound sessions.
        let mut found = 0;
        for _ in 0..16 {
            let Some(entry) = book.choose(&busy, &groups, false, wants_masternode, NOW + 60, &mut next)
            else {
                break;
            };
            busy.insert(entry.address);
            groups.insert(address_group(entry.address.ip()));
            found += usize::from(honest.contains(&entry.address));
        }
        assert!(found >= 1, "seed {seed}, {wants_masternode}");
        assert_eq!(groups.len(), busy.len(), "no neighbourhood twice");
    }
}

#[test]
fn the_book_learns_from_its_own_dials_only_and_survives_a_restart() {
    let mut book = Book::new([1; 32]);
    let mut next = random(1);
    let (here, there) = (at(9, 9, 9, 9), at(8, 8, 8, 8));
    assert!(book.hear(here, Some(id(3)), None, source(4, 4), NOW));
    assert!(book.hear(there, None, None, source(4, 4), NOW));
    assert_eq!((book.new_len(), book.tried_len()), (2, 0));
    book.answered(here, id(3), false, NOW);
    assert_eq!((book.new_len(), book.tried_len()), (1, 1));
    // A failure pauses it: two seconds at first, ten minutes at most.
    book.failed(&there, NOW);
    let only_there = HashSet::from([here]);
    let mut choose = |book: &Book, now| {
        let entry = book.choose(&only_there, &HashSet::new(), false, false, now, &mut next);
        entry.map(|entry| entry.address)
    };
    assert_eq!(choose(&book, NOW + 1), None);
    assert_eq!(choose(&book, NOW + 2), Some(there));
    for _ in 0..20 {
        book.failed(&there, NOW);
    }
    assert_eq!(choose(&book, NOW + 599), None);
    assert_eq!(choose(&book, NOW + 600), Some(there));
    // After a week of it, it is forgotten.
    book.failed(&there, NOW + 8 * 24 * 3_600);
    assert_eq!((book.new_len(), book.tried_len()), (0, 1));

    book.set_anchors(vec![here, there, at(1, 2, 3, 4)]);
    let again = Book::from_bytes(&book.to_bytes()).unwrap();
    assert_eq!(again.anchors(), [here, there]);
    assert_eq!((again.len(), again.tried_len()), (1, 1));
    assert!(Book::from_bytes(b"").is_none() && Book::from_bytes(b"{}").is_none());
}

fn record(seed: u8, seq: u64) -> PeerRecord {
    record_at(seed, seq, at(seed, 1, 1, 1), capability::FULL)
}

fn record_at(seed: u8, seq: u64, address: SocketAddr, capabilities: u64) -> PeerRecord {
    let mut record = PeerRecord {
        node_id: id(seed),
        addresses: BoundedVec::truncated(vec![Endpoint::from(address)]),
        seq,
        capabilities,
        signature: crate::crypto::Signature::from_bytes([0; 64]),
    };
    record.signature = key(seed).sign(&record.signing_bytes(&chain().genesis_hash));
    record
}

#[test]
fn a_record_holds_only_as_its_node_signed_it_for_this_chain() {
    let genesis = chain().genesis_hash;
    let good = record(9, NOW);
    assert!(good.is_signed(&genesis) && good.is_fresh(NOW + 7 * 24 * 3_600));
    assert!(!good.is_fresh(NOW + 7 * 24 * 3_600 + 1));
    assert!(!good.is_from_the_future(NOW - 600) && good.is_from_the_future(NOW - 601));
    assert!(!good.is_signed(&Hash256::ZERO));
    let mut moved = good.clone();
    moved.addresses = BoundedVec::truncated(vec![Endpoint::from(at(66, 6, 6, 6))]);
    let mut older = good.clone();
    older.seq -= 1;
    let mut other = good.clone();
    other.node_id = id(8);
    for forged in [moved, older, other] {
        assert!(!forged.is_signed(&genesis));
    }
    // Whoever signs for somebody else's address does not take it over, unless nobody answers there.
    let mut book = Book::new([1; 32]);
    let address = at(9, 1, 1, 1);
    book.hear(address, Some(id(9)), Some(&record(9, NOW)), source(4, 4), NOW);
    let thief = record_at(8, NOW + 500, address, capability::FULL);
    book.hear(address, Some(id(8)), Some(&thief), source(5, 5), NOW);
    assert_eq!(book.node_at(&address), Some(id(9)));
    book.dialling(&address, NOW);
    book.failed(&address, NOW);
    book.hear(address, Some(id(8)), Some(&thief), source(5, 5), NOW);
    assert_eq!(book.node_at(&address), Some(id(8)));
    // The newest word of a node is what is passed on.
    let mut book = Book::new([1; 32]);
    for seq in [NOW, NOW + 5, NOW + 3] {
        book.hear(
            at(9, 1, 1, 1),
            Some(id(9)),
            Some(&record(9, seq)),
            source(4, 4),
            NOW,
        );
    }
    let told = book.sample(100, &mut random(1));
    assert_eq!(told, [record(9, NOW + 5)]);
}

#[test]
fn half_of_a_masternodes_dials_go_to_those_who_proved_to_be_masternodes() {
    let mut book = Book::new([7; 32]);
    let mut next = random(7);
    // One in twenty proved it; all others that answered say so.
    for n in 0..200u8 {
        let address = at(20 + n, n, 1, 1);
        let record = record_at(n, NOW, address, capability::FULL | capability::MASTERNODE);
        book.hear(address, Some(id(n)), Some(&record), source(100 + n / 2, n), NOW);
        if n % 4 == 0 {
            book.answered(address, id(n), n % 20 == 0, NOW);
        }
    }
    let book = Book::from_bytes(&book.to_bytes()).unwrap();
    let mut proved = |wants_masternode| {
        let dialled = (0..1_000).filter_map(|_| {
            book.choose(
                &HashSet::new(),
                &HashSet::new(),
                false,
                wants_masternode,
                NOW,
                &mut next,
            )
        });
        dialled.filter(|entry| entry.masternode).count()
    };
    let (unasked, wanted) = (proved(false), proved(true));
    assert!(unasked < 250, "{unasked}");
    assert!((450..750).contains(&wanted), "{wanted}");
    // Nobody proved it: anybody will do.
    let mut lonely = Book::new([1; 32]);
    lonely.hear(at(9, 9, 9, 9), None, None, source(4, 4), NOW);
    for _ in 0..20 {
        let chosen = lonely.choose(&HashSet::new(), &HashSet::new(), false, true, NOW, &mut next);
        assert!(chosen.is_some());
    }
    // Another node there, or the same one after it left the registry, is none.
    lonely.answered(at(9, 9, 9, 9), id(3), true, NOW);
    lonely.answered(at(9, 9, 9, 9), id(3), false, NOW);
    let entry = lonely.choose(&HashSet::new(), &HashSet::new(), false, true, NOW, &mut next);
    assert!(!entry.unwrap().masternode);
}

#[test]
fn only_addresses_that_can_be_reached_are_dialled() {
    for (address, public, private) in [
        ("8.8.8.8:24100", true, true),
        ("8.8.8.8:0", false, false),
        ("0.0.0.0:1", false, false),
        ("127.0.0.1:24100", false, true),
        ("10.1.2.3:24100", false, true),
        ("192.168.1.1:24100", false, true),
        ("100.64.0.1:24100", false, true),
        ("169.254.1.1:24100", false, true),
        ("224.0.0.1:24100", false, false),
        ("255.255.255.255:24100", false, false),
        ("[::1]:24100", false, true),
        ("[fd00::1]:24100", false, true),
        ("[fe80::1]:24100", false, true),
        ("[ff02::1]:24100", false, false),
        ("[2001:db8::1]:24100", false, true),
        ("[2a00:1450::1]:24100", true, true),
        ("[::ffff:127.0.0.1]:24100", false, true),
    ] {
        let parsed: SocketAddr = address.parse().unwrap();
        assert_eq!(is_dialable(&parsed, false), public, "{address}");
        assert_eq!(is_dialable(&parsed, true), private, "{address}");
    }
}

async fn finder(seed: u8, seeds: &[SocketAddr]) -> (Network, Inboxes) {
    let (outboxes, inboxes) = queues();
    let config = NetworkConfig {
        discovery: true,
        allow_private: true,
        ..config(loopback(0), seeds)
    };
    let network = Network::start(config, around(seed), outboxes).await.unwrap();
    (network, inboxes)
}

#[tokio::test]
async fn nodes_that_know_one_seed_find_each_other() {
    let (seed, _seed_in) = finder(1, &[]).await;
    let mut others = Vec::new();
    for n in 2..=5 {
        others.push(finder(n, &[seed.listening()]).await);
    }
    eventually("everybody knows everybody", || {
        seed.peer_count() == 4 && others.iter().all(|(network, _)| network.peer_count() == 4)
    })
    .await;
    // One that does not discover meets only whom it is told.
    let (loner, _loner_in) = network(around(6), &[seed.listening()]).await;
    eventually("it meets the seed", || loner.peer_count() == 1).await;
    assert_eq!(loner.known_addresses(), 1, "its own dial, and nothing by hearsay");
    for (network, _) in &others {
        network.shutdown().await;
    }
    seed.shutdown().await;
    loner.shutdown().await;
}

/// A line that breaks three times a minute: each session is a new one to both ends, the nodes are not.
#[tokio::test(start_paused = true)]
async fn sixty_short_sessions_ask_no_more_than_is_granted() {
    const SESSIONS: usize = 60;
    let discovers = || NetworkConfig {
        discovery: true,
        ..config(loopback(24_200), &[])
    };
    let (a, mut a_in) = core_with(around(1), discovers());
    let (b, mut b_in) = core_with(around(2), discovers());
    let drain = tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(_) = a_in.peers.recv() => {}
                Some(_) = a_in.gossip.recv() => {}
                Some(_) = a_in.serve.recv() => {}
                Some(_) = b_in.peers.recv() => {}
                Some(_) = b_in.gossip.recv() => {}
                Some(_) = b_in.serve.recv() => {}
            }
        }
    });
    for node in [&a, &b] {
        node.spawn("discovery", Arc::clone(node).discover());
        node.spawn("reachability", Arc::clone(node).watch_reachability());
    }
    for _ in 0..SESSIONS {
        let (at_a, _) = join(&a, &b, pipe()).await;
        let session = at_a.unwrap();
        sleep(Duration::from_secs(20)).await;
        session.close(crate::network::CloseReason::Closed);
        sleep(Duration::from_secs(1)).await;
    }
    let now = tokio::time::Instant::now();
    let points = (a.standings.points(&id(2), now), b.standings.points(&id(1), now));
    assert_eq!(points, (0, 0));
    let faults = a.around.metrics.p2p.faults.get() + b.around.metrics.p2p.faults.get();
    assert_eq!(faults, 0);
    for node in [&a, &b] {
        node.stopping.cancel();
    }
    drain.abort();
}
