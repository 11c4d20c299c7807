//! Rows of the table of attacks that no other file of this room shows (docs/WIRE.md, "Attacks").

use std::net::IpAddr;

use tokio::{io::AsyncWriteExt, time::Instant};

use super::*;
use crate::{
    metrics::ProcessFigures,
    network::{
        CloseReason,
        origins::{Origins, PER_GROUP_MAX, Slot},
        quota::{AllQuotas, Pass, Quotas},
        requests::Waiter,
        twins::Twins,
    },
    wire::{
        BoundedVec, Fault, GetBlocks, GetStatus, MessageType, NotFound, Refusal,
        limits::{BLOCKS_BYTES_MAX, PACKET_PAYLOAD_MAX_BYTES, REASSEMBLY_UNASKED_BYTES},
    },
};

fn resident_bytes() -> u64 {
    ProcessFigures::read().map_or(0, |figures| figures.resident_bytes)
}

/// A node id and TLS identity of its own for number `n`.
pub(super) fn numbered(n: u32) -> Surroundings {
    let mut seed = [9; 32];
    seed[..4].copy_from_slice(&n.to_le_bytes());
    Surroundings {
        node_key: SecretKey::from_seed(&seed),
        ..around(9)
    }
}

/// As many masternodes as given connect to one core; what they leave open is theirs.
async fn crowd(victim: &Arc<Core>, count: u32) -> Vec<tokio_rustls::TlsStream<DuplexStream>> {
    crowd_from(victim, 0, count).await
}

fn wide(count: usize) -> NetworkConfig {
    NetworkConfig {
        inbound_max: count,
        ..config(loopback(24_200), &[])
    }
}

/// Row 2, and the memory of a thousand sessions: both ends live in this process, so what is measured is
/// above what a node pays.
#[tokio::test]
async fn dos_02_a_thousand_sessions_that_begin_large_messages_stay_within_the_budget() {
    const SESSIONS: u32 = 1_000;
    let (victim, inboxes) = core_with(around(1), wide(SESSIONS as usize + 1));
    // The queue of comings and goings would hold up the thousand-and-first.
    let Inboxes {
        mut peers,
        mut strangers,
        ..
    } = inboxes;
    let drain = tokio::spawn(async move { while peers.recv().await.is_some() {} });
    let mut streams = crowd(&victim, 20).await;
    let idle = resident_bytes();
    streams.extend(crowd_from(&victim, 20, SESSIONS).await);
    let connected = resident_bytes().saturating_sub(idle);
    assert_eq!(victim.sessions.len(), SESSIONS as usize);
    for kind in [MessageType::PrePrepare, MessageType::Txs] {
        for stream in &mut streams {
            let begin = super::hostile::start_header(kind.lane(), kind.id(), 0, kind.limit() as u32);
            stream.write_all(&begin).await.unwrap();
            stream.flush().await.unwrap();
        }
    }
    eventually("what fits is taken", || victim.budget.used_bytes() > 0).await;
    // Votes still pass.
    let (mut voter, _session) = super::hostile::Attacker::meet(&victim, 64 * 1024).await;
    voter.say(&super::live::evidence(1), 0).await;
    assert_eq!(next(&mut strangers).await.message, super::live::evidence(1));
    let attacked = resident_bytes().saturating_sub(idle);
    println!(
        "1000 sessions, both ends: {} kB; attacked: {} kB",
        connected / 1024,
        attacked / 1024
    );
    assert!(victim.budget.used_bytes() <= REASSEMBLY_UNASKED_BYTES);
    // Small messages take no share. Each session begins one more and keeps back its last byte: of those a
    // session holds one, in its read buffer.
    let packet = all_but_the_last_byte(MessageType::Peers, true);
    for stream in &mut streams {
        stream.write_all(&packet).await.unwrap();
        stream.flush().await.unwrap();
    }
    let attacked = resident_bytes().saturating_sub(idle);
    println!("with a packet of each half received: {} kB", attacked / 1024);
    assert_eq!(victim.sessions.len(), SESSIONS as usize + 1);
    // Both ends, and whatever other tests of this process took meanwhile.
    assert!(attacked < 4 * 64 * 1024 * 1024, "{} kB", attacked / 1024);
    drain.abort();
}

