//! What a peer that passed the handshake can do to us.

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use tokio_rustls::TlsStream;

use crate::{
    network::{CloseReason, handshake::handshake},
    wire::{
        Admission, Assembler, Busy, FLAG_START, Fault, Frame, FrameError, Gate, GetStatus, GoodbyeCode, Lane,
        Message, MessageType, Ping, Pong, StartHeader, limits::*,
    },
};

use super::*;

/// A peer that speaks the protocol by hand.
pub(super) struct Attacker {
    pub(super) stream: TlsStream<DuplexStream>,
    assembler: Assembler,
    buffer: BytesMut,
}

struct TakeAll;

impl Gate for TakeAll {
    fn admit(&mut self, _: Lane, _: &StartHeader) -> Result<Admission, FrameError> {
        Ok(Admission::Take(None))
    }
}

impl Attacker {
    pub(super) async fn meet(victim: &Arc<Core>, pipe_bytes: usize) -> (Self, Arc<Session>) {
        let (own, _inboxes) = core(around(66));
        let (near, far) = tokio::io::duplex(pipe_bytes);
        let (at_own, at_victim) = tokio::join!(
            handshake(&own, near, Role::Dialer, None),
            connect(victim, far, loopback(66), Role::Listener, None, ()),
        );
        let established = at_own.unwrap();
        let attacker = Self {
            stream: established.stream,
            assembler: Assembler::default(),
            buffer: established.buffer,
        };
        (attacker, at_victim.unwrap())
    }

    pub(super) async fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(super) async fn say(&mut self, message: &Message, request_id: u64) {
        let mut out = BytesMut::new();
        let mut outgoing = message.encode(request_id).unwrap();
        while !outgoing.write_packet(&mut out) {}
        self.raw(&out).await;
    }

    pub(super) async fn hear(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self
                .assembler
                .next_frame(&mut self.buffer, &mut TakeAll, 0)
                .unwrap()
            {
                return Some(frame);
            }
            if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..)) {
                return None;
            }
        }
    }

    /// The next message that is not one of those that every session begins with.
    async fn hear_message(&mut self) -> Option<(u64, Message)> {
        loop {
            let frame = self.hear().await?;
            let kind = MessageType::from_wire(frame.type_id).unwrap();
            match Message::decode(kind, &frame.body).unwrap() {
                Message::Ping(_) | Message::Clock(_) | Message::GetMasternodes(_) => {}
                message => return Some((frame.request_id, message)),
            }
        }
    }
}

pub(super) fn start_header(lane: Lane, type_id: u16, request_id: u64, len: u32) -> Vec<u8> {
    let mut bytes = vec![1, 0, lane as u8, FLAG_START];
    bytes.extend_from_slice(&type_id.to_le_bytes());
    bytes.extend_from_slice(&request_id.to_le_bytes());
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.push(0);
    bytes
}

async fn closed_for(fault: Fault, bytes: &[u8]) {
    let (victim, mut inboxes) = core(around(1));
    let (mut attacker, _session) = Attacker::meet(&victim, 64 * 1024).await;
    let began = Instant::now();
    attacker.raw(bytes).await;
    match next_down(&mut inboxes).await {
        CloseReason::Fault(found, _) => assert_eq!(found, fault),
        other => panic!("closed for {other}"),
    }
    // 100 ms, and what a loaded machine adds to one wake-up of a task.
    assert!(began.elapsed() < Duration::from_millis(100 + 400));
    assert_eq!(victim.budget.used_bytes(), 0);
    let farewell = attacker.hear_message().await;
    assert!(matches!(farewell, Some((0, Message::Goodbye(goodbye))) if goodbye.code == GoodbyeCode::Fault));
    assert_eq!(
        victim.standings.points(&id(66), Instant::now()),
        100,
        "it counts whatever session it comes over"
    );
    assert!(
        victim
            .bans
            .is_discouraged(&id(66), crate::network::handshake::unix_ms())
    );
}

