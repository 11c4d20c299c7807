//! Bounds of rows 1, 17, 19 and 36 of the table of attacks, measured on whole sessions.

use tokio::time::Instant;

use super::{
    hostile::{Attacker, start_header},
    *,
};
use crate::{
    metrics::ProcessFigures,
    network::CloseReason,
    wire::{
        Fault, GetBlocks, Lane, NotFound,
        limits::{BLOCKS_BYTES_MAX, BLOCKS_PER_REQUEST_MAX},
    },
};

#[tokio::test]
async fn dos_01_an_announcement_of_2_8_gb_is_closed_within_100_ms_and_takes_no_memory() {
    // Other tests share the process and the machine; what the attack costs shows in the best try.
    const TRIES: usize = 20;
    let figures = || ProcessFigures::read().unwrap();
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let (victim, mut inboxes) = core(around(1));
        let (mut attacker, _session) = Attacker::meet(&victim, 64 * 1024).await;
        let (before, began) = (figures(), Instant::now());
        attacker
            .raw(&start_header(Lane::Consensus, 30, 0, 2_800_000_000))
            .await;
        let reason = next_down(&mut inboxes).await;
        let (after, took) = (figures(), began.elapsed());
        assert!(
            matches!(reason, CloseReason::Fault(Fault::Framing, _)),
            "{reason}"
        );
        let grown = after.resident_bytes.saturating_sub(before.resident_bytes);
        let claimed = after.virtual_bytes.saturating_sub(before.virtual_bytes);
        seen.push((took, grown, claimed));
        if took < Duration::from_millis(100) && grown < 1 << 20 && claimed < 1 << 30 {
            println!("closed after {took:?}, {} kB", grown / 1024);
            return;
        }
    }
    panic!("never within 100 ms, 1 MB resident, 1 GB of address space: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn dos_17_while_one_peer_does_not_read_the_others_get_everything_at_once() {
    const EVERY: Duration = Duration::from_millis(100);
    let (victim, mut inboxes) = core(around(1));
    let drain = tokio::spawn(async move {
        let mut downs = Vec::new();
        while let Some(event) = inboxes.peers.recv().await {
            if let PeerEvent::Down { node_id, reason, .. } = event {
                downs.push((node_id, reason));
                break;
            }
        }
        (downs, inboxes)
    });
    let (_attacker, stuck) = Attacker::meet(&victim, 4 * 1024).await;
    let (honest, mut honest_in) = core(around(2));
    let (at_honest, _) = join(&honest, &victim, pipe()).await;
    let (at_honest, to_honest) = (at_honest.unwrap(), victim.session(&id(2)).unwrap());
    let began = Instant::now();
    let (mut worst, mut told) = (Duration::ZERO, 0u32);
    while !stuck.closing.is_cancelled() {
        assert!(
            began.elapsed() < Duration::from_secs(12),
            "the slow reader is still here"
        );
        for _ in 0..20 {
            let _ = stuck.send(&tx_inv(200), 0);
        }
        let sent = Instant::now();
        to_honest.send(&tx_inv(9), 0).unwrap();
        assert_eq!(honest_in.gossip.recv().await.unwrap().message, tx_inv(9));
        worst = worst.max(sent.elapsed());
        told += 1;
        sleep(EVERY).await;
    }
    println!("{told} messages past a stuck peer, the slowest within {worst:?}");
    assert!(told > 50 && worst <= Duration::from_millis(1), "{told} {worst:?}");
    assert_eq!(stuck.close_reason(), CloseReason::SlowReader);
    let (downs, _inboxes) = drain.await.unwrap();
    assert_eq!(downs, [(id(66), CloseReason::SlowReader)]);
    assert!(!at_honest.closing.is_cancelled() && !to_honest.closing.is_cancelled());
    assert_eq!(victim.standings.points(&id(2), Instant::now()), 0);
}

fn get_blocks(count: u16) -> Message {
    Message::GetBlocks(GetBlocks {
        start: crate::wire::codec::decode::<_, 64>(&[1, 0, 0, 0, 0, 0, 0, 0]).unwrap(),
        count,
        max_bytes: BLOCKS_BYTES_MAX,
    })
}