/// A message of just one packet without its last byte; said to be whole, or that more follows.
fn all_but_the_last_byte(kind: MessageType, is_whole: bool) -> Vec<u8> {
    let size = PACKET_PAYLOAD_MAX_BYTES;
    let mut packet = super::hostile::start_header(kind.lane(), kind.id(), 0, size as u32);
    packet.pop();
    let payload = if is_whole { size } else { size - 1 };
    packet[..2].copy_from_slice(&(payload as u16).to_le_bytes());
    if is_whole {
        packet[3] |= crate::wire::FLAG_END;
    }
    packet.resize(packet.len() + size - 1, 7);
    packet
}

/// In four lanes at once they would lie beside the budget.
#[tokio::test]
async fn dos_02_small_messages_that_are_cut_into_packets_are_held_in_no_lane() {
    let (victim, mut inboxes) = core_with(around(1), wide(100));
    let mut streams = crowd(&victim, 50).await;
    let kinds = [
        MessageType::PrePrepare,
        MessageType::Status,
        MessageType::Txs,
        MessageType::Peers,
    ];
    for stream in &mut streams {
        for kind in kinds {
            // It is thrown out while it writes.
            let _ = stream.write_all(&all_but_the_last_byte(kind, false)).await;
        }
        let _ = stream.flush().await;
    }
    for _ in 0..50 {
        let reason = next_down(&mut inboxes).await;
        assert!(
            matches!(reason, CloseReason::Fault(Fault::Framing, _)),
            "{reason}"
        );
    }
    assert_eq!((victim.sessions.len(), victim.budget.used_bytes()), (0, 0));
}

async fn crowd_from(victim: &Arc<Core>, first: u32, end: u32) -> Vec<tokio_rustls::TlsStream<DuplexStream>> {
    let mut streams = Vec::new();
    for n in first..end {
        let (own, _own_in) = core(numbered(n));
        let (near, far) = tokio::io::duplex(2 * 1024);
        let (at_own, at_victim) = tokio::join!(
            super::super::handshake::handshake(&own, near, Role::Dialer, None),
            connect(victim, far, loopback(1), Role::Listener, None, ()),
        );
        at_victim.unwrap();
        streams.push(at_own.unwrap().stream);
    }
    streams
}

#[tokio::test]
async fn dos_11_what_a_node_says_comes_back_to_nobody() {
    // A listener that sends every byte back: the reflected handshake is the node's own.
    let (a, _a_in) = core(around(1));
    let (near, far) = pipe();
    let echo = async {
        let (mut from, mut to) = tokio::io::split(far);
        // Ends when the other side gives up.
        let _ = tokio::io::copy(&mut from, &mut to).await;
    };
    let attempt = connect(&a, near, loopback(1), Role::Dialer, None, ());
    let result = tokio::select! { result = attempt => result, () = echo => unreachable!("the pipe is open") };
    assert!(result.is_err());
    assert!(a.sessions.is_empty());
}

#[test]
fn dos_12_one_neighbourhood_holds_eight_sessions_and_comes_twenty_times_a_minute() {
    let origins = Arc::new(Mutex::new(Origins::default()));
    let began = Instant::now();
    let from = |n: u16| IpAddr::from([0x2a00, 0x1450, 7, n, 1, 2, 3, n]);
    let mut held = Vec::new();
    for n in 0..500 {
        held.extend(Slot::take(&origins, from(n), 2, began));
    }
    assert_eq!(held.len(), PER_GROUP_MAX);
    // Elsewhere there is room.
    assert!(
        Slot::take(
            &origins,
            IpAddr::from([0x2a00, 0x1450, 8, 0, 0, 0, 0, 1]),
            2,
            began
        )
        .is_some()
    );
    held.clear();
    let mut opened = 0;
    for second in 0..60 {
        for n in 0..100 {
            let now = began + Duration::from_secs(second);
            opened += usize::from(Slot::take(&origins, from(n), 2, now).is_some());
        }
    }
    // Twelve in the minute; the eight that may come at once are those above.
    assert!((11..=12).contains(&opened), "{opened}");
    // A /24 of IPv4 likewise, and an address of it holds no more than two.
    let home = IpAddr::from([203, 0, 113, 9]);
    let two: Vec<_> = (0..5)
        .filter_map(|_| Slot::take(&origins, home, 2, began))
        .collect();
    assert_eq!(two.len(), 2);
    for a in 0..200u8 {
        for b in 0..200 {
            drop(Slot::take(&origins, IpAddr::from([99, a, b, 1]), 2, began));
        }
    }
    let remembered = origins.lock().unwrap().len();
    assert!(remembered <= 16_384 + 2, "{remembered}");
}

