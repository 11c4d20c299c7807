//! The socket against a node that is only a Status, two rings and a queue.

mod layout;

use std::{
    fs,
    io::{Read, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, watch};

use super::{
    frame::{self, FRAME_MAX, FrameReader, REQUEST_MAX},
    path::PATH_MAX,
    protocol::{About, CAP_COMMANDS},
    user::name_in,
    *,
};
use crate::{
    control::{
        BalanceView, BlockView, Caller, Clock, Command, CommandError, CommandRequest, Direction, Event,
        EventKind, EventRing, EvidenceView, LogLevel, LogLine, LogRing, MasternodeView, MempoolStatus,
        NodeHandle, NodeStatus, Page, PeerRow, PeersStatus, Query, QueryError, Reply, Status, StatusDelta,
        TransactionView, UtxoEntry, Watchers,
    },
    crypto::{Hash256, PublicKey},
};

/// How long a test waits before it calls something missing.
const PATIENCE: Duration = Duration::from_secs(20);

struct Nothing;

impl Query for Nothing {
    fn block(&self, _: u64) -> Result<Option<BlockView>, QueryError> {
        Ok(None)
    }
    fn transaction(&self, _: Hash256) -> Result<TransactionView, QueryError> {
        Err(QueryError::Invalid("no storage here".to_owned()))
    }
    fn mempool_has(&self, _: Hash256) -> bool {
        false
    }
    fn evidence(&self, _: Page) -> Result<Vec<EvidenceView>, QueryError> {
        Ok(Vec::new())
    }
    fn balance(&self, _: &str) -> Result<BalanceView, QueryError> {
        Err(QueryError::Invalid("no storage here".to_owned()))
    }
    fn utxos(
        &self,
        _: &str,
        _: Option<crate::chain::OutPoint>,
        _: Page,
    ) -> Result<Vec<UtxoEntry>, QueryError> {
        Ok(Vec::new())
    }
    fn masternodes(&self, _: Page) -> Result<Vec<MasternodeView>, QueryError> {
        Ok(Vec::new())
    }
    fn masternode(&self, _: Hash256) -> Result<Option<MasternodeView>, QueryError> {
        Ok(None)
    }
}

struct Node {
    dir: tempfile::TempDir,
    server: Option<Server>,
    handle: NodeHandle,
    status: watch::Sender<Arc<Status>>,
    commands: mpsc::Receiver<CommandRequest>,
}

fn status(revision: u64, height: u64) -> Status {
    let mut status = Status {
        revision,
        node: Arc::new(NodeStatus {
            network: "devnet".to_owned(),
            name: "node0".to_owned(),
            pid: 7,
            ..NodeStatus::default()
        }),
        ..Status::default()
    };
    Arc::make_mut(&mut status.chain).height = height;
    status
}

impl Node {
    fn start() -> Self {
        let clock = Clock::start();
        let (status_tx, status_rx) = watch::channel(Arc::new(status(1, 41)));
        let (sender, commands) = mpsc::channel(8);
        let dir = tempfile::tempdir().unwrap();
        let handle = NodeHandle {
            status: status_rx,
            commands: sender,
            events: Arc::new(EventRing::new()),
            logs: Arc::new(LogRing::new()),
            query: Arc::new(Nothing),
            watchers: Watchers::new(),
            clock,
        };
        let server = Server::start(SocketPaths::in_dir(dir.path()), handle.clone()).unwrap();
        Self {
            dir,
            server: Some(server),
            handle,
            status: status_tx,
            commands,
        }
    }

    fn admin(&self) -> std::path::PathBuf {
        SocketPaths::in_dir(self.dir.path()).admin
    }

    fn read_only(&self) -> std::path::PathBuf {
        SocketPaths::in_dir(self.dir.path()).read_only
    }

    fn publish(&self, status: Status) {
        self.status.send_replace(Arc::new(status));
    }

    async fn client(&self) -> Connection {
        let mut connection = Connection::open(&self.admin()).await.unwrap();
        connection.subscribe(Subscribe::everything()).await.unwrap();
        connection
    }
}

async fn next_update(connection: &mut Connection) -> StatusDelta {
    loop {
        match tokio::time::timeout(PATIENCE, connection.next())
            .await
            .unwrap()
            .unwrap()
        {
            Notice::Update(delta) => return *delta,
            _ => continue,
        }
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn first_everything_then_what_changed() {
    let node = Node::start();
    run(async {
        let mut client = node.client().await;
        assert_eq!(client.hello().about.network, "devnet");
        assert!(client.hello().takes_commands());
        let first = next_update(&mut client).await;
        assert_eq!(first.chain.unwrap().height, 41);
        assert_eq!(first.node.unwrap().name, "node0");
        let mut next = (*node.handle.status()).clone();
        next.revision = 2;
        Arc::make_mut(&mut next.chain).height = 42;
        node.publish(next);
        let second = next_update(&mut client).await;
        assert_eq!((second.revision, second.chain.unwrap().height), (2, 42));
        assert!(second.node.is_none() && second.peers.is_none() && second.stop.is_none());
    });
}

#[test]
fn only_the_sections_and_rows_that_were_asked_for_are_sent() {
    let node = Node::start();
    let row = |index: u8| PeerRow {
        id: PublicKey::from_bytes([index; 32]),
        name: None,
        direction: Direction::Inbound,
        address: String::new(),
        height: None,
        rtt_ms: None,
        rx_bytes: 0,
        tx_bytes: 0,
        rx_rate: 0,
        tx_rate: 0,
        connected_mono_ms: 0,
        agent: String::new(),
        validator: None,
        capabilities: Vec::new(),
        score: 0,
    };
    let mut next = status(2, 41);
    next.peers = Arc::new(PeersStatus {
        rows: (0..100).map(row).collect(),
        inbound: 100,
        ..PeersStatus::default()
    });
    next.mempool = Arc::new(MempoolStatus {
        txs: 9,
        ..MempoolStatus::default()
    });
    node.publish(next);
    run(async {
        let mut client = Connection::open(&node.admin()).await.unwrap();
        let wanted = Subscribe {
            peers_max: 60,
            ..Subscribe::snapshots(Sections::PEERS)
        };
        client.subscribe(wanted).await.unwrap();
        let delta = next_update(&mut client).await;
        let peers = delta.peers.unwrap();
        assert_eq!((peers.rows.len(), peers.inbound), (60, 100));
        assert!(delta.mempool.is_none() && delta.chain.is_none() && delta.node.is_none());
    });
}

#[test]
fn events_and_lines_come_in_order_and_from_the_cursor() {
    let node = Node::start();
    for height in 1..=5 {
        node.handle.events.push(
            node.handle.clock.now(),
            EventKind::Proposed {
                height,
                round: 0,
                leader: "node1".to_owned(),
                txs: 3,
            },
        );
    }
    for (level, message) in [(LogLevel::Info, "kept"), (LogLevel::Debug, "left out")] {
        node.handle.logs.push(LogLine {
            seq: 0,
            unix_ms: 1,
            level,
            target: "timecoin::node".to_owned(),
            message: message.to_owned(),
            fields: String::new(),
        });
    }
    run(async {
        let mut client = Connection::open(&node.admin()).await.unwrap();
        let wanted = Subscribe {
            events_from: Some(3),
            log_level: Some(LogLevel::Info),
            ..Subscribe::everything()
        };
        client.subscribe(wanted).await.unwrap();
        let (mut events, mut lines) = (Vec::new(), Vec::new());
        while events.is_empty() || lines.is_empty() {
            match tokio::time::timeout(PATIENCE, client.next())
                .await
                .unwrap()
                .unwrap()
            {
                Notice::Events { items, missed, next } => {
                    assert_eq!((missed, next), (0, 5));
                    events.extend(items.into_iter().map(|event: Event| event.seq));
                }
                Notice::Logs { items, next, .. } => {
                    assert_eq!(next, 2);
                    lines.extend(items.into_iter().map(|line| line.message.clone()));
                }
                _ => {}
            }
        }
        assert_eq!(events, [3, 4]);
        assert_eq!(lines, ["kept"]);
    });
}

#[test]
fn a_command_reaches_the_node_with_its_user_and_is_answered() {
    let mut node = Node::start();
    run(async {
        let mut client = node.client().await;
        let me = client.hello().about.me.clone();
        let played = async {
            let request = node.commands.recv().await.unwrap();
            assert_eq!(request.command, Command::AckAlarms);
            assert!(matches!(&request.caller, Caller::Socket { .. }));
            assert_eq!(request.caller.word(), me);
            request.reply.send(Ok(Reply::Done)).unwrap();
        };
        let (answer, ()) = tokio::join!(client.ask(Command::AckAlarms, |_| {}), played);
        assert_eq!(answer.unwrap(), Ok(Reply::Done));
    });
}

#[test]
fn the_read_only_socket_shows_everything_and_takes_no_command() {
    let mut node = Node::start();
    run(async {
        let mut client = Connection::open(&node.read_only()).await.unwrap();
        assert!(!client.hello().takes_commands());
        client.subscribe(Subscribe::everything()).await.unwrap();
        assert_eq!(next_update(&mut client).await.chain.unwrap().height, 41);
        for _ in 0..50 {
            let answer = client.ask(Command::AckAlarms, |_| {}).await.unwrap();
            let Err(CommandError::Invalid { reason }) = answer else {
                panic!("{answer:?}");
            };
            assert!(reason.contains("read only"), "{reason}");
        }
    });
    assert!(node.commands.try_recv().is_err(), "a command passed");
}

#[test]
fn a_slow_client_skips_to_the_newest_and_never_holds_the_node() {
    const SNAPSHOTS: u64 = 400;
    let node = Node::start();
    run(async {
        let mut client = node.client().await;
        next_update(&mut client).await;
        // Each snapshot is far larger than what a socket buffers, and nobody reads.
        let began = Instant::now();
        for revision in 2..=SNAPSHOTS {
            let mut next = status(revision, revision);
            next.node = Arc::new(NodeStatus {
                warnings: vec![format!("{revision} {}", "w".repeat(300_000))],
                ..(*next.node).clone()
            });
            node.publish(next);
            tokio::task::yield_now().await;
        }
        assert!(began.elapsed() < PATIENCE / 2, "the node waited for a client");
        let mut updates = 0;
        loop {
            updates += 1;
            if next_update(&mut client).await.revision == SNAPSHOTS {
                break;
            }
        }
        assert!(
            updates < SNAPSHOTS / 4,
            "{updates} of {SNAPSHOTS} snapshots were kept for a slow client"
        );
    });
}

#[test]
fn what_a_slow_client_missed_is_told() {
    let node = Node::start();
    let push = |count: u64| {
        for height in 0..count {
            let kind = EventKind::Proposed {
                height,
                round: 0,
                leader: "node1".to_owned(),
                txs: 0,
            };
            node.handle.events.push(node.handle.clock.now(), kind);
        }
    };
    push(10);
    run(async {
        let mut client = Connection::open(&node.admin()).await.unwrap();
        push(EventRing::EVENTS_MAX as u64 + 90);
        let wanted = Subscribe {
            events_from: Some(10),
            log_level: None,
            ..Subscribe::everything()
        };
        client.subscribe(wanted).await.unwrap();
        loop {
            let notice = tokio::time::timeout(PATIENCE, client.next())
                .await
                .unwrap()
                .unwrap();
            if let Notice::Events { items, missed, .. } = notice {
                assert_eq!((missed, items[0].seq), (90, 100));
                break;
            }
        }
    });
}

#[test]
fn watchers_are_counted_while_they_watch() {
    let node = Node::start();
    assert_eq!(node.handle.watchers.count(), 0);
    run(async {
        let mut client = node.client().await;
        next_update(&mut client).await;
        assert_eq!(node.handle.watchers.count(), 1);
    });
    wait("the collector to park", || node.handle.watchers.count() == 0);
}

#[test]
fn the_ninth_client_is_told_why_it_is_turned_away() {
    let node = Node::start();
    run(async {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS_MAX {
            let mut client = node.client().await;
            next_update(&mut client).await;
            clients.push(client);
        }
        // Told at the hello already, or right after it.
        let error = match Connection::open(&node.admin()).await {
            Err(error) => error,
            Ok(mut late) => tokio::time::timeout(PATIENCE, late.next())
                .await
                .unwrap()
                .unwrap_err(),
        };
        assert!(error.to_string().contains("8 consoles"), "{error}");
        drop(clients);
    });
    wait("a place to be free", || node.handle.watchers.count() == 0);
    run(async {
        let mut client = node.client().await;
        next_update(&mut client).await;
    });
}

/// Whatever a client sends: its own connection ends, and the next client is served.
#[test]
fn a_hostile_client_ends_only_itself() {
    let node = Node::start();
    let hello = session::hello(About::default()).to_frame().unwrap();
    let subscribe = frame::encode(&Request::Subscribe(Subscribe::everything())).unwrap();
    let mut garbage: Vec<Vec<u8>> = vec![
        Vec::new(),
        vec![0xff; 4],
        u32::MAX.to_le_bytes().to_vec(),
        ((REQUEST_MAX + 1) as u32).to_le_bytes().to_vec(),
        vec![0, 0, 0, 0],
        vec![3, 0, 0, 0, 1],
        [&hello[..], &[0xff, 0xff, 0xff, 0x7f]].concat(),
        [&hello[..], &[5, 0, 0, 0, 9, 9, 9, 9, 9]].concat(),
        [&hello[..], &subscribe[..], &subscribe[..]].concat(),
        [&hello[..], &subscribe[..], &[200, 0, 0, 0]].concat(),
        [&hello[..], &subscribe[..], &[4, 0, 0, 0, 1, 0, 4, 253]].concat(),
    ];
    // Every prefix and every flipped byte of an honest opening.
    let honest = [&hello[..], &subscribe[..]].concat();
    for at in 0..honest.len() {
        garbage.push(honest[..at].to_vec());
        let mut flipped = honest.clone();
        flipped[at] ^= 0x55;
        garbage.push(flipped);
    }
    for bytes in garbage {
        let mut stream = UnixStream::connect(node.admin()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The node may have closed already.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    run(async {
        let mut client = node.client().await;
        assert_eq!(next_update(&mut client).await.chain.unwrap().height, 41);
    });
}

#[test]
fn a_length_over_the_limit_takes_no_memory() {
    run(async {
        let (mut near, far) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(far, FRAME_MAX);
        let head = ((FRAME_MAX + 1) as u32).to_le_bytes();
        tokio::io::AsyncWriteExt::write_all(&mut near, &head)
            .await
            .unwrap();
        assert!(
            matches!(reader.next().await, Err(AttachError::TooLong { length, .. }) if length == FRAME_MAX + 1)
        );
    });
    assert!(matches!(
        frame::encode(&"x".repeat(FRAME_MAX)),
        Err(AttachError::TooLong { .. })
    ));
    // A list that claims more items than there are bytes.
    let lie = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert!(frame::decode::<Vec<u64>>(&lie).is_err());
    assert!(frame::decode::<String>(&lie).is_err());
}

#[test]
fn another_protocol_is_named_whatever_follows_its_head() {
    let mut frame = Hello {
        proto: PROTO + 1,
        version: "9.9.9\x1b[31m".to_owned(),
        about: About::default(),
    }
    .to_frame()
    .unwrap();
    frame.extend([0xff; 64]);
    let error = Hello::from_frame(&frame[4..]).unwrap_err();
    let text = error.to_string();
    let other = format!("timed 9.9.9[31m with attach protocol {}", PROTO + 1);
    assert!(text.contains(&other), "{text}");
    assert!(
        text.contains(&format!(
            "timed {} with protocol {PROTO}",
            env!("CARGO_PKG_VERSION")
        )),
        "{text}"
    );
    for length in 0..frame.len().min(40) {
        assert!(Hello::from_frame(&frame[4..4 + length]).is_err());
    }
    let mine = session::hello(About {
        caps: vec![CAP_COMMANDS.to_owned()],
        run: 5,
        ..About::default()
    });
    assert_eq!(Hello::from_frame(&mine.to_frame().unwrap()[4..]).unwrap(), mine);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn sockets_are_private_and_go_with_the_server() {
    let mut node = Node::start();
    assert_eq!((mode(&node.admin()), mode(&node.read_only())), (0o600, 0o660));
    node.server.take().unwrap().stop();
    assert!(!node.admin().exists() && !node.read_only().exists());
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let node = Node::start();
    let paths = SocketPaths::in_dir(node.dir.path());
    let before = fs::metadata(&paths.admin).unwrap().ino();
    let error = Server::start(paths.clone(), node.handle.clone()).unwrap_err();
    assert!(matches!(error, AttachError::InUse { .. }), "{error}");
    assert_eq!(fs::metadata(&paths.admin).unwrap().ino(), before);

    let other = tempfile::tempdir().unwrap();
    let stale = SocketPaths::in_dir(other.path());
    drop(std::os::unix::net::UnixListener::bind(&stale.admin).unwrap());
    let server = Server::start(stale.clone(), node.handle.clone()).unwrap();
    run(async { Connection::open(&stale.admin).await.unwrap() });
    server.stop();

    fs::write(&stale.admin, "precious").unwrap();
    let error = Server::start(stale.clone(), node.handle.clone()).unwrap_err();
    assert!(matches!(error, AttachError::Listen { .. }), "{error}");
    assert_eq!(fs::read_to_string(&stale.admin).unwrap(), "precious");
}

#[test]
fn what_is_no_node_is_called_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.sock");
    let error = run(Connection::open(&path)).err().unwrap();
    assert!(matches!(error, AttachError::Unreachable { .. }), "{error}");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let error = run(Connection::open(&path)).err().unwrap();
    answering.join().unwrap();
    assert!(matches!(error, AttachError::NotTimed { .. }), "{error}");
}

#[test]
fn the_link_comes_back_and_knows_another_run() {
    let mut node = Node::start();
    let path = node.admin();
    let link = Link::start(&path).unwrap();
    let mut height = 0;
    wait("the first snapshot", || {
        let news = link.take();
        assert!(!news.fresh);
        height = news.status.map_or(height, |status| status.chain.height);
        height == 41
    });
    assert!(link.now().is_some());
    node.server.take().unwrap().stop();
    wait("the loss", || matches!(link.state(), LinkState::Down { .. }));
    assert!(link.send(1, Command::AckAlarms));
    wait("a refusal while it is down", || {
        link.answers()
            .iter()
            .any(|(id, answer)| *id == 1 && answer.is_err())
    });
    // The same node again: nothing is fresh. Then another run of it.
    for (pid, is_fresh) in [(7, false), (8, true)] {
        let mut next = status(9, 50);
        Arc::make_mut(&mut next.node).pid = pid;
        node.publish(next);
        let server = Server::start(SocketPaths::in_dir(node.dir.path()), node.handle.clone()).unwrap();
        let mut fresh = false;
        wait("the link to come back", || {
            let news = link.take();
            fresh |= news.fresh;
            news.status.is_some_and(|status| status.chain.height == 50)
        });
        assert_eq!(fresh, is_fresh);
        server.stop();
        wait("the loss", || matches!(link.state(), LinkState::Down { .. }));
    }
}

#[test]
fn the_node_and_its_clients_agree_where_the_sockets_are() {
    let places = Places {
        data_dir: "/var/lib/timed".into(),
        user_runtime_dir: Some("/run/user/1000".into()),
        ..Places::default()
    };
    let admin = |places: &Places| places.sockets().map(|paths| paths.admin);
    assert_eq!(admin(&places), Some("/var/lib/timed/timed.sock".into()));
    let service = Places {
        runtime_dir: Some("/run/timed".into()),
        ..places.clone()
    };
    assert_eq!(admin(&service), Some("/run/timed/timed.sock".into()));
    let configured = Places {
        configured: "/srv/s".into(),
        ..service
    };
    assert_eq!(admin(&configured), Some("/srv/s/timed.sock".into()));

    let deep = |length: usize| Places {
        data_dir: format!("/{}", "d".repeat(length)).into(),
        ..places.clone()
    };
    let longest = PATH_MAX - 1 - "/timed-ro.sock".len();
    assert_eq!(
        deep(longest).sockets().unwrap().read_only.as_os_str().len(),
        PATH_MAX
    );
    let short = admin(&deep(longest + 1)).unwrap();
    let name = short
        .strip_prefix("/run/user/1000")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        name.starts_with("timed-") && name.len() == "timed-01234567.sock".len(),
        "{name}"
    );
    assert_ne!(admin(&deep(longest + 1)), admin(&deep(longest + 2)));
    let homeless = Places {
        user_runtime_dir: None,
        ..deep(longest + 1)
    };
    assert_eq!(homeless.sockets(), None);
}

#[test]
fn users_have_their_names() {
    let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nop:x:1000:1000::/home/op:/bin/sh\n";
    assert_eq!(name_in(passwd, 1_000).as_deref(), Some("op"));
    assert_eq!(name_in(passwd, 0).as_deref(), Some("root"));
    assert_eq!(name_in(passwd, 5), None);
}