#[tokio::test(start_paused = true)]
async fn dos_19_a_session_that_asks_a_hundred_times_a_second_is_served_its_share_and_ended() {
    let (victim, mut inboxes) = core(around(1));
    let (mut attacker, session) = Attacker::meet(&victim, 1 << 20).await;
    let (began, mut served, mut asked) = (Instant::now(), 0u64, 0u64);
    while !session.closing.is_cancelled() && began.elapsed() < Duration::from_secs(60) {
        asked += 1;
        attacker.say(&get_blocks(1), asked).await;
        sleep(Duration::from_millis(10)).await;
        while let Ok(question) = inboxes.serve.try_recv() {
            // What a server does, with the largest answer there is.
            session.quotas().served(BLOCKS_BYTES_MAX as usize, Instant::now());
            served += u64::from(BLOCKS_BYTES_MAX);
            let _ = session.send(&Message::NotFound(NotFound), question.request_id);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let most = 24e6 + 8e6 * seconds + f64::from(BLOCKS_BYTES_MAX);
    println!(
        "{asked} questions in {seconds:.1} s, {} MB served",
        served / 1_000_000
    );
    assert!(served as f64 <= most, "{served} of {most}");
    assert!(served > 0);
    assert!(
        matches!(session.close_reason(), CloseReason::Fault(Fault::RateExceeded, _)),
        "{}",
        session.close_reason()
    );
}

#[tokio::test]
async fn dos_19_one_block_more_than_may_be_asked_for_ends_the_session() {
    let (victim, mut inboxes) = core(around(1));
    let (mut attacker, _session) = Attacker::meet(&victim, 64 * 1024).await;
    attacker
        .say(&get_blocks(BLOCKS_PER_REQUEST_MAX as u16 + 1), 1)
        .await;
    let reason = next_down(&mut inboxes).await;
    assert!(
        matches!(reason, CloseReason::Fault(Fault::RequestOverLimit, _)),
        "{reason}"
    );
    assert!(inboxes.serve.try_recv().is_err(), "nobody reads a block for it");
}

#[tokio::test]
async fn dos_36_no_escape_of_a_peer_reaches_the_log() {
    let lines = Lines::default();
    let out = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || out.clone())
        .finish();
    // See `operators_find_the_lines_they_look_for`.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber);
    let (victim, mut inboxes) = core(around(1));
    let loud = NetworkConfig {
        user_agent: "\u{1b}]0;owned\u{7}timed\r\n".to_owned(),
        ..config(loopback(24_200), &[])
    };
    let (own, _own_in) = core_with(around(2), loud);
    let (_, refused) = join(&own, &victim, pipe()).await;
    assert!(refused.is_err());
    // A message whose body is escapes, and one of a type that nobody knows.
    let (mut attacker, _session) = Attacker::meet(&victim, 64 * 1024).await;
    let mut body = start_header(Lane::Tx, crate::wire::MessageType::TxInv.id(), 0, 12);
    body.pop();
    body[0] = 12;
    body[3] |= crate::wire::FLAG_END;
    body.extend_from_slice(b"\x1b[2J\x1b[31mred");
    attacker.raw(&body).await;
    let reason = next_down(&mut inboxes).await;
    assert!(reason.to_string().chars().all(|c| !c.is_control()), "{reason:?}");
    drop(guard);
    let text = lines.text();
    assert!(text.contains("Handshake refused"), "it was told of:\n{text}");
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()),
        "an escape is in the log:\n{text:?}"
    );
}

/// Forty strangers hold all slots; newcomers get in, and who has been here longest stays.
#[tokio::test]
async fn a_newcomer_gets_the_slot_of_the_youngest_and_never_of_a_masternode() {
    const SLOTS: usize = 24;
    let (victim, mut inboxes) = core_with(
        Surroundings {
            is_member: Arc::new(|_| true),
            ..around(1)
        },
        NetworkConfig {
            inbound_max: SLOTS,
            ..config(loopback(24_200), &[])
        },
    );
    let drain = tokio::spawn(async move { while inboxes.peers.recv().await.is_some() {} });
    let mut alive = Vec::new();
    let mut come = async |around: Surroundings| {
        let (own, own_in) = core(around);
        let (_, at_victim) = join(&own, &victim, pipe()).await;
        alive.push((own, own_in));
        at_victim.map(|session| session.node_id())
    };
    let validator = come(masternode(9)).await.unwrap();
    let mut strangers = Vec::new();
    for seed in 10..10 + SLOTS as u8 {
        strangers.push(come(around(seed)).await.unwrap());
    }
    let newcomer = come(around(200)).await.unwrap();
    eventually("somebody left", || victim.sessions.len() == SLOTS + 1).await;
    let gone: Vec<_> = strangers
        .iter()
        .filter(|node| !victim.sessions.contains_key(node))
        .collect();
    assert_eq!(gone.len(), 1, "one leaves for one");
    assert!(
        strangers[SLOTS / 2..].contains(gone[0]),
        "one of the younger half"
    );
    assert!(victim.sessions.contains_key(&newcomer) && victim.sessions.contains_key(&validator));
    drain.abort();
}

#[tokio::test]
async fn a_peers_height_follows_what_it_says_and_never_beyond_what_we_know() {
    let (victim, mut inboxes) = core(around(1));
    victim.around.tip.store(Arc::new(LocalTip {
        height: 70,
        ..LocalTip::default()
    }));
    let (mut attacker, session) = Attacker::meet(&victim, 64 * 1024).await;
    assert_eq!(session.info().height, 66, "its Hello said so");
    // step, height, round, digest, signer, signature; PREPARE is step 1 on the wire.
    let vote = |height: u64| {
        let prepare = crate::wire::MessageType::Prepare;
        (0..4u8)
            .find_map(|step| {
                let bytes = [
                    &u32::from(step).to_le_bytes()[..],
                    &height.to_le_bytes(),
                    &[0; 4],
                    &[7; 32],
                    &[0; 2],
                    &[8; 64],
                ]
                .concat();
                Message::decode(prepare, &bytes).ok()
            })
            .expect("a vote decodes")
    };
    attacker.say(&vote(69), 0).await;
    next(&mut inboxes.strangers).await;
    assert_eq!(session.info().height, 68, "who votes at 69 has 68");
    attacker.say(&vote(60), 0).await;
    attacker.say(&vote(1_000_000_000), 0).await;
    next(&mut inboxes.strangers).await;
    next(&mut inboxes.strangers).await;
    assert_eq!(
        session.info().height,
        71,
        "an unchecked vote is no claim of blocks"
    );
}
