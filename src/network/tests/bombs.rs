//! Bounds of rows 4 and 18 of the table of attacks, measured on whole sessions.

use tokio::time::Instant;

use super::{hostile::Attacker, *};
use crate::{
    network::{CloseReason, requests::Waiter},
    wire::{
        FLAG_COMPRESSED, FLAG_END, FLAG_START, Fault, GetBlocks, Lane, MessageType, Ping, Pong, Severity,
        limits::{BLOCKS_BYTES_MAX, PACKET_PAYLOAD_MAX_BYTES},
    },
};

/// The most that this process had resident since it was last asked, as the kernel kept it.
fn peak_bytes_since_last() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line.unwrap().trim().trim_end_matches(" kB").parse().unwrap();
    // Begins anew from what is resident now.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    kib * 1024
}

/// The packets of a compressed answer that announces `raw_len`.
fn compressed(request_id: u64, body: &[u8], raw_len: u32) -> Vec<u8> {
    let parts: Vec<&[u8]> = body.chunks(PACKET_PAYLOAD_MAX_BYTES).collect();
    let mut bytes = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let first = if index == 0 {
            FLAG_START | FLAG_COMPRESSED
        } else {
            0
        };
        let last = if index + 1 == parts.len() { FLAG_END } else { 0 };
        bytes.extend_from_slice(&(part.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&[Lane::Blocks as u8, first | last]);
        if index == 0 {
            bytes.extend_from_slice(&MessageType::Blocks.id().to_le_bytes());
            bytes.extend_from_slice(&request_id.to_le_bytes());
            bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&raw_len.to_le_bytes());
        }
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Eight megabytes of zeros as lz4: one literal and a match of a quarter of a megabyte, over and over, and
/// five more literals. It has to be unpacked almost whole before it turns out to be too long.
fn bomb() -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..33 {
        bytes.extend_from_slice(&[0x1f, 0, 1, 0]);
        bytes.resize(bytes.len() + 990, 255);
        bytes.push(0);
    }
    bytes.extend_from_slice(&[0x50, 0, 0, 0, 0, 0]);
    bytes
}

/// An answer that we asked for, of 33 kB that claim `raw_len` and hold more.
async fn bomb_of(raw_len: u32) -> (u64, Duration) {
    let bomb = bomb();
    let (victim, mut inboxes) = core(around(1));
    let (mut attacker, session) = Attacker::meet(&victim, 64 * 1024).await;
    let ask = Message::GetBlocks(GetBlocks {
        start: crate::wire::codec::decode::<_, 64>(&[1, 0, 0, 0, 0, 0, 0, 0]).unwrap(),
        count: 100,
        max_bytes: BLOCKS_BYTES_MAX,
    });
    let asked = session.ask(&ask, Waiter::Queue).unwrap();
    let answer = compressed(asked, &bomb, raw_len);
    peak_bytes_since_last();
    let before = crate::metrics::ProcessFigures::read().unwrap().resident_bytes;
    let began = Instant::now();
    attacker.raw(&answer).await;
    let reason = next_down(&mut inboxes).await;
    let took = began.elapsed();
    let CloseReason::Fault(fault, _) = reason else {
        panic!("{reason}");
    };
    assert_eq!(fault.severity(), Severity::Fatal, "{fault:?}");
    assert_eq!(victim.budget.used_bytes(), 0, "the share is given back");
    (peak_bytes_since_last().saturating_sub(before), took)
}

#[tokio::test]
async fn dos_04_a_compression_bomb_ends_the_session_and_takes_less_than_12_mb() {
    // Other tests share the process; what the attack costs shows in the best try.
    const TRIES: usize = 20;
    for raw_len in [1 << 30, 8_000_000] {
        let mut seen = Vec::new();
        for _ in 0..TRIES {
            seen.push(bomb_of(raw_len).await);
            if seen.last().is_some_and(|(grown, _)| *grown < 12 << 20) {
                break;
            }
        }
        let (grown, took) = seen.last().unwrap();
        println!(
            "33 kB that claim {raw_len}: {} kB at most, closed after {took:?}",
            grown / 1024
        );
        assert!(*grown < 12 << 20, "claiming {raw_len}: {seen:?}");
    }
}

#[tokio::test]
async fn dos_18_wrong_pongs_cost_points_leave_the_round_trip_alone_and_end_the_session() {
    let (victim, mut inboxes) = core(around(1));
    let (mut attacker, session) = Attacker::meet(&victim, 64 * 1024).await;
    let points = || victim.standings.points(&id(66), Instant::now());
    let nonce = loop {
        let frame = attacker.hear().await.unwrap();
        if frame.type_id == MessageType::Ping.id()
            && let Ok(Message::Ping(ping)) = Message::decode(MessageType::Ping, &frame.body)
        {
            break ping.nonce;
        }
    };
    let pong = |nonce, height| Message::Pong(Pong { nonce, height });
    attacker.say(&pong(nonce, 70), 0).await;
    eventually("it is measured", || session.info().rtt_us.is_some()).await;
    let measured = session.info();
    assert_eq!(points(), 0);
    // Five points each; half of all are forgiven in ten minutes, so the fifth is beyond twenty.
    for guess in 1..=5u64 {
        attacker.say(&pong(nonce ^ guess, 1_000_000), 0).await;
        let charged = u32::try_from(guess).unwrap() * 5;
        eventually("it is charged", || points() == charged).await;
        let now = session.info();
        assert_eq!(
            (now.rtt_us, now.rtt_min_us, now.jitter_us, now.height),
            (measured.rtt_us, measured.rtt_min_us, measured.jitter_us, 70)
        );
    }
    let reason = next_down(&mut inboxes).await;
    assert!(
        matches!(reason, CloseReason::Fault(Fault::WrongPong, _)),
        "{reason}"
    );
}

#[tokio::test]
async fn dos_18_a_flood_of_pings_costs_a_point_each_and_ends_the_session() {
    let (victim, mut inboxes) = core(around(1));
    let (mut attacker, session) = Attacker::meet(&victim, 64 * 1024).await;
    let before = session.info().rtt_us;
    let (began, mut said) = (Instant::now(), 0);
    // Three at once are granted, and the one that every session begins with.
    while !session.closing.is_cancelled() && said < 1_000 {
        said += 1;
        attacker
            .say(
                &Message::Ping(Ping {
                    nonce: said,
                    height: 1,
                }),
                0,
            )
            .await;
        tokio::task::yield_now().await;
        sleep(Duration::from_millis(1)).await;
    }
    let reason = next_down(&mut inboxes).await;
    println!("closed after {said} pings, {:?}", began.elapsed());
    assert!(
        matches!(reason, CloseReason::Fault(Fault::RateExceeded, _)),
        "{reason}"
    );
    // A grant more for every five seconds that a loaded machine takes for it.
    assert!((23..=40).contains(&said), "{said}");
    assert!(victim.standings.points(&id(66), Instant::now()) >= 20);
    assert_eq!(
        session.info().rtt_us,
        before,
        "what it says of itself measures nothing"
    );
}
