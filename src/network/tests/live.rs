//! Whole networks on loopback.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

use crate::{
    network::{CloseReason, HANDSHAKES_MAX, NetworkError, RequestError, requests::Waiter},
    wire::{BoundedVec, Evidence, GetStatus, GoodbyeCode, Lane, NotFound, Status},
};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_nodes_that_start_together_are_a_mesh_in_under_a_second() {
    let ports: Vec<SocketAddr> = free_ports(4);
    let began = Instant::now();
    let mut nodes = Vec::new();
    for (seed, listen) in ports.iter().enumerate() {
        let others: Vec<_> = ports.iter().copied().filter(|port| port != listen).collect();
        nodes.push(network_at(masternode(seed as u8 + 1), *listen, &others).await);
        sleep(Duration::from_millis(30)).await;
    }
    eventually("everybody has three peers", || {
        nodes.iter().all(|(node, _)| node.peer_count() == 3)
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_millis(1_000),
        "{:?}",
        began.elapsed()
    );
    // And it stays so: no pair keeps replacing its connection.
    sleep(Duration::from_millis(300)).await;
    let sessions: Vec<_> = nodes.iter().map(|(node, _)| node.peers()).collect();
    sleep(Duration::from_millis(700)).await;
    for ((node, _), before) in nodes.iter().zip(sessions) {
        let generations = |peers: &[crate::wire::PeerInfo]| -> Vec<u64> {
            peers.iter().map(|peer| peer.generation).collect()
        };
        assert_eq!(generations(&node.peers()), generations(&before));
        assert!(
            node.peers()
                .iter()
                .all(|peer| peer.validator.is_some() && peer.rtt_us.is_some())
        );
    }
    for (node, _) in &nodes {
        node.shutdown().await;
    }
}

/// Ports that were free a moment ago.
fn free_ports(count: usize) -> Vec<SocketAddr> {
    let sockets: Vec<_> = (0..count)
        .map(|_| std::net::TcpListener::bind(loopback(0)).unwrap())
        .collect();
    sockets
        .iter()
        .map(|socket| socket.local_addr().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_peer_is_back_within_a_second() {
    let (b, _b_in) = network(around(2), &[]).await;
    let at = b.listening();
    let (a, mut a_in) = network(around(1), &[at]).await;
    eventually("connected", || a.peer_count() == 1).await;
    b.shutdown().await;
    assert_eq!(
        next_down(&mut a_in).await,
        CloseReason::Goodbye(GoodbyeCode::Shutdown)
    );
    sleep(Duration::from_millis(500)).await;
    let (b, _b_in) = network_at(around(2), at, &[]).await;
    let began = Instant::now();
    eventually("connected again", || a.peer_count() == 1 && b.peer_count() == 1).await;
    assert!(
        began.elapsed() < Duration::from_millis(1_100),
        "{:?}",
        began.elapsed()
    );
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dos_16_both_dialling_at_once_leaves_one_session_at_both_ends() {
    for round in 0..1_000 {
        let (small, large) = if id(1) < id(2) { (1, 2) } else { (2, 1) };
        let (a, _a_in) = core(around(small));
        let (b, _b_in) = core(around(large));
        let (one, two) = tokio::join!(join(&a, &b, pipe()), join(&b, &a, pipe()));
        // Whatever order the two handshakes ended in, the one dialled by the smaller id stays.
        drop((one, two));
        eventually("one session, the same at both ends", || {
            let at_a = a.session(&id(large));
            let at_b = b.session(&id(small));
            matches!((at_a, at_b), (Some(at_a), Some(at_b))
                if at_a.dialer == id(small) && at_b.dialer == id(small)
                    && !at_a.closing.is_cancelled() && !at_b.closing.is_cancelled())
        })
        .await;
        assert_eq!((a.sessions.len(), b.sessions.len()), (1, 1), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_find_their_answers() {
    let (b, mut b_in) = network(around(2), &[]).await;
    let (a, _a_in) = network(around(1), &[b.listening()]).await;
    eventually("connected", || a.is_connected(&id(2)) && b.is_connected(&id(1))).await;
    let status = |nonce| {
        Message::Status(Status {
            nonce,
            height: Default::default(),
            tip: Default::default(),
            pruned_below: Default::default(),
            certificate: None,
        })
    };
    let serving = b.clone();
    let server = async move {
        while let Some(request) = b_in.serve.recv().await {
            match &request.message {
                Message::GetStatus(get) if get.nonce < 100 => {
                    serving.respond(&request, &status(get.nonce)).unwrap();
                }
                Message::GetStatus(get) if get.nonce == 100 => {
                    serving.respond(&request, &Message::NotFound(NotFound)).unwrap();
                }
                _ => {}
            }
        }
    };
    let client = async {
        let ask = |nonce| Message::GetStatus(GetStatus { nonce });
        let short = Duration::from_millis(100);
        let tasks = (0..50).map(|nonce| {
            let (a, question) = (a.clone(), ask(nonce));
            async move { a.request(&id(2), &question, PATIENCE).await }
        });
        for (nonce, task) in tasks.enumerate() {
            assert_eq!(task.await.unwrap().message, status(nonce as u64));
        }
        let declined = a.request(&id(2), &ask(100), PATIENCE).await.unwrap();
        assert_eq!(declined.message, Message::NotFound(NotFound));
        let silent = a.request(&id(2), &ask(101), short).await;
        assert!(matches!(silent, Err(RequestError::Timeout(_))));
        let unknown = a.request(&id(9), &ask(1), short).await;
        assert!(matches!(unknown, Err(RequestError::Send(_))));
        let notice = a.request(&id(2), &tx_inv(1), short).await;
        assert!(matches!(notice, Err(RequestError::NotARequest)));
        let (question, server_id) = (ask(102), id(2));
        let (cut, _) = tokio::join!(a.request(&server_id, &question, PATIENCE), async {
            sleep(Duration::from_millis(50)).await;
            a.disconnect(&id(2));
        });
        assert!(matches!(cut, Err(RequestError::Disconnected)));
    };
    tokio::select! { () = server => {}, () = client => {} }
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_page_travels_compressed_between_those_who_agreed() {
    for (capabilities, shrinks) in [(u64::MAX, true), (1, false)] {
        let (b, mut b_in) = network(around(2), &[]).await;
        let (outboxes, _a_in) = queues();
        let asking = NetworkConfig {
            capabilities,
            ..config(loopback(0), &[b.listening()])
        };
        let a = Network::start(asking, around(1), outboxes).await.unwrap();
        eventually("connected", || a.is_connected(&id(2)) && b.is_connected(&id(1))).await;
        let entry = crate::wire::MasternodeEntry {
            validator_key: id(3),
            node_key: None,
            tier: crate::wire::codec::decode::<_, 64>(&[0; 4]).unwrap(),
        };
        let page = Message::Masternodes(crate::wire::Masternodes {
            registry_height: Default::default(),
            vset_hash: Hash256::ZERO,
            page: BoundedVec::truncated(vec![entry; 500]),
            next: None,
        });
        let raw = page.encode_body().unwrap().len() as u64;
        let serving = b.clone();
        let (whom, question) = (
            id(2),
            Message::GetMasternodes(crate::wire::GetMasternodes {
                registry_height: Default::default(),
                after: None,
                limit: 7,
            }),
        );
        let (answer, _) = tokio::join!(a.request(&whom, &question, PATIENCE), async {
            // The other question is the one that every node asks at its start.
            loop {
                let asked = next(&mut b_in.serve).await;
                if matches!(&asked.message, Message::GetMasternodes(get) if get.limit == 7) {
                    break serving.respond(&asked, &page).unwrap();
                }
            }
        });
        assert_eq!(answer.unwrap().message, page);
        let received = a.peer(&id(2)).unwrap().rx_bytes;
        assert_eq!(received < raw, shrinks, "{received} of {raw}");
        a.shutdown().await;
        b.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_where_they_belong() {
    let knows_the_registry = Surroundings {
        is_member: Arc::new(|key: &PublicKey| *key == id(101)),
        ..around(2)
    };
    let (b, mut b_in) = network(knows_the_registry, &[]).await;
    let (a, mut a_in) = network(masternode(1), &[b.listening()]).await;
    eventually("connected", || a.is_connected(&id(2)) && b.is_connected(&id(1))).await;
    // The registry is asked for as soon as there are peers.
    let asked = next(&mut b_in.serve).await;
    assert!(matches!(asked.message, Message::GetMasternodes(_)));
    let page = Message::Masternodes(crate::wire::Masternodes {
        registry_height: Default::default(),
        vset_hash: Hash256::ZERO,
        page: BoundedVec::default(),
        next: None,
    });
    b.respond(&asked, &page).unwrap();
    assert_eq!(next(&mut a_in.gossip).await.message, page);

    assert_eq!(a.broadcast(&tx_inv(2), |link| link.validator.is_none()), Ok(1));
    assert_eq!(b.broadcast(&tx_inv(2), |link| link.validator.is_none()), Ok(0));
    assert!(b.is_masternode(&id(1)) && b.peer(&id(1)).is_some_and(|peer| peer.validator == Some(id(101))));
    // A key that no registry knows is nobody's.
    let (c, _c_in) = network(masternode(3), &[b.listening()]).await;
    eventually("a stranger with a key", || b.is_connected(&id(3))).await;
    assert!(!b.is_masternode(&id(3)) && b.peer(&id(3)).is_some_and(|peer| peer.validator.is_none()));
    assert_eq!(b.broadcast(&tx_inv(2), |link| link.validator.is_some()), Ok(1));
    c.shutdown().await;
    assert_eq!(next(&mut b_in.gossip).await.message, tx_inv(2));
    let evidence = evidence(1);
    assert_eq!(evidence.lane(), Lane::Consensus);
    a.send(&id(2), &evidence).unwrap();
    let got = next(&mut b_in.consensus).await;
    assert_eq!((got.peer, got.request_id, got.message), (id(1), 0, evidence));
    assert!(a.send(&id(9), &tx_inv(1)).is_err());
    a.shutdown().await;
    b.shutdown().await;
}

/// A small message of the consensus lane that this room can make without knowing what it means.
pub(super) fn evidence(height: u64) -> Message {
    let bytes = [&[0u8; 4][..], &[7; 32], &height.to_le_bytes(), &[8; 32], &[0; 8]].concat();
    Message::decode(crate::wire::MessageType::Evidence, &bytes).map_or_else(
        |error| panic!("{error}"),
        |message| match message {
            Message::Evidence(evidence) => Message::Evidence(Evidence { ..evidence }),
            other => other,
        },
    )
}

/// Reads one byte at a time.
struct Trickle(DuplexStream);

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        let polled = Pin::new(&mut self.0).poll_read(cx, &mut one);
        buf.put_slice(one.filled());
        polled
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dos_03_frames_survive_one_byte_reads_and_interleaved_writes() {
    const FRAMES: usize = 50_000;
    let (a, mut a_in) = unlimited(masternode(1));
    let (b, mut b_in) = unlimited(masternode(2));
    let (near, far) = tokio::io::duplex(1_000);
    let (at_a, at_b) = tokio::join!(
        connect(&a, Trickle(near), loopback(1), Role::Dialer, None, ()),
        connect(&b, Trickle(far), loopback(2), Role::Listener, None, ()),
    );
    let (at_a, at_b) = (at_a.unwrap(), at_b.unwrap());
    let push = |session: Arc<Session>| async move {
        for n in 0..FRAMES {
            let message = if n % 10 == 0 {
                evidence(n as u64)
            } else {
                tx_inv((n % 7) as u8)
            };
            while session.send(&message, 0).is_err() {
                assert!(!session.closing.is_cancelled(), "{}", session.close_reason());
                sleep(Duration::from_millis(1)).await;
            }
        }
    };
    async fn count(inboxes: &mut Inboxes) {
        for _ in 0..FRAMES {
            tokio::select! {
                message = next(&mut inboxes.gossip) => assert!(matches!(message.message, Message::TxInv(_))),
                message = next(&mut inboxes.consensus) => assert!(matches!(message.message, Message::Evidence(_))),
            }
        }
    }
    tokio::join!(
        push(Arc::clone(&at_a)),
        push(Arc::clone(&at_b)),
        count(&mut a_in),
        count(&mut b_in)
    );
    assert!(!at_a.closing.is_cancelled() && !at_b.closing.is_cancelled());
    assert_eq!(
        a.around.metrics.p2p.faults.get() + b.around.metrics.p2p.faults.get(),
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn votes_pass_while_bulk_saturates_the_line() {
    // 20 ms, and what the tests beside it and a program without optimisation add.
    let (p99, mb_per_s) = vote_delay_beside_bulk().await;
    assert!(p99 < Duration::from_millis(20 + 180), "{p99:?}");
    assert!(mb_per_s > 2.0, "the line was busy: {mb_per_s:.0} MB/s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a quiet machine: cargo test --release --lib a_vote_beside_bulk -- --ignored --nocapture"]
async fn a_vote_beside_bulk_takes_less_than_20_ms_at_p99() {
    let (p99, mb_per_s) = vote_delay_beside_bulk().await;
    assert!(p99 < Duration::from_millis(20), "{p99:?}");
    assert!(mb_per_s >= 50.0, "the line was busy: {mb_per_s:.0} MB/s");
}

/// The p99 of a vote's way beside answers of eight mebibytes that fill the line, and how much of them came
/// meanwhile. The types and sizes are those of the largest answers; what is in them is not looked at, since the
/// asker gives each of them up at once.
async fn vote_delay_beside_bulk() -> (Duration, f64) {
    const VOTES: usize = 200;
    let unlimited = |peers: &[SocketAddr]| NetworkConfig {
        rate_limits: false,
        ..config(loopback(0), peers)
    };
    let (outboxes, b_in) = queues();
    let b = Network::start(unlimited(&[]), masternode(2), outboxes)
        .await
        .unwrap();
    let Inboxes {
        mut consensus,
        mut peers,
        ..
    } = b_in;
    let (outboxes, mut a_in) = queues();
    let a = Network::start(unlimited(&[b.listening()]), masternode(1), outboxes)
        .await
        .unwrap();
    eventually("connected", || a.is_connected(&id(2)) && b.is_connected(&id(1))).await;
    let ask = Message::GetBlocks(crate::wire::GetBlocks {
        start: crate::wire::codec::decode::<_, 64>(&[1, 0, 0, 0, 0, 0, 0, 0]).unwrap(),
        count: 100,
        max_bytes: crate::wire::limits::BLOCKS_BYTES_MAX,
    });
    let (asker, server) = (b.clone(), a.clone());
    let asking = tokio::spawn(async move {
        while let Some(session) = asker.core().session(&id(1)) {
            // Given up before it is asked: no answer can be faster.
            let limit = crate::wire::limits::MESSAGE_MAX_BYTES;
            let answer = crate::wire::MessageType::Blocks;
            if let Ok(id) = session.requests.open(answer, limit, Waiter::Queue) {
                session.requests.cancel(id);
                let _ = session.send(&ask, id);
            }
            sleep(Duration::from_millis(5)).await;
        }
    });
    let serving = tokio::spawn(async move {
        let body = bytes::Bytes::from(vec![7; crate::wire::limits::BLOCKS_BYTES_MAX as usize]);
        while let Some(question) = a_in.serve.recv().await {
            let blocks = crate::wire::MessageType::Blocks;
            if !matches!(question.message, Message::GetBlocks(_)) {
                continue;
            }
            let answer =
                crate::wire::Outgoing::new(Lane::Blocks, blocks.id(), question.request_id, body.clone());
            // A lane that is full answers Busy: the line is.
            if let Some(session) = server.core().session(&id(2)) {
                let _ = server.core().answer(&session, answer.unwrap());
            }
        }
    });
    let received = || b.peer(&id(1)).map_or(0, |peer| peer.rx_bytes);
    eventually("the flood is on", || received() > 1_000_000).await;
    let (began, before) = (Instant::now(), received());
    let mut delays = Vec::new();
    for height in 0..VOTES as u64 {
        let sent = Instant::now();
        a.send(&id(2), &evidence(height)).unwrap();
        tokio::select! {
            _ = next(&mut consensus) => {}
            Some(PeerEvent::Down { reason, .. }) = peers.recv() => panic!("the session ended: {reason}"),
        }
        delays.push(sent.elapsed());
        sleep(Duration::from_millis(2)).await;
    }
    let mb_per_s = (received() - before) as f64 / 1e6 / began.elapsed().as_secs_f64();
    delays.sort_unstable();
    let p99 = delays[VOTES * 99 / 100];
    println!(
        "vote delay beside {mb_per_s:.0} MB/s of blocks: p50 {:?} p99 {p99:?}",
        delays[VOTES / 2]
    );
    a.shutdown().await;
    b.shutdown().await;
    asking.abort();
    serving.abort();
    (p99, mb_per_s)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dos_07_silent_connections_are_bounded_and_honest_peers_get_in() {
    let (b, _b_in) = network(around(2), &[]).await;
    let mut storm = Vec::new();
    for _ in 0..1_000 {
        if let Ok(socket) = TcpStream::connect(b.listening()).await {
            storm.push(socket);
        }
    }
    let tasks = || b.core_tasks();
    assert!(tasks() <= HANDSHAKES_MAX + 8, "{} tasks", tasks());
    assert_eq!(b.peer_count(), 0);
    // The storm still holds its sockets open.
    let (a, _a_in) = network(around(1), &[b.listening()]).await;
    let began = Instant::now();
    eventually("the honest peer is in", || b.peer_count() == 1).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    drop(storm);
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_flag_that_changes_it() {
    let (a, _a_in) = network(around(1), &[]).await;
    let (outboxes, _inboxes) = queues();
    let error = Network::start(config(a.listening(), &[]), around(2), outboxes)
        .await
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(matches!(error, NetworkError::AddressInUse { address } if address == a.listening()));
    assert!(
        text.contains(&a.listening().to_string()) && text.contains("--listen"),
        "{text}"
    );
    a.shutdown().await;
}

#[tokio::test]
async fn shutdown_ends_every_task_and_frees_the_port() {
    let (b, mut b_in) = network(around(2), &[]).await;
    let (a, _a_in) = network(around(1), &[b.listening(), loopback(1)]).await;
    eventually("connected", || a.peer_count() == 1 && b.peer_count() == 1).await;
    let began = Instant::now();
    a.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!((a.core_tasks(), a.peer_count()), (0, 0));
    assert_eq!(
        next_down(&mut b_in).await,
        CloseReason::Goodbye(GoodbyeCode::Shutdown)
    );
    let at = b.listening();
    b.shutdown().await;
    let (c, _c_in) = network_at(around(3), at, &[]).await;
    c.shutdown().await;
}

#[tokio::test]
async fn operators_find_the_lines_they_look_for() {
    let lines = Lines::default();
    let out = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || out.clone())
        .finish();
    // With a single subscriber in the process, tracing asks the thread that passes a line first whether
    // anybody wants it, and that may be another test's. With two it asks all subscribers.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    // One thread runs all tasks of this test, so its subscriber hears them all.
    let guard = tracing::subscriber::set_default(subscriber);
    let (b, _b_in) = network(around(2), &[]).await;
    let (a, _a_in) = network(around(1), &[b.listening()]).await;
    eventually("a ping was answered", || {
        b.peers()
            .iter()
            .chain(&a.peers())
            .filter(|peer| peer.rtt_us.is_some())
            .count()
            == 2
    })
    .await;
    a.shutdown().await;
    b.shutdown().await;
    drop(guard);
    let text = lines.text();
    for line in [
        "Peer connected",
        "New peer connection from: 127.0.0.1:",
        "Handshake accepted from 127.0.0.1:",
        "Broadcasting GetMasternodes to all peers",
        "Received ping",
        "Sent pong",
        "Network listener shutting down",
    ] {
        assert!(text.contains(line), "no `{line}` in:\n{text}");
    }
}