#[tokio::test]
async fn dos_13_a_validator_gets_in_when_strangers_hold_every_slot() {
    let is_member: crate::network::Membership = Arc::new(|key: &PublicKey| *key == id(103));
    let (victim, _inboxes) = core_with(
        Surroundings {
            is_member,
            ..around(1)
        },
        NetworkConfig {
            inbound_max: 4,
            ..config(loopback(24_200), &[])
        },
    );
    let _strangers = crowd(&victim, 4).await;
    // A proven key that is no registered masternode's reserves nothing: it takes the place of another
    // stranger, as any newcomer does.
    let held = |is_masternode: bool| {
        let live = victim
            .sessions
            .iter()
            .filter(|entry| !entry.closing.is_cancelled());
        live.filter(|entry| victim.is_masternode(entry) == is_masternode)
            .count()
    };
    let mut alive = Vec::new();
    for (seed, reserved) in [(4, 0), (3, 1)] {
        let (own, own_in) = core(masternode(seed));
        let (_, at_victim) = join(&own, &victim, pipe()).await;
        assert!(at_victim.is_ok(), "{:?}", at_victim.err());
        assert!(victim.sessions.contains_key(&id(seed)));
        assert_eq!((held(false), held(true)), (4, reserved));
        alive.push((own, own_in));
    }
}

/// Many node ids prove one key, to hold many times what one masternode may hold.
#[tokio::test]
async fn dos_13_one_key_has_sessions_with_two_nodes_and_no_more() {
    let is_member: crate::network::Membership = Arc::new(|_: &PublicKey| true);
    let (victim, _inboxes) = core(Surroundings {
        is_member,
        ..around(1)
    });
    let mut alive = Vec::new();
    for turn in 0..6u8 {
        let (own, own_in) = core(Surroundings {
            node_key: key(10 + turn),
            ..masternode(3)
        });
        let (_, at_victim) = join(&own, &victim, pipe()).await;
        assert_eq!(at_victim.is_ok(), turn < 2, "node {turn}: {:?}", at_victim.err());
        alive.push((own, own_in));
    }
    // Another key is none of its business, and one of the two comes again as often as it likes.
    let (other, _other_in) = core(masternode(4));
    assert!(join(&other, &victim, pipe()).await.1.is_ok());
    let (again, _again_in) = core_of_run(
        Surroundings {
            node_key: key(10),
            ..masternode(3)
        },
        config(loopback(24_200), &[]),
        77,
    );
    assert!(join(&again, &victim, pipe()).await.1.is_ok());
}

/// Asking for one transaction five thousand times would have it encoded as often.
#[test]
fn dos_05_positions_that_repeat_are_over_the_limit() {
    let ask = |positions: Vec<u32>| {
        let message = Message::GetBlockTxs(crate::wire::GetBlockTxs {
            hash: Default::default(),
            positions: BoundedVec::truncated(positions),
        });
        Quotas::new(true, 4, Instant::now()).on_message(&message, false, Instant::now())
    };
    assert_eq!(ask(vec![0, 3, 4]), Pass::Yes);
    assert_eq!(ask(vec![3, 3]), Pass::OverLimit);
    assert_eq!(ask(vec![4, 3]), Pass::OverLimit);
}

