//! The pieces alone: queues, keep-alive, backoff, addresses, requests.

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use crate::{
    network::{
        PING_INTERVAL, PONG_DEADLINE, ParsePeerAddressError, PeerAddress, RequestError,
        backoff::Backoff,
        outbox::{Full, Outbox},
        requests::{Expected, Requests, Waiter},
        rtt::{Echo, KeepAlive, PingStep},
    },
    wire::{Assembler, Lane, MessageType, Outgoing, limits::*},
};

use super::*;

fn message(lane: Lane, type_id: u16, len: usize) -> Outgoing {
    Outgoing::new(lane, type_id, 0, Bytes::from(vec![0; len])).unwrap()
}

/// The lanes in which the next `count` packets leave.
fn order(outbox: &Outbox, count: usize) -> Vec<Lane> {
    let mut lanes = Vec::new();
    while lanes.len() < count {
        let mut out = BytesMut::new();
        if !outbox.fill(&mut out, &mut |_, _| {}) {
            break;
        }
        let mut rest = &out[..];
        while let Some(header) = crate::wire::PacketHeader::peek(rest).unwrap() {
            lanes.push(header.lane);
            rest = &rest[header.header_len() + header.payload_len..];
        }
    }
    lanes
}

#[test]
fn a_vote_waits_behind_at_most_one_packet_of_bulk() {
    let outbox = Outbox::default();
    outbox.push(message(Lane::Blocks, 23, 5_000_000)).unwrap();
    outbox.push(message(Lane::Tx, 42, 1_000_000)).unwrap();
    for _ in 0..20 {
        let mut out = BytesMut::new();
        assert!(outbox.fill(&mut out, &mut |_, _| {}));
        assert!(out.len() <= PACKET_MAX_BYTES);
        outbox.push(message(Lane::Consensus, 31, 150)).unwrap();
        assert_eq!(order(&outbox, 1)[0], Lane::Consensus);
    }
}

#[test]
fn bulk_lanes_share_four_to_two_to_one_and_none_starves() {
    let outbox = Outbox::default();
    for (lane, type_id) in [(Lane::State, 13), (Lane::Tx, 42), (Lane::Blocks, 23)] {
        outbox
            .push(message(lane, type_id, 100 * PACKET_PAYLOAD_MAX_BYTES))
            .unwrap();
    }
    let lanes = order(&outbox, 70);
    let count = |lane| lanes.iter().filter(|sent| **sent == lane).count();
    assert_eq!(
        (count(Lane::Blocks), count(Lane::Tx), count(Lane::State)),
        (40, 20, 10)
    );
}

#[test]
fn small_messages_that_wait_together_leave_together() {
    let outbox = Outbox::default();
    for len in 100..150 {
        outbox.push(message(Lane::Consensus, 31, len)).unwrap();
    }
    let mut out = BytesMut::new();
    let mut sent = 0;
    assert!(outbox.fill(&mut out, &mut |_, _| sent += 1));
    assert_eq!(sent, 50);
    assert!(!outbox.fill(&mut out, &mut |_, _| {}));
}

#[test]
fn a_resend_does_not_pile_up_behind_itself() {
    let outbox = Outbox::default();
    for _ in 0..100 {
        outbox.push(message(Lane::Consensus, 30, 4_000_000)).unwrap();
        outbox.push(message(Lane::Consensus, 31, 150)).unwrap();
    }
    assert_eq!(outbox.queued_bytes(), 4_000_150);
    // One that is on its way already is not the same any more.
    outbox.fill(&mut BytesMut::new(), &mut |_, _| {});
    outbox.push(message(Lane::Consensus, 30, 4_000_000)).unwrap();
    assert_eq!(outbox.queued_bytes(), 8_000_150);
}

#[test]
fn every_lane_is_bounded_by_count_and_bytes() {
    let outbox = Outbox::default();
    for lane in Lane::ALL {
        let mut count = 0;
        while outbox.push(message(lane, 31, 100 + count)).is_ok() {
            count += 1;
        }
        assert_eq!(count, [16, 1024, 64, 1000, 16][lane.index()]);
    }
    assert_eq!(outbox.push(message(Lane::Tx, 40, 100)), Err(Full(Lane::Tx)));
    // A refusal still finds room.
    assert_eq!(outbox.push(message(Lane::Blocks, 5, 0)), Ok(()));
    let outbox = Outbox::default();
    outbox.push(message(Lane::Blocks, 23, MESSAGE_MAX_BYTES)).unwrap();
    assert_eq!(
        outbox.push(message(Lane::Blocks, 23, 1_000_000)),
        Err(Full(Lane::Blocks))
    );
    outbox.keep_control_only();
    assert_eq!(outbox.queued_bytes(), 0);
}

#[test]
fn a_broadcast_holds_one_body_for_all() {
    let outgoing = message(Lane::Consensus, 30, 1_000_000);
    let mut first = BytesMut::new();
    let mut copy = outgoing.clone();
    copy.write_packet(&mut first);
    let mut second = BytesMut::new();
    outgoing.clone().write_packet(&mut second);
    assert_eq!(first, second, "a clone begins at the beginning");
}

