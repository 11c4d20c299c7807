//! Many connections at once: what a check costs, what a storm does, what a thousand peers take.
//!
//! Those that need a machine that does nothing else are ignored; each prints its figures, which stand in
//! docs/PERFORMANCE.md.

use std::{
    io::{BufRead, BufReader, Write},
    net::IpAddr,
    process::{Command, Stdio},
};

use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use super::{dos::numbered, *};
use crate::{
    metrics::ProcessFigures,
    network::{
        OPERATOR_BANS_MAX,
        bans::Bans,
        handshake::{handshake, unix_ms},
        origins::{Origins, Slot},
    },
    wire::{Ban, BanSource, BanTarget, IpRange, Lane, MessageType, limits::REASSEMBLY_UNASKED_BYTES},
};

/// Peers of the crowd.
const CROWD: u32 = 1_000;

#[test]
fn a_connection_is_checked_within_a_millisecond_beside_ten_thousand_bans() {
    const CHECKS: usize = 10_000;
    let now_ms = unix_ms();
    let bans = Bans::open(None, now_ms);
    for n in 0..OPERATOR_BANS_MAX {
        let ip = IpAddr::from([11, (n >> 8) as u8, n as u8, 0]);
        bans.ban(Ban {
            target: BanTarget::Range(IpRange::containing(ip, if n % 2 == 0 { 24 } else { 32 })),
            source: BanSource::Operator,
            by: "test".to_owned(),
            reason: String::new(),
            evidence: String::new(),
            at_ms: now_ms,
            until_ms: None,
            times: 1,
        })
        .unwrap();
    }
    let origins = Arc::new(Mutex::new(Origins::default()));
    let mut took: Vec<Duration> = (0..CHECKS)
        .map(|n| {
            let ip = IpAddr::from([99, (n >> 8) as u8, n as u8, 1]);
            let began = std::time::Instant::now();
            assert!(bans.of_address(ip, now_ms).is_none());
            drop(Slot::take(&origins, ip, 2, Instant::now()));
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    let (p50, p99) = (took[CHECKS / 2], took[CHECKS * 99 / 100]);
    println!("check of a connection: p50 {p50:?}, p99 {p99:?}");
    assert!(p99 < Duration::from_millis(1), "{p99:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_ten_thousand_connections_leaves_honest_peers_untouched() {
    const STORM: usize = 10_000;
    const AT_ONCE: usize = 50;
    let (b, mut b_in) = network(masternode(2), &[]).await;
    let (a, _a_in) = network(masternode(1), &[b.listening()]).await;
    eventually("connected", || a.is_connected(&id(2)) && b.is_connected(&id(1))).await;
    let before = b.peer(&id(1)).unwrap();
    let (at, began) = (b.listening(), Instant::now());
    let storm: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            tokio::spawn(async move {
                for n in 0..STORM / AT_ONCE {
                    let Ok(mut socket) = TcpStream::connect(at).await else {
                        continue;
                    };
                    // One in two says something before it goes.
                    if n % 2 == 0 {
                        let _ = socket.write_all(&[0x55; 24]).await;
                    }
                }
            })
        })
        .collect();
    let mut delays = Vec::new();
    while storm.iter().any(|task| !task.is_finished()) {
        let sent = Instant::now();
        a.send(&id(2), &super::live::evidence(1)).unwrap();
        next(&mut b_in.consensus).await;
        delays.push(sent.elapsed());
        sleep(Duration::from_millis(5)).await;
    }
    let took = began.elapsed();
    delays.sort_unstable();
    let (p50, p99) = (delays[delays.len() / 2], delays[delays.len() * 99 / 100]);
    println!(
        "{STORM} connections in {took:?}; {} votes beside it, p50 {p50:?}, p99 {p99:?}",
        delays.len()
    );
    let after = b.peer(&id(1)).unwrap();
    assert_eq!(after.generation, before.generation, "the session stood");
    assert_eq!((after.missed_pings, after.score), (0, 0));
    // 20 ms, and what the tests beside it add to a wake-up.
    assert!(p99 < Duration::from_millis(20 + 80), "{p99:?}");
    eventually("nothing of it is left", || b.core_tasks() < 10).await;
    // And who comes afterwards gets in.
    let (c, _c_in) = network(around(3), &[at]).await;
    let came = Instant::now();
    eventually("another honest peer", || b.is_connected(&id(3))).await;
    println!("a newcomer is in after {:?}", came.elapsed());
    for node in [a, b, c] {
        node.shutdown().await;
    }
}

/// Row 2 and the memory of peers. The crowd is another process, so what is measured is the node's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a quiet machine: cargo test --lib dos_02_a_thousand_authenticated -- --ignored --nocapture"]
async fn dos_02_a_thousand_authenticated_peers_take_less_than_64_mb_also_while_they_attack() {
    let (outboxes, inboxes) = queues();
    let wide = NetworkConfig {
        inbound_max: CROWD as usize + 1,
        ..config(loopback(0), &[])
    };
    let b = Network::start(wide, around(1), outboxes).await.unwrap();
    let Inboxes {
        mut peers,
        mut strangers,
        ..
    } = inboxes;
    let drain = tokio::spawn(async move { while peers.recv().await.is_some() {} });
    let (voter, _voter_in) = network(around(2), &[b.listening()]).await;
    eventually("somebody who votes", || b.is_connected(&id(2))).await;
    let resident = || ProcessFigures::read().unwrap().resident_bytes;
    let idle = resident();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "network::tests::load::the_crowd",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut orders = child.stdin.take().unwrap();
    writeln!(orders, "{}", b.listening()).unwrap();
    let began = Instant::now();
    while b.peer_count() < CROWD as usize + 1 {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "{} came",
            b.peer_count()
        );
        sleep(Duration::from_millis(20)).await;
    }
    let took = began.elapsed();
    sleep(Duration::from_secs(2)).await;
    let connected = resident().saturating_sub(idle);
    writeln!(orders, "attack").unwrap();
    let told = tokio::task::spawn_blocking({
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        move || {
            let mut line = String::new();
            while answers.read_line(&mut line).unwrap_or(0) > 0 && !line.contains("began") {}
            line
        }
    })
    .await
    .unwrap();
    assert!(told.contains("began"), "{told}");
    eventually("what fits is taken", || b.reassembly_bytes() > 0).await;
    sleep(Duration::from_secs(1)).await;
    let sent = Instant::now();
    voter.send(&b.node_id(), &super::live::evidence(1)).unwrap();
    next(&mut strangers).await;
    println!("a vote passes within {:?}", sent.elapsed());
    let attacked = resident().saturating_sub(idle);
    println!(
        "{CROWD} authenticated peers in {took:?}: {} kB above idle ({} kB each); while each begins a {} MB message: {} kB",
        connected / 1024,
        connected / 1024 / u64::from(CROWD),
        MessageType::Txs.limit() / 1_000_000,
        attacked / 1024
    );
    assert!(connected < 64 << 20, "{connected}");
    assert!(attacked < 64 << 20, "{attacked}");
    assert!(b.reassembly_bytes() <= REASSEMBLY_UNASKED_BYTES);
    voter.shutdown().await;
    drop(orders);
    child.wait().unwrap();
    drain.abort();
    b.shutdown().await;
}

/// The other end of [`dos_02_a_thousand_authenticated_peers_take_less_than_64_mb_also_while_they_attack`],
/// in a process of its own: it hears where to go on its standard input, and does nothing without that.
#[tokio::test]
#[ignore = "started by the test that it belongs to"]
async fn the_crowd() {
    let mut orders = std::io::stdin().lock().lines();
    let Some(Ok(at)) = orders
        .next()
        .map(|line| line.unwrap_or_default().parse::<SocketAddr>())
    else {
        return;
    };
    let mut streams = Vec::new();
    for n in 0..CROWD {
        let (own, own_in) = core(numbered(n));
        let socket = TcpStream::connect(at).await.unwrap();
        let established = handshake(&own, socket, Role::Dialer, None).await.unwrap();
        streams.push((established.stream, own, own_in));
    }
    if orders.next().is_none() {
        return;
    }
    let size = MessageType::Txs.limit() as u32;
    for (stream, ..) in &mut streams {
        let begin = super::hostile::start_header(Lane::Tx, MessageType::Txs.id(), 0, size);
        stream.write_all(&begin).await.unwrap();
        stream.flush().await.unwrap();
    }
    println!("began");
    // Until the parent has measured.
    while orders.next().is_some() {}
}