#[tokio::test]
async fn dos_01_an_oversize_announcement_ends_the_session_before_anything_is_allocated() {
    closed_for(
        Fault::Framing,
        &start_header(Lane::Consensus, 30, 0, 2_800_000_000),
    )
    .await;
    let vote = MessageType::Prepare;
    closed_for(
        Fault::Framing,
        &start_header(Lane::Consensus, vote.id(), 0, vote.limit() as u32 + 1),
    )
    .await;
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_ends_the_session() {
    closed_for(
        Fault::Unsolicited,
        &start_header(Lane::Blocks, MessageType::Blocks.id(), 5, 9_000_000),
    )
    .await;
    closed_for(
        Fault::Unsolicited,
        &start_header(Lane::Blocks, MessageType::Busy.id(), 5, 1),
    )
    .await;
    closed_for(
        Fault::Unsolicited,
        &start_header(Lane::Tx, MessageType::Txs.id(), 5, 1),
    )
    .await;
}

#[tokio::test]
async fn broken_bodies_and_lanes_end_the_session() {
    closed_for(Fault::Framing, &[1, 0, 9, 3, 0]).await;
    closed_for(
        Fault::Framing,
        &start_header(Lane::Blocks, MessageType::Prepare.id(), 0, 1),
    )
    .await;
    // A transaction list that claims 2^60 entries, whole in one packet.
    let mut claim = start_header(Lane::Tx, MessageType::TxInv.id(), 0, 8);
    claim.pop();
    claim[0] = 8;
    claim[3] |= crate::wire::FLAG_END;
    claim.extend_from_slice(&(1u64 << 60).to_le_bytes());
    closed_for(Fault::Decode, &claim).await;
    // A ping with a byte too many.
    let mut long = start_header(Lane::Control, MessageType::Ping.id(), 0, 17);
    long.pop();
    long[0] = 17;
    long[3] |= crate::wire::FLAG_END;
    long.extend_from_slice(&[0; 17]);
    closed_for(Fault::Decode, &long).await;
}

#[tokio::test]
async fn unknown_messages_pass_by_up_to_a_point() {
    let (victim, mut inboxes) = core(around(1));
    let (mut attacker, session) = Attacker::meet(&victim, 64 * 1024).await;
    let mut unknown = start_header(Lane::State, 9_999, 0, 1);
    unknown[3] |= crate::wire::FLAG_END;
    for _ in 0..UNKNOWN_PER_MINUTE_MAX {
        attacker.raw(&unknown).await;
    }
    attacker.say(&tx_inv(3), 0).await;
    assert_eq!(next(&mut inboxes.gossip).await.message, tx_inv(3));
    assert!(!session.closing.is_cancelled());
    attacker.raw(&unknown).await;
    assert!(matches!(
        next_down(&mut inboxes).await,
        CloseReason::Fault(Fault::Framing, _)
    ));
}

/// Somebody who has shaken hands with `victim` and writes by hand from there.
async fn stranger(victim: &Arc<Core>, around: Surroundings) -> (TlsStream<DuplexStream>, Arc<Session>) {
    let (own, _own_in) = core(around);
    let (near, far) = tokio::io::duplex(1 << 20);
    let (at_own, at_victim) = tokio::join!(
        handshake(&own, near, Role::Dialer, None),
        connect(victim, far, loopback(7), Role::Listener, None, ()),
    );
    (at_own.unwrap().stream, at_victim.unwrap())
}

async fn begin(stream: &mut TlsStream<DuplexStream>, message_type: MessageType, request_id: u64, size: u32) {
    let start = start_header(message_type.lane(), message_type.id(), request_id, size);
    stream.write_all(&start).await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test]
async fn dos_02_strangers_who_begin_large_messages_keep_out_neither_answers_nor_proposals() {
    let is_member: crate::network::Membership = Arc::new(|key: &PublicKey| *key == id(103));
    let (victim, mut inboxes) = core(Surroundings {
        is_member,
        ..around(1)
    });
    // Transactions of the largest size, and proposals, begun by strangers and never finished.
    let mut strangers = Vec::new();
    for n in 0..24 {
        let (mut stream, session) = stranger(&victim, around(70 + n)).await;
        begin(
            &mut stream,
            MessageType::PrePrepare,
            0,
            MessageType::PrePrepare.limit() as u32,
        )
        .await;
        begin(&mut stream, MessageType::Txs, 0, MessageType::Txs.limit() as u32).await;
        strangers.push((stream, session));
    }
    // One with a key of its own that no registry knows is a stranger too.
    let (mut stream, session) = stranger(&victim, masternode(9)).await;
    begin(
        &mut stream,
        MessageType::PrePrepare,
        0,
        MessageType::PrePrepare.limit() as u32,
    )
    .await;
    strangers.push((stream, session));
    let held = || victim.budget.used_bytes();
    eventually("their share is taken", || held() == REASSEMBLY_UNASKED_BYTES).await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(held(), REASSEMBLY_UNASKED_BYTES);
    let alive = |session: &Arc<Session>| !session.closing.is_cancelled();
    assert!(
        strangers.iter().all(|(_, session)| alive(session)),
        "no room is no fault"
    );

    // An answer of eight mebibytes comes whole: to whoever decodes it, which these zeros do not survive.
    let (mut honest, session) = stranger(&victim, around(2)).await;
    let ask = Message::GetBlocks(crate::wire::GetBlocks {
        start: crate::wire::codec::decode::<_, 64>(&[1, 0, 0, 0, 0, 0, 0, 0]).unwrap(),
        count: 100,
        max_bytes: BLOCKS_BYTES_MAX,
    });
    let request = session
        .ask(&ask, crate::network::requests::Waiter::Queue)
        .unwrap();
    let size = BLOCKS_BYTES_MAX;
    begin(&mut honest, MessageType::Blocks, request, size).await;
    eventually("room for it", || {
        held() == REASSEMBLY_UNASKED_BYTES + size as usize
    })
    .await;

    // Beside it, a validator's proposal of the largest size.
    let (mut validator, _session) = stranger(&victim, masternode(3)).await;
    let proposal = MessageType::PrePrepare.limit();
    begin(&mut validator, MessageType::PrePrepare, 0, proposal as u32).await;
    eventually("room for it too", || {
        held() == REASSEMBLY_UNASKED_BYTES + size as usize + proposal
    })
    .await;

    // What is left of it: the byte of its first packet has come.
    let mut left = size as usize - 1;
    while left > 0 {
        let part = left.min(PACKET_PAYLOAD_MAX_BYTES);
        left -= part;
        let flags = if left == 0 { crate::wire::FLAG_END } else { 0 };
        let [low, high] = (part as u16).to_le_bytes();
        let mut packet = vec![low, high, Lane::Blocks as u8, flags];
        packet.resize(4 + part, 0);
        if left == 0 {
            // A byte that no list of blocks ends with.
            packet.pop();
            packet.push(0xff);
        }
        honest.write_all(&packet).await.unwrap();
    }
    honest.flush().await.unwrap();
    let reason = next_down(&mut inboxes).await;
    assert!(matches!(reason, CloseReason::Fault(Fault::Decode, _)), "{reason}");
    drop((strangers, honest, validator));
    eventually("memory comes back", || held() == 0).await;
}

/// Seven proposals of the largest size fill the memory for all. One masternode may hold two of them, half
/// received or waiting to be checked, and another's still finds room.
#[tokio::test]
async fn dos_02_a_masternode_that_begins_proposal_after_proposal_keeps_out_nobody_elses() {
    use crate::network::reader::Door;
    let (victim, _inboxes) = core(masternode(1));
    let (_byzantine, of_byzantine) = stranger(&victim, masternode(2)).await;
    let (_honest, of_honest) = stranger(&victim, masternode(3)).await;
    let kind = MessageType::PrePrepare;
    let size = kind.limit() as u32;
    let announce = |session: &Arc<Session>| {
        let start = StartHeader {
            type_id: kind.id(),
            request_id: 0,
            wire_len: size,
            raw_len: size,
            compressed: false,
        };
        match Door::new(&victim, session).admit(kind.lane(), &start) {
            Ok(Admission::Take(permit)) => Some(permit.expect("a large message has a permit")),
            Ok(Admission::Skip) => None,
            Err(error) => panic!("{error}"),
        }
    };
    let mut held: Vec<_> = (0..10).filter_map(|_| announce(&of_byzantine)).collect();
    assert_eq!(held.len(), REASSEMBLY_PEER_BYTES / kind.limit());
    assert!(victim.budget.used_bytes() <= REASSEMBLY_PEER_BYTES);
    assert!(announce(&of_honest).is_some(), "another's proposal comes in");
    // What was consumed is given back.
    held.pop();
    assert!(announce(&of_byzantine).is_some());
    assert!(!of_byzantine.closing.is_cancelled(), "no room is no fault");
}

/// Votes that a masternode floods with go to their own queue, whatever strangers send.
#[tokio::test]
async fn dos_34_forged_votes_of_strangers_leave_the_votes_of_masternodes_their_queue() {
    let is_member: crate::network::Membership = Arc::new(|key: &PublicKey| *key == id(103));
    let (victim, mut inboxes) = unlimited(Surroundings {
        is_member,
        ..around(1)
    });
    let (mut forger, of_forger) = Attacker::meet(&victim, 1 << 20).await;
    // More than the queue of masternodes would hold; nobody reads meanwhile.
    for height in 0..crate::network::CONSENSUS_QUEUE_MAX as u64 + 200 {
        forger.say(&super::live::evidence(height), 0).await;
    }
    let dropped = || {
        let label = crate::metrics::labels::DropReason::QueueFull;
        victim.around.metrics.p2p.messages_dropped.get(label)
    };
    let over = (crate::network::CONSENSUS_QUEUE_MAX + 200 - crate::network::STRANGERS_QUEUE_MAX) as u64;
    eventually("what is over is dropped", || dropped() == over).await;
    let (mut voter, _of_voter) = stranger(&victim, masternode(3)).await;
    let vote = super::live::evidence(1);
    let mut out = BytesMut::new();
    assert!(vote.encode(0).unwrap().write_packet(&mut out));
    voter.write_all(&out).await.unwrap();
    voter.flush().await.unwrap();
    let first = next(&mut inboxes.consensus).await;
    assert_eq!((first.peer, first.message), (id(3), vote));
    assert_eq!(dropped(), over);
    assert!(!of_forger.closing.is_cancelled());
}

/// A validator that registered above our tip votes with the allowance of a masternode; to us it is a
/// stranger until we know better.
#[tokio::test]
async fn votes_over_the_share_cost_nothing_to_whoever_proved_a_key_and_something_to_others() {
    let (victim, inboxes) = core(around(1));
    let mut out = BytesMut::new();
    for height in 0..1_500 {
        super::live::evidence(height)
            .encode(0)
            .unwrap()
            .write_packet(&mut out);
    }
    let dropped = || {
        let label = crate::metrics::labels::DropReason::RateLimit;
        victim.around.metrics.p2p.messages_dropped.get(label)
    };
    let (mut newcomer, of_newcomer) = stranger(&victim, masternode(2)).await;
    newcomer.write_all(&out).await.unwrap();
    newcomer.flush().await.unwrap();
    eventually("the votes are read", || dropped() > 1_000).await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(victim.standings.points(&id(2), Instant::now()), 0);
    assert!(!of_newcomer.closing.is_cancelled());
    let (mut nobody, of_nobody) = stranger(&victim, around(3)).await;
    // It is thrown out while it speaks.
    let _ = nobody.write_all(&out).await;
    let _ = nobody.flush().await;
    eventually("it is charged", || of_nobody.closing.is_cancelled()).await;
    assert!(victim.standings.points(&id(3), Instant::now()) >= 20);
    drop(inboxes);
}

#[tokio::test]
async fn dos_18_a_pong_with_another_nonce_counts_as_fault_and_changes_nothing() {
    let (victim, _inboxes) = core(around(1));
    let (mut attacker, session) = Attacker::meet(&victim, 64 * 1024).await;
    let ping = loop {
        let frame = attacker.hear().await.unwrap();
        if frame.type_id == MessageType::Ping.id() {
            break frame;
        }
    };
    let Ok(Message::Ping(ping)) = Message::decode(MessageType::Ping, &ping.body) else {
        panic!("a ping decodes");
    };
    attacker
        .say(
            &Message::Pong(Pong {
                nonce: ping.nonce ^ 1,
                height: 1_000_000,
            }),
            0,
        )
        .await;
    let faults = &victim.around.metrics.p2p.faults;
    eventually("the fault is counted", || faults.get() == 1).await;
    assert_eq!((session.info().rtt_us, session.info().height), (None, 66));
    attacker
        .say(
            &Message::Pong(Pong {
                nonce: ping.nonce,
                height: 77,
            }),
            0,
        )
        .await;
    eventually("the right one counts", || session.info().rtt_us.is_some()).await;
    assert_eq!(session.info().height, 77);
    assert!(!session.closing.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_pings_is_dropped_within_forty_seconds() {
    let (victim, mut inboxes) = core(around(1));
    let (_attacker, session) = Attacker::meet(&victim, 64 * 1024).await;
    let began = session.since;
    assert_eq!(next_down_unhurried(&mut inboxes).await, CloseReason::Timeout);
    assert!(
        began.elapsed() <= Duration::from_secs(41),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn dos_17_a_peer_that_does_not_read_is_dropped_and_nobody_else() {
    let (victim, mut inboxes) = core(around(1));
    let (_attacker, session) = Attacker::meet(&victim, 4 * 1024).await;
    let began = Instant::now();
    for _ in 0..400 {
        let _ = session.send(&tx_inv(100), 0);
    }
    assert_eq!(next_down_unhurried(&mut inboxes).await, CloseReason::SlowReader);
    assert!(began.elapsed() < Duration::from_secs(12));
    assert_eq!(
        victim.standings.points(&id(66), Instant::now()),
        1,
        "a bad line does that too"
    );
}

/// In virtual time patience is cheap.
async fn next_down_unhurried(inboxes: &mut Inboxes) -> CloseReason {
    loop {
        if let Some(PeerEvent::Down { reason, .. }) = inboxes.peers.recv().await {
            return reason;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_drips_is_given_up() {
    let (victim, mut inboxes) = core(around(1));
    let (mut attacker, session) = Attacker::meet(&victim, 64 * 1024).await;
    attacker
        .raw(&start_header(Lane::Tx, MessageType::Txs.id(), 0, 1_000_000))
        .await;
    let drip = async {
        loop {
            sleep(Duration::from_secs(1)).await;
            let mut packet = vec![100, 0, Lane::Tx as u8, 0];
            packet.extend_from_slice(&[0; 100]);
            if attacker.stream.write_all(&packet).await.is_err() || attacker.stream.flush().await.is_err() {
                break;
            }
            // Pongs keep the session alive otherwise.
            while let Ok(Some(frame)) = timeout(Duration::from_millis(1), attacker.hear()).await {
                if let Ok(Message::Ping(ping)) = Message::decode(MessageType::Ping, &frame.body) {
                    attacker
                        .say(
                            &Message::Pong(Pong {
                                nonce: ping.nonce,
                                height: 0,
                            }),
                            0,
                        )
                        .await;
                }
            }
            if session.closing.is_cancelled() {
                break;
            }
        }
    };
    let (reason, ()) = tokio::join!(next_down_unhurried(&mut inboxes), drip);
    assert!(
        matches!(&reason, CloseReason::Fault(Fault::Timeout, detail) if detail.contains("in time")),
        "{reason}"
    );
}

#[tokio::test]
async fn a_late_answer_to_a_request_that_was_given_up_is_no_fault() {
    let (victim, mut inboxes) = core(around(1));
    let (mut attacker, session) = Attacker::meet(&victim, 64 * 1024).await;
    let (caller, answer) = tokio::sync::oneshot::channel();
    let ask = Message::GetStatus(GetStatus { nonce: 1 });
    let request = session
        .ask(&ask, crate::network::requests::Waiter::Caller(caller))
        .unwrap();
    let (heard, message) = attacker.hear_message().await.unwrap();
    assert_eq!((heard, message), (request, ask));
    session.requests.cancel(request);
    assert!(answer.await.is_err());
    attacker.say(&Message::Busy(Busy), request).await;
    attacker.say(&tx_inv(1), 0).await;
    assert_eq!(next(&mut inboxes.gossip).await.message, tx_inv(1));
    assert!(!session.closing.is_cancelled());
}

#[tokio::test]
async fn a_request_that_finds_no_place_among_its_sessions_is_answered_busy() {
    let (victim, mut inboxes) = core(around(1));
    let (mut attacker, _session) = Attacker::meet(&victim, 64 * 1024).await;
    let ask = |nonce| Message::GetStatus(GetStatus { nonce });
    let most = REQUESTS_WAITING_MAX as u64;
    for request in 1..=most + 1 {
        attacker.say(&ask(request), request).await;
    }
    let answer = attacker.hear_message().await.unwrap();
    assert_eq!(answer, (most + 1, Message::Busy(Busy)));
    // Others have places of their own.
    let (mut other, _of_other) = stranger(&victim, around(2)).await;
    let mut out = BytesMut::new();
    ask(1).encode(1).unwrap().write_packet(&mut out);
    other.write_all(&out).await.unwrap();
    other.flush().await.unwrap();
    for _ in 0..most {
        assert_eq!(next(&mut inboxes.serve).await.peer, id(66));
    }
    assert_eq!(next(&mut inboxes.serve).await.peer, id(2));
    // What was served gives its place back.
    attacker.say(&ask(99), 99).await;
    assert_eq!(next(&mut inboxes.serve).await.request_id, 99);
}

/// As many sessions as fill the queue, each within its own places.
#[tokio::test]
async fn a_request_that_finds_the_serve_queue_full_is_answered_busy() {
    use crate::network::SERVE_QUEUE_MAX;
    let (victim, inboxes) = core(around(1));
    let mut fillers = Vec::new();
    for n in 0..(SERVE_QUEUE_MAX / REQUESTS_WAITING_MAX) as u8 {
        let (mut stream, session) = stranger(&victim, around(100 + n)).await;
        let mut out = BytesMut::new();
        for request in 1..=REQUESTS_WAITING_MAX as u64 {
            let ask = Message::GetStatus(GetStatus { nonce: request });
            ask.encode(request).unwrap().write_packet(&mut out);
        }
        stream.write_all(&out).await.unwrap();
        stream.flush().await.unwrap();
        fillers.push((stream, session));
    }
    eventually("the queue is full", || inboxes.serve.len() == SERVE_QUEUE_MAX).await;
    let (mut attacker, _session) = Attacker::meet(&victim, 64 * 1024).await;
    attacker.say(&Message::GetStatus(GetStatus { nonce: 1 }), 1).await;
    let answer = attacker.hear_message().await.unwrap();
    assert_eq!(answer, (1, Message::Busy(Busy)));
}

#[tokio::test]
async fn pings_are_echoed() {
    let (victim, _inboxes) = core(around(1));
    let (mut attacker, session) = Attacker::meet(&victim, 64 * 1024).await;
    attacker
        .say(&Message::Ping(Ping { nonce: 42, height: 9 }), 0)
        .await;
    let (_, answer) = attacker.hear_message().await.unwrap();
    assert_eq!(answer, Message::Pong(Pong { nonce: 42, height: 1 }));
    assert_eq!(session.info().height, 9);
}

#[tokio::test]
async fn slow_readers_together_hold_no_more_than_what_may_be_sent_takes() {
    let is_member: crate::network::Membership = Arc::new(|key: &PublicKey| *key == id(103));
    let (victim, _inboxes) = core(Surroundings {
        is_member,
        ..around(1)
    });
    let common = SENDING_BUDGET_BYTES - SENDING_RESERVED_BYTES;
    let large = bytes::Bytes::from(vec![7; 3 << 20]);
    let answer = |request: u64| {
        crate::wire::Outgoing::new(Lane::Blocks, MessageType::Blocks.id(), request, large.clone()).unwrap()
    };
    // Forty who ask for three answers of three mebibytes each, and do not read.
    let mut readers = Vec::new();
    let (mut given, mut refused) = (0, 0);
    for n in 0..40 {
        let (stream, session) = stranger(&victim, around(70 + n)).await;
        for request in 1..=3 {
            match victim.answer(&session, answer(request)).unwrap() {
                0 => refused += 1,
                bytes => given += bytes,
            }
        }
        readers.push((stream, session));
    }
    println!("{} MiB given, {refused} refused", given >> 20);
    assert!(refused > 0 && given > common / 2);
    assert!(victim.sending.used_bytes() <= common);
    assert!(readers.iter().all(|(_, session)| !session.closing.is_cancelled()));
    // A masternode is answered from the reserve.
    let (_validator, session) = stranger(&victim, masternode(3)).await;
    assert_eq!(victim.answer(&session, answer(1)).unwrap(), large.len());
    // Who leaves gives back what it held.
    for (_, session) in &readers {
        session.close(CloseReason::Closed);
    }
    eventually("memory comes back", || victim.sending.used_bytes() <= large.len()).await;
}

#[tokio::test(start_paused = true)]
async fn dos_17_who_reads_a_little_now_and_then_is_given_up_after_half_a_minute() {
    let (victim, mut inboxes) = core(around(1));
    let (mut attacker, session) = Attacker::meet(&victim, 4 * 1024).await;
    let body = bytes::Bytes::from(vec![7; 8 << 20]);
    let large = crate::wire::Outgoing::new(Lane::Blocks, MessageType::Blocks.id(), 1, body).unwrap();
    victim.answer(&session, large).unwrap();
    let began = Instant::now();
    // Four KiB a second: each write ends in time.
    let sip = async {
        let mut cup = vec![0; 4 * 1024];
        while matches!(attacker.stream.read(&mut cup).await, Ok(1..)) {
            sleep(Duration::from_secs(1)).await;
        }
    };
    let (reason, ()) = tokio::join!(next_down_unhurried(&mut inboxes), sip);
    assert!(
        matches!(&reason, CloseReason::Fault(Fault::Timeout, detail) if detail.contains("16 KiB")),
        "{reason}"
    );
    assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
    assert_eq!(victim.sending.used_bytes(), 0);
    assert_eq!(
        victim.standings.points(&id(66), Instant::now()),
        1,
        "a bad line does that too"
    );
}