#[test]
fn dos_18_what_nobody_asked_for_has_a_bucket_also_if_it_is_empty() {
    let now = Instant::now();
    let empty = Message::Txs(crate::wire::Txs {
        transactions: BoundedVec::truncated(Vec::new()),
    });
    let peers = Message::Peers(crate::wire::Peers {
        records: BoundedVec::truncated(Vec::new()),
    });
    for (message, most) in [(empty, 300), (peers, 10)] {
        let mut quotas = Quotas::new(false, 4, now);
        let passed = (0..1_000).filter(|_| quotas.on_message(&message, false, now) == Pass::Yes);
        assert_eq!(passed.count(), most);
        assert_eq!(
            quotas.on_message(&message, true, now),
            Pass::Yes,
            "an answer is none"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn dos_18_a_flood_of_pings_costs_points_and_ends_the_session() {
    let mut quotas = Quotas::new(false, 4, Instant::now());
    let mut ping = || quotas.on_type(MessageType::Ping, Instant::now());
    assert!((0..3).all(|_| ping() == Pass::Yes));
    assert_eq!(ping(), Pass::Drop(Some(Fault::RateExceeded)));
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(ping(), Pass::Yes);
    // An honest pinger, every ten seconds for a day, is never over.
    for _ in 0..8_640 {
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(ping(), Pass::Yes);
    }
}

#[test]
fn a_node_that_is_restarted_over_and_over_is_not_a_flood_and_reconnecting_buys_no_pings() {
    let (quotas, mut now) = (AllQuotas::default(), Instant::now());
    let node = id(2);
    let take = |quotas: &Arc<Mutex<Quotas>>, kind, now| quotas.lock().unwrap().on_type(kind, now);
    for _ in 0..100 {
        now += Duration::from_secs(2);
        let session = quotas.of(node, true, true, 4, now);
        for greeting in [MessageType::Ping, MessageType::Clock, MessageType::GetPeers] {
            assert_eq!(take(&session, greeting, now), Pass::Yes);
        }
    }
    // Sessions at one moment: each brings what its greeting costs, and nothing beyond the burst.
    for _ in 0..10 {
        quotas.of(node, true, true, 4, now);
    }
    let session = quotas.of(node, true, true, 4, now);
    assert!((0..3).all(|_| take(&session, MessageType::Ping, now) == Pass::Yes));
    assert_eq!(
        take(&session, MessageType::Ping, now),
        Pass::Drop(Some(Fault::RateExceeded))
    );
}

#[test]
fn among_many_validators_each_may_pass_on_the_votes_of_all() {
    let (quotas, now) = (AllQuotas::default(), Instant::now());
    let at_once = |node, validators| {
        let session = quotas.of(id(node), true, true, validators, now);
        let mut session = session.lock().unwrap();
        (0..100_000)
            .take_while(|_| session.on_type(MessageType::Commit, now) == Pass::Yes)
            .count()
    };
    assert_eq!(
        (at_once(2, 4), at_once(3, 500), at_once(4, 1_000)),
        (4_000, 4_000, 8_000)
    );
}

#[test]
fn a_node_that_registers_gets_a_masternodes_allowance_once() {
    let (quotas, now) = (AllQuotas::default(), Instant::now());
    let votes = |is_masternode| {
        let session = quotas.of(id(2), is_masternode, true, 4, now);
        let mut session = session.lock().unwrap();
        (0..10_000)
            .take_while(|_| session.on_type(MessageType::Prepare, now) == Pass::Yes)
            .count()
    };
    assert_eq!((votes(false), votes(true)), (200, 4_000));
    assert_eq!((votes(false), votes(true)), (0, 0));
}

#[test]
fn dos_19_get_blocks_over_its_limit_is_fatal_and_serving_is_bounded_by_bytes() {
    let now = Instant::now();
    let get = |count: u16, max_bytes: u32| {
        Message::GetBlocks(GetBlocks {
            start: crate::wire::codec::decode::<_, 64>(&[1, 0, 0, 0, 0, 0, 0, 0]).unwrap(),
            count,
            max_bytes,
        })
    };
    let mut quotas = Quotas::new(true, 4, now);
    for over in [get(101, 1), get(u16::MAX, 1), get(1, BLOCKS_BYTES_MAX + 1)] {
        assert_eq!(quotas.on_message(&over, false, now), Pass::OverLimit);
    }
    // A hundred requests a second for a minute, each answered with 8 MiB if it is taken.
    let mut served = 0u64;
    for tick in 0..6_000u64 {
        let at = now + Duration::from_millis(tick * 10);
        if quotas.on_message(&get(100, BLOCKS_BYTES_MAX), false, at) == Pass::Yes {
            quotas.served(BLOCKS_BYTES_MAX as usize, at);
            served += u64::from(BLOCKS_BYTES_MAX);
        }
    }
    let most = 24_000_000 + 60 * 8_000_000 + u64::from(BLOCKS_BYTES_MAX);
    assert!(served <= most, "{served}");
    assert!(
        served > 60 * 7_000_000,
        "an honest syncer gets its 8 MB/s: {served}"
    );
}

#[tokio::test]
async fn dos_36_no_escape_of_a_peer_reaches_a_screen() {
    let (victim, _inboxes) = core(around(1));
    let loud = NetworkConfig {
        user_agent: "\u{1b}[2Jtimed".to_owned(),
        ..config(loopback(24_200), &[])
    };
    let (own, _own_in) = core_with(around(2), loud);
    let (_, at_victim) = join(&own, &victim, pipe()).await;
    assert!(matches!(
        at_victim,
        Err(HandshakeError::Refused(Refusal::UserAgent))
    ));
    // What goes into the list of bans is stripped, whoever wrote it.
    victim
        .bans
        .discourage(id(2), "\u{1b}[31mred\u{7}\n", "a\u{9b}b\u{202e}c", 1);
    let ban = victim.bans.list(2).remove(0);
    let text = format!("{}{}", ban.reason, ban.evidence);
    assert!(
        text.chars().all(|c| !c.is_control() && c != '\u{202e}'),
        "{text:?}"
    );
}

#[tokio::test]
async fn dos_44_a_key_in_use_twice_is_told_and_does_not_flap() {
    // Two processes with one node key take turns.
    let (victim, _inboxes) = core(around(1));
    let mut alive = Vec::new();
    let mut kept = None;
    for turn in 0..40u64 {
        // Whoever was refused comes again and again; the other one has its session.
        let run = if turn < 4 { 100 + turn % 2 } else { 100 };
        let (own, own_in) = core_of_run(around(2), config(loopback(24_200), &[]), run);
        let _ = join(&own, &victim, pipe()).await;
        alive.push((own, own_in));
        let now = victim.session(&id(2)).map(|session| session.generation);
        if turn > 4 {
            assert_eq!(now, kept, "turn {turn}: the one that is here stays");
        }
        kept = now;
    }
    assert_eq!(victim.twins.list(Instant::now()), [id(2)]);
}

#[tokio::test(start_paused = true)]
async fn dos_44_a_node_that_restarts_now_and_then_is_no_twin() {
    let twins = Twins::default();
    for _ in 0..50 {
        assert!(!twins.replaced(id(2), Instant::now()));
        tokio::time::advance(Duration::from_secs(120)).await;
    }
    assert!(twins.list(Instant::now()).is_empty());
    for n in 0..4 {
        assert_eq!(twins.replaced(id(2), Instant::now()), n == 1, "{n}");
    }
    tokio::time::advance(Duration::from_secs(301)).await;
    assert!(twins.list(Instant::now()).is_empty());
}

/// A line that loses one packet in five: TCP repeats them, so they come late, and twice as late each
/// time; now and then the connection does not survive it.
async fn lossy(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    seed: u64,
) {
    use tokio::io::AsyncReadExt;
    let mut state = seed;
    let mut chunk = [0; 1_400];
    while let Ok(n @ 1..) = from.read(&mut chunk).await {
        let mut timeout_ms = 200;
        let mut late_ms = 40;
        loop {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            if (state >> 33) % 100 >= 20 {
                break;
            }
            late_ms += timeout_ms;
            timeout_ms *= 2;
        }
        if late_ms > 60_000 {
            return;
        }
        sleep(Duration::from_millis(late_ms)).await;
        if to.write_all(&chunk[..n]).await.is_err() {
            return;
        }
    }
}

/// The smallest message of a kind that decodes, all zeros: this room does not know what it means.
fn zeros(kind: MessageType) -> Message {
    let found = (0..4_096).find_map(|length| Message::decode(kind, &vec![0; length]).ok());
    found.unwrap_or_else(|| panic!("{} has a value of zeros", kind.name()))
}

#[tokio::test(start_paused = true)]
async fn dos_39_three_honest_days_with_a_fifth_of_all_packets_lost_ban_nobody() {
    const DAYS: u64 = 3;
    let discovers = || NetworkConfig {
        discovery: true,
        ..config(loopback(24_200), &[])
    };
    // A masternode whose registry is behind: to it the other is a stranger with a key.
    let behind = Surroundings {
        is_member: Arc::new(|_| false),
        ..masternode(1)
    };
    let (a, mut a_in) = core_with(behind, discovers());
    let (b, mut b_in) = core_with(masternode(2), discovers());
    for node in [&a, &b] {
        node.spawn("discovery", Arc::clone(node).discover());
        node.spawn("reachability", Arc::clone(node).watch_reachability());
    }
    let (proposal, status) = (zeros(MessageType::CompactProposal), zeros(MessageType::Status));
    let server = Arc::clone(&b);
    let drain = tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(question) = b_in.serve.recv() => {
                    // An honest server: it has no transactions any more, is busy now and then, and serves
                    // blocks, of which only the weight is sent here.
                    if let Some(session) = server.session(&question.peer) {
                        let answer = match (&question.message, question.request_id % 7) {
                            (Message::GetTxs(_), 0) => continue,
                            (_, 1) => Message::Busy(crate::wire::Busy),
                            _ => Message::NotFound(NotFound),
                        };
                        if matches!(question.message, Message::GetBlocks(_)) {
                            session.quotas().served(1 << 20, Instant::now());
                        }
                        let _ = session.send(&answer, question.request_id);
                    }
                }
                Some(_) = a_in.peers.recv() => {}
                Some(_) = a_in.gossip.recv() => {}
                Some(_) = a_in.serve.recv() => {}
                Some(_) = a_in.strangers.recv() => {}
                Some(_) = b_in.peers.recv() => {}
                Some(_) = b_in.gossip.recv() => {}
                Some(_) = b_in.consensus.recv() => {}
                Some(_) = b_in.urgent.recv() => {}
            }
        }
    });
    let began = Instant::now();
    let (mut sessions, mut questions, mut worst, mut refused, mut said) = (0u64, 0u64, 0, 0u64, 0u64);
    while began.elapsed() < Duration::from_secs(DAYS * 86_400) {
        let ((a_end, a_far), (b_end, b_far)) = (pipe(), pipe());
        let (a_from, a_to) = tokio::io::split(a_far);
        let (b_from, b_to) = tokio::io::split(b_far);
        let line = tokio::spawn(async move {
            tokio::select! {
                () = lossy(a_from, b_to, sessions * 2 + 1) => {}
                () = lossy(b_from, a_to, sessions * 2 + 2) => {}
            }
        });
        let (at_a, _) = join(&a, &b, (a_end, b_end)).await;
        sessions += 1;
        if let Ok(session) = at_a {
            // At first the line breaks three times a minute, sixty-four times; then it holds as it can.
            let flaps = sessions < 64;
            let stays_s = if flaps { 20 } else { 6 * 3_600 };
            let until = Instant::now() + Duration::from_secs(stays_s);
            while !session.closing.is_cancelled() && Instant::now() < until {
                // What nodes say to each other all day.
                let _ = session.send(&tx_inv(3), 0);
                let far_end = b.session(&id(1));
                for end in [Some(&session), far_end.as_ref()].into_iter().flatten() {
                    for height in 0..6 {
                        said += u64::from(end.send(&super::live::evidence(height), 0).is_ok());
                    }
                    let _ = end.send(&proposal, 0);
                    let _ = end.send(&status, 0);
                }
                // Now and then a round that goes on for long, of many validators: everybody passes on what
                // is new of everybody, and every proposal comes from each of them.
                if questions.is_multiple_of(360) {
                    for end in [Some(&session), far_end.as_ref()].into_iter().flatten() {
                        for _ in 0..20 {
                            for height in 0..50 {
                                said += u64::from(end.send(&super::live::evidence(height), 0).is_ok());
                            }
                            let _ = end.send(&proposal, 0);
                            sleep(Duration::from_millis(500)).await;
                        }
                    }
                }
                // Every third question is given up before its answer can be here: a late answer is no
                // fault.
                questions += 1;
                let ask = Message::GetStatus(GetStatus { nonce: questions });
                if let Ok(asked) = session.ask(&ask, Waiter::Queue)
                    && questions.is_multiple_of(3)
                {
                    let _ = session.requests.cancel(asked);
                }
                // Transactions that were announced: some stall, and are given up.
                let txids = BoundedVec::truncated(vec![wire_txid(questions as u8)]);
                let ask = Message::GetTxs(crate::wire::GetTxs { txids });
                if let Ok(asked) = session.ask(&ask, Waiter::Queue) {
                    sleep(Duration::from_secs(2)).await;
                    let _ = session.requests.cancel(asked);
                }
                // Every hour the node catches up: a mebibyte per question, fifteen of them a second for
                // half a minute, twice what it is served; told Busy, it asks that peer half a second
                // later, as `sync` does.
                if questions.is_multiple_of(120) {
                    let until = Instant::now() + Duration::from_secs(30);
                    while !session.closing.is_cancelled() && Instant::now() < until {
                        let ask = Message::GetBlocks(GetBlocks {
                            start: crate::wire::codec::decode::<_, 64>(&[1, 0, 0, 0, 0, 0, 0, 0]).unwrap(),
                            count: 100,
                            max_bytes: 1 << 20,
                        });
                        let is_over = b
                            .session(&id(1))
                            .is_some_and(|at_b| !at_b.quotas().is_serving(Instant::now()));
                        refused += u64::from(is_over);
                        let _ = session.ask(&ask, Waiter::Queue);
                        sleep(Duration::from_millis(if is_over { 500 } else { 67 })).await;
                    }
                }
                sleep(Duration::from_secs(28)).await;
            }
            session.close(CloseReason::Closed);
        }
        line.abort();
        worst = worst.max(a.standings.points(&id(2), Instant::now()));
        worst = worst.max(b.standings.points(&id(1), Instant::now()));
        sleep(Duration::from_secs(5)).await;
    }
    drain.abort();
    for node in [&a, &b] {
        node.stopping.cancel();
    }
    println!(
        "{sessions} sessions, {questions} questions, {said} votes, {refused} over the share in {DAYS} days, at most {worst} points"
    );
    assert!(
        questions > 4_000 && refused > 100 && said > 50_000,
        "{questions} {refused} {said}"
    );
    let unread = a
        .around
        .metrics
        .p2p
        .messages_dropped
        .get(crate::metrics::labels::DropReason::RateLimit);
    assert!(
        unread > 100,
        "votes and proposals over a stranger's share: {unread}"
    );
    assert!(worst < 20, "{worst}");
    let now_ms = super::super::handshake::unix_ms();
    assert!(a.bans.list(now_ms).is_empty() && b.bans.list(now_ms).is_empty());
}

#[test]
fn announcements_and_pushes_have_their_share() {
    let now = Instant::now();
    let inv = |count: usize| {
        let txids = (0..count).map(|n| wire_txid(n as u8)).collect();
        Message::TxInv(crate::wire::TxInv {
            txids: BoundedVec::truncated(txids),
        })
    };
    let mut quotas = Quotas::new(false, 4, now);
    let taken = (0..200).filter(|_| quotas.on_message(&inv(1_000), false, now) == Pass::Yes);
    assert_eq!(taken.count(), 80);
    assert_eq!(
        quotas.on_message(&inv(1), false, now),
        Pass::Drop(Some(Fault::RateExceeded))
    );
    // Votes over the share are dropped, and every hundredth of them costs a fault.
    let faults = (0..1_200)
        .filter(|_| quotas.on_type(MessageType::Prepare, now) == Pass::Drop(Some(Fault::RequestFlood)));
    assert_eq!(faults.count(), 10);
}