#[tokio::test(start_paused = true)]
async fn keep_alive_measures_and_gives_up() {
    let mut keep_alive = KeepAlive::default();
    let start = Instant::now();
    assert_eq!(keep_alive.step(start), PingStep::Send);
    assert_eq!(keep_alive.sent(7, start), start + PING_INTERVAL);
    assert_eq!(keep_alive.pong(8, start), Echo::Wrong);
    let ms = Duration::from_millis;
    assert_eq!(keep_alive.pong(7, start + ms(80)), Echo::InTime(ms(80)));
    assert_eq!(
        keep_alive.pong(7, start + ms(80)),
        Echo::Wrong,
        "an echo counts once"
    );
    assert_eq!(
        (keep_alive.rtt_us, keep_alive.rtt_min_us),
        (Some(80_000), Some(80_000))
    );
    keep_alive.sent(9, start);
    keep_alive.pong(9, start + ms(160));
    assert_eq!(
        (keep_alive.rtt_us, keep_alive.rtt_min_us),
        (Some(90_000), Some(80_000))
    );
    assert_eq!(keep_alive.jitter_us, 20_000);

    keep_alive.sent(1, start);
    assert_eq!(
        keep_alive.step(start + PING_INTERVAL),
        PingStep::Wait(start + PONG_DEADLINE)
    );
    assert_eq!(keep_alive.step(start + PONG_DEADLINE), PingStep::Send);
    keep_alive.sent(2, start + PONG_DEADLINE);
    assert_eq!(keep_alive.missed, 1);
    let mut patient = keep_alive.clone();
    assert_eq!(patient.pong(1, start + PONG_DEADLINE * 2), Echo::Late);
    assert_eq!(patient.missed, 0);
    assert_eq!(keep_alive.step(start + PONG_DEADLINE * 2), PingStep::GiveUp);
}

#[test]
fn backoff_begins_quickly_doubles_and_is_capped() {
    for random in [0, 12_345, u64::MAX] {
        let mut backoff = Backoff::new(false);
        let first: Duration = (0..4).map(|_| backoff.next_wait(random)).sum();
        assert!(first <= Duration::from_millis(1_500), "{first:?}");
        for _ in 0..100 {
            assert!(backoff.next_wait(random) <= Duration::from_secs(60));
        }
        backoff.session_ended(Duration::from_secs(5));
        assert!(backoff.next_wait(random) <= Duration::from_millis(800));
        backoff.session_ended(Duration::from_secs(60));
        assert!(backoff.next_wait(random) <= Duration::from_millis(100));
        let mut near = Backoff::new(true);
        assert!((0..100).all(|_| near.next_wait(random) <= Duration::from_secs(1)));
    }
    let mut far = Backoff::new(false);
    (0..20).for_each(|_| {
        far.next_wait(0);
    });
    assert!(far.next_wait(u64::MAX / 3) > Duration::from_secs(1), "waits grow");
}

#[test]
fn peer_addresses_read_as_they_are_written() {
    let with_id = format!("{}@node.example.org:24000", id(1));
    for text in ["127.0.0.1:24200", "[::1]:24200", "localhost:1", with_id.as_str()] {
        let address: PeerAddress = text.parse().unwrap();
        assert_eq!(address.to_string(), text);
    }
    for text in [
        "",
        "host",
        "host:",
        ":1",
        "host:0",
        "host:99999",
        "::1:5",
        "x@host:1",
        "a b:1",
        "[::1:1",
    ] {
        let parsed: Result<PeerAddress, ParsePeerAddressError> = text.parse();
        assert!(parsed.is_err(), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_judged_by_the_request_they_belong_to() {
    let requests = Requests::default();
    let ask = || requests.open(MessageType::Blocks, 1_000, Waiter::Queue).unwrap();
    let id = ask();
    assert_eq!(
        requests.expect(id, MessageType::Blocks, 1_000),
        Ok(Expected::Open)
    );
    assert!(requests.expect(id, MessageType::Blocks, 1_001).is_err());
    assert!(requests.expect(id, MessageType::Status, 10).is_err());
    assert_eq!(requests.expect(id, MessageType::NotFound, 0), Ok(Expected::Open));
    assert!(requests.expect(id + 1, MessageType::Blocks, 1).is_err());
    assert!(requests.answered(id).is_some() && requests.answered(id).is_none());
    assert!(
        requests.expect(id, MessageType::Blocks, 1).is_err(),
        "answered once"
    );

    for _ in 0..REQUESTS_OPEN_MAX {
        ask();
    }
    let one_more = requests.open(MessageType::Blocks, 1, Waiter::Queue);
    assert!(matches!(one_more, Err(RequestError::TooMany)));
    requests.close();
    let after = requests.open(MessageType::Blocks, 1, Waiter::Queue);
    assert!(matches!(after, Err(RequestError::Disconnected)));
}

/// A line that was dead for minutes delivers what it held back, and an honest peer answers everything once.
#[tokio::test(start_paused = true)]
async fn an_answer_is_late_after_any_time_and_any_number_of_others_and_never_twice() {
    const GIVEN_UP: u64 = 1_000;
    let requests = Requests::default();
    for _ in 0..GIVEN_UP {
        let id = requests.open(MessageType::Blocks, 1_000, Waiter::Queue).unwrap();
        assert!(requests.cancel(id).is_some());
    }
    tokio::time::advance(Duration::from_secs(3_600)).await;
    let expect = |id| requests.expect(id, MessageType::Blocks, 1);
    assert!(expect(0).is_err() && expect(GIVEN_UP + 1).is_err(), "never made");
    for id in 1..=GIVEN_UP {
        assert_eq!(expect(id), Ok(Expected::Cancelled), "{id}");
    }
    assert!(expect(1).is_err(), "all of them have come");
    // Given up by the table itself: nobody waits by name.
    let id = requests.open(MessageType::Blocks, 1_000, Waiter::Queue).unwrap();
    tokio::time::advance(Duration::from_secs(61)).await;
    requests.open(MessageType::Blocks, 1_000, Waiter::Queue).unwrap();
    assert_eq!(expect(id), Ok(Expected::Cancelled));
}

#[test]
fn an_idle_assembler_is_small() {
    // Part of what 1000 idle peers cost.
    assert!(size_of::<Assembler>() < 1_024);
}
