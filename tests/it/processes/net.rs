//! A network of node processes for one test, and the oracle that watches it.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use timecoin::{
    chain::{Address, Genesis, Height, OutPoint, Output, Params, Transaction, TransactionKind},
    consensus::{ConsensusMessage, Position, Record},
    control::{Ban, BlockView, Page, status_json::StatusJson},
    crypto::{Hash256, SecretKey},
    devnet::{
        Layout, LoadPlan, LoadReport, PortRange, files,
        link::{Link, Weather},
        load,
        process::NodeProcess,
    },
    rpc::client::{Client, ClientError},
    signer::WalletFile,
    storage::wal::Wal,
};
use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// The binary under test.
pub(crate) const TIMED: &str = env!("CARGO_BIN_EXE_timed");

/// How long a start may take on a machine that also compiles.
const READY: Duration = Duration::from_secs(60);
/// How long one request may take; a paused node never answers.
const ASK: Duration = Duration::from_secs(3);
/// How long a busy node that runs may take until a request succeeds.
const ANSWER: Duration = Duration::from_secs(20);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Where tests look for ports: above what people use for their own devnets.
const FIRST_PORT: u16 = 26_000;

/// One network at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A limit that the requirements set, in seconds. The unoptimized program on a machine that also
/// compiles and runs other tests gets four times as much; the release run gets no grace.
pub(crate) const fn limit(seconds: u64) -> Duration {
    let grace = if cfg!(debug_assertions) { 4 } else { 1 };
    Duration::from_secs(seconds * grace)
}

/// A network of node processes.
pub(crate) struct Net {
    pub(crate) layout: Layout,
    pub(crate) nodes: Vec<NodeProcess>,
    clients: Vec<Client>,
    runtime: Runtime,
    genesis: Genesis,
    /// By dialing and dialed node; empty unless the network has links.
    links: BTreeMap<(u16, u16), Link>,
    seen: Mutex<Seen>,
    next_coin: u16,
    _ports: PortRange,
    _dir: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// What the oracle remembers.
#[derive(Default)]
struct Seen {
    /// What any node called final.
    blocks: BTreeMap<u64, (Hash256, Hash256)>,
    /// The height up to which each node was looked at, and its highest height ever.
    looked_at: BTreeMap<u16, u64>,
    highest: BTreeMap<u16, u64>,
    /// Final transactions and where they are.
    transactions: BTreeMap<Hash256, u64>,
    /// What each node signed, by position.
    signed: BTreeMap<(u16, Position), ConsensusMessage>,
}

impl Net {
    /// Waits for the turn of a test that starts its network by itself.
    pub(crate) fn turn() -> MutexGuard<'static, ()> {
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Files for `nodes` nodes with the default parameters; nothing runs yet.
    pub(crate) fn new(nodes: u16) -> Self {
        Self::with(nodes, |_| {})
    }

    /// Files for `nodes` nodes with other parameters.
    pub(crate) fn with(nodes: u16, change: impl FnOnce(&mut Params)) -> Self {
        let turn = Self::turn();
        let dir = tempfile::tempdir().unwrap();
        let ports = PortRange::find(FIRST_PORT, nodes).unwrap();
        let layout = Layout::new(dir.path().join("net"), nodes, ports.base());
        let mut plan = files::Plan::new(layout.clone());
        change(&mut plan.params);
        files::write(&plan).unwrap();
        let genesis = Genesis::from_toml(&fs::read_to_string(layout.genesis()).unwrap()).unwrap();
        let program = Path::new(TIMED);
        Self {
            nodes: (0..nodes)
                .map(|node| NodeProcess::new(program, &layout, node))
                .collect(),
            clients: (0..nodes)
                .map(|node| Client::new(&layout.url(node)).unwrap())
                .collect(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
            genesis,
            links: BTreeMap::new(),
            seen: Mutex::default(),
            next_coin: 0,
            layout,
            _ports: ports,
            _dir: dir,
            _turn: turn,
        }
    }

    /// Files for `nodes` nodes of which genesis knows all but the last: that one has keys and a
    /// configuration, and is nobody's masternode yet.
    pub(crate) fn with_a_stranger(nodes: u16, change: impl FnOnce(&mut Params)) -> Self {
        let mut net = Self::with(nodes, change);
        net.genesis.masternodes.pop();
        fs::write(net.layout.genesis(), net.genesis.to_toml()).unwrap();
        net
    }

    /// The same, with every node dialing its peers through links that can be cut.
    pub(crate) fn with_links(nodes: u16) -> Self {
        Self::with_links_and(nodes, |_| {})
    }

    /// The same with other parameters.
    pub(crate) fn with_links_and(nodes: u16, change: impl FnOnce(&mut Params)) -> Self {
        let mut net = Self::with(nodes, change);
        for from in 0..nodes {
            let mut peers = Vec::new();
            for to in (0..nodes).filter(|to| *to != from) {
                let seed = u64::from(from) * 1_000 + u64::from(to) + 1;
                let link = Link::open(net.runtime.handle(), net.layout.p2p(to), seed).unwrap();
                peers.push(toml::Value::from(link.address().to_string()));
                net.links.insert((from, to), link);
            }
            net.edit_config(from, |config| {
                config["network"]["peers"] = toml::Value::Array(peers);
            });
        }
        net
    }

    /// A running network whose nodes all answer.
    pub(crate) fn started(nodes: u16) -> Self {
        let mut net = Self::new(nodes);
        net.start_all();
        net
    }

    pub(crate) fn all(&self) -> std::ops::Range<u16> {
        0..self.layout.nodes()
    }

    pub(crate) fn edit_config(&self, node: u16, edit: impl FnOnce(&mut toml::Table)) {
        let path = self.layout.config(node);
        let mut table: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        edit(&mut table);
        fs::write(path, table.to_string()).unwrap();
    }

    pub(crate) fn node(&mut self, node: u16) -> &mut NodeProcess {
        &mut self.nodes[usize::from(node)]
    }

    pub(crate) fn start(&mut self, node: u16) {
        let process = &mut self.nodes[usize::from(node)];
        process.start().unwrap();
        if let Err(error) = self.runtime.block_on(process.wait_ready(READY)) {
            panic!("{error}");
        }
    }

    pub(crate) fn start_all(&mut self) {
        for node in &mut self.nodes {
            node.start().unwrap();
        }
        for node in self.all() {
            self.start(node);
        }
    }

    pub(crate) fn kill(&mut self, node: u16) {
        self.node(node).kill();
    }

    pub(crate) fn kill_all(&mut self) {
        for node in self.all() {
            self.kill(node);
        }
    }

    /// Stops a node in order; how long it took, and its exit code.
    pub(crate) fn stop(&mut self, node: u16) -> (Duration, Option<i32>) {
        let started = Instant::now();
        let process = &mut self.nodes[usize::from(node)];
        process.terminate();
        let status = self.runtime.block_on(process.wait_exit(Duration::from_secs(20)));
        let status = status.unwrap_or_else(|| panic!("node{node} does not stop"));
        (started.elapsed(), status.code())
    }

    /// Changes the weather between two nodes, both ways.
    pub(crate) fn weather(&self, a: u16, b: u16, weather: Weather) {
        self.links[&(a, b)].set(weather);
        self.links[&(b, a)].set(weather);
    }

    /// Nothing that `from` says comes through to any of `to`, whoever dialled whom.
    pub(crate) fn silence(&self, from: u16, to: &[u16]) {
        for other in to {
            self.links[&(from, *other)].set(Weather {
                is_cut_forth: true,
                ..Weather::default()
            });
            self.links[&(*other, from)].set(Weather {
                is_cut_back: true,
                ..Weather::default()
            });
        }
    }

    /// Cuts every link between two groups.
    pub(crate) fn partition(&self, left: &[u16], right: &[u16]) {
        let cut = Weather {
            is_cut: true,
            ..Weather::default()
        };
        for a in left {
            for b in right {
                self.weather(*a, *b, cut);
            }
        }
    }

    /// The same weather everywhere.
    pub(crate) fn weather_everywhere(&self, weather: Weather) {
        self.links.values().for_each(|link| link.set(weather));
    }

    pub(crate) fn ask<T>(&self, answer: impl Future<Output = Result<T, ClientError>>) -> Option<T> {
        self.runtime
            .block_on(async { tokio::time::timeout(ASK, answer).await })
            .ok()?
            .ok()
    }

    pub(crate) fn client(&self, node: u16) -> &Client {
        &self.clients[usize::from(node)]
    }

    pub(crate) fn try_status(&self, node: u16) -> Option<StatusJson> {
        self.ask(self.client(node).status())
    }

    pub(crate) fn status(&self, node: u16) -> StatusJson {
        self.try_status(node)
            .unwrap_or_else(|| panic!("node{node} does not answer:\n{}", self.log(node)))
    }

    pub(crate) fn block(&self, node: u16, height: u64) -> Option<BlockView> {
        self.ask(self.client(node).block(height))
    }

    /// The block of a height, or the certainty that the node has none.
    fn look_up(&self, node: u16, height: u64) -> Option<BlockView> {
        let until = Instant::now() + ANSWER;
        loop {
            let asked = async { tokio::time::timeout(ASK, self.client(node).block(height)).await };
            match self.runtime.block_on(asked) {
                Ok(Ok(block)) => return Some(block),
                Ok(Err(error)) if error.code() == Some("not_found") => return None,
                answer if Instant::now() >= until => panic!(
                    "node{node} does not say what block {height} is: {answer:?}; health {:?}\n{}",
                    self.health_status(node),
                    self.log(node)
                ),
                _ => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// Height of the last final block, from blocks rather than from a snapshot that may be old.
    pub(crate) fn height(&self, node: u16) -> u64 {
        let mut height = self.try_status(node).map_or(0, |status| status.height);
        while self.block(node, height + 1).is_some() {
            height += 1;
        }
        height
    }

    /// Who is kept out by a node, whoever put it there.
    pub(crate) fn bans(&self, node: u16) -> Vec<Ban> {
        let page = Page { skip: 0, limit: 100 };
        self.ask(self.client(node).bans(page)).unwrap()
    }

    /// The word of `/health`, whatever its HTTP status.
    pub(crate) fn health_word(&self, node: u16) -> Option<String> {
        let health: serde_json::Value = self.ask(self.client(node).get("/health"))?;
        Some(health["status"].as_str()?.to_owned())
    }

    /// The HTTP status of `/health`; `None` if nobody answers.
    pub(crate) fn health_status(&self, node: u16) -> Option<u16> {
        health_status(self.layout.http(node))
    }

    /// Whether the log of a node that does not run holds a message of `height`; a proposal, if it was
    /// to be its leader.
    #[cfg(any(debug_assertions, feature = "failpoints"))]
    pub(crate) fn was_at(&self, node: u16, height: u64, as_leader: bool) -> bool {
        let messages = signed_messages(&self.layout.node_dir(node));
        messages.iter().any(|message| {
            let position = message.position();
            let fits = !as_leader || matches!(message, ConsensusMessage::PrePrepare(_));
            position.height.get() == height && fits
        })
    }

    /// What the log of a node that does not run holds.
    pub(crate) fn signed(&self, node: u16) -> Vec<ConsensusMessage> {
        signed_messages(&self.layout.node_dir(node))
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(crate) fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, node: u16, name: &str) -> f64 {
        let text = self.ask(self.client(node).text("/metrics")).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
            .unwrap_or_else(|| panic!("no metric {name}"))
    }

    pub(crate) fn log(&self, node: u16) -> String {
        // `timed.log` is a link to the newest file, and a test may run across midnight.
        let newest = self.nodes[usize::from(node)].log();
        let Ok(files) = fs::read_dir(newest.parent().unwrap()) else {
            return String::new();
        };
        let mut days: Vec<_> = files.flatten().map(|file| file.path()).collect();
        days.retain(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            name.starts_with("timed.20") && name.ends_with(".log")
        });
        days.sort();
        days.iter()
            .map(|path| fs::read_to_string(path).unwrap_or_default())
            .collect()
    }

    /// Waits until `holds`, and tells how long that took.
    pub(crate) fn wait(&self, what: &str, limit: Duration, mut holds: impl FnMut(&Self) -> bool) -> Duration {
        let started = Instant::now();
        while !holds(self) {
            if started.elapsed() >= limit {
                let heights: Vec<u64> = self.all().map(|node| self.height(node)).collect();
                let waiting: Vec<String> = self
                    .all()
                    .map(|node| {
                        self.try_status(node)
                            .map_or("-".to_owned(), |status| status.waiting_for)
                    })
                    .collect();
                panic!("{what}: not within {limit:?}; heights {heights:?}, waiting for {waiting:?}");
            }
            std::thread::sleep(LOOK_EVERY);
        }
        started.elapsed()
    }

    /// Waits until all of `nodes` have `height`.
    pub(crate) fn wait_height(&self, nodes: &[u16], height: u64, limit: Duration) -> Duration {
        self.wait(&format!("height {height} on {nodes:?}"), limit, |net| {
            nodes.iter().all(|node| net.block(*node, height).is_some())
        })
    }

    /// The position of a node in its height's validator list.
    pub(crate) fn index(&self, node: u16) -> u16 {
        let name = self.layout.name(node);
        let key = self.genesis.masternodes.iter().find(|m| m.name == name).unwrap();
        let keys = self.genesis.validator_keys();
        keys.iter().position(|found| *found == key.validator_key).unwrap() as u16
    }

    /// The node that leads a height's first round.
    pub(crate) fn leader(&self, height: u64) -> u16 {
        let index = (height % u64::from(self.layout.nodes())) as u16;
        self.all().find(|node| self.index(*node) == index).unwrap()
    }

    /// True if the certificate of a block holds a node's signature.
    pub(crate) fn has_signed(&self, block: &BlockView, node: u16) -> bool {
        let certificate = block.certificate.as_ref().unwrap();
        certificate.signers.contains(&self.index(node))
    }

    /// A transfer of a coin that no test has used yet, in canonical bytes, and its id.
    pub(crate) fn transfer(&mut self) -> (Vec<u8>, Hash256) {
        let (transaction, _) = self.spend(self.next_coin, 0);
        self.next_coin += 1;
        let txid = *transaction.txid().as_hash();
        (transaction.canonical_bytes(), txid)
    }

    /// Spends genesis coin `coin` of the first wallet; another `variant` is another transaction.
    pub(crate) fn spend(&self, coin: u16, variant: u64) -> (Transaction, OutPoint) {
        let key = self.wallet(0);
        let address = Address::of(&key.public_key());
        let (outpoint, output) = self
            .genesis
            .coins()
            .filter(|(_, output)| output.address == address)
            .nth(usize::from(coin))
            .unwrap();
        let fee = 10_000 + variant;
        let amount = timecoin::chain::Amount::from_units(output.amount.units() - fee);
        let mut transaction = Transaction {
            version: timecoin::chain::TRANSACTION_VERSION,
            kind: TransactionKind::Transfer,
            inputs: vec![outpoint],
            outputs: vec![Output { amount, address }],
            valid_until_height: Height::new(0),
            witnesses: vec![],
        };
        transaction.sign(&self.genesis.chain_id(), &[&key]);
        (transaction, outpoint)
    }

    pub(crate) fn wallet(&self, wallet: u16) -> SecretKey {
        WalletFile::read(&self.layout.wallet(wallet)).unwrap().key
    }

    /// Submits a transfer to a node and waits until that node calls it final.
    pub(crate) fn pay(&mut self, node: u16, limit: Duration) -> Duration {
        let (bytes, txid) = self.transfer();
        self.ask(self.client(node).submit(&bytes)).unwrap();
        let accepted = Instant::now();
        self.wait("a transaction is final", limit, |net| net.is_final(node, txid));
        accepted.elapsed()
    }

    pub(crate) fn is_final(&self, node: u16, txid: Hash256) -> bool {
        let view = self.ask(self.client(node).transaction(txid));
        view.is_some_and(|view| view.height.is_some())
    }

    /// Loads a node in the background, from a wallet other than the one of [`Net::transfer`].
    pub(crate) fn load(&self, node: u16, rate: f64) -> Load {
        let stop = CancellationToken::new();
        let plan = LoadPlan {
            rpc: self.layout.url(node),
            wallets: vec![self.layout.wallet(node + 1)],
            rate,
            duration: None,
            inputs: 1,
            presigned: false,
        };
        let token = stop.clone();
        let task = self
            .runtime
            .spawn(async move { load(plan, token).await.unwrap_or_else(|error| panic!("{error}")) });
        Load { stop, task }
    }

    /// Waits until a load has split its coins and flows: five blocks have transactions.
    pub(crate) fn wait_flows(&self, node: u16) {
        let (mut at, mut full) = (self.height(node), 0);
        self.wait("the load flows", limit(30), |net| {
            while let Some(block) = net.block(node, at + 1) {
                at += 1;
                full += u32::from(block.tx_count > 0);
            }
            full >= 5
        });
    }

    /// Ends a load and returns what came of it.
    pub(crate) fn finish(&self, load: Load) -> LoadReport {
        load.stop.cancel();
        let ended = async { tokio::time::timeout(Duration::from_secs(60), load.task).await };
        self.runtime.block_on(ended).expect("the load ends").unwrap()
    }

    /// Looks at everything that `nodes` call final, and compares it with all that was seen before:
    /// one hash and one commitment per height (O1, O5), nothing taken back (O2), a certificate of a
    /// quorum under every block (O4). Returns the lowest height.
    pub(crate) fn check(&self, nodes: &[u16]) -> u64 {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let quorum = (2 * usize::from(self.layout.nodes())).div_ceil(3);
        let mut lowest = u64::MAX;
        for node in nodes {
            let from = seen.looked_at.get(node).copied().unwrap_or(0) + 1;
            let mut height = from;
            // Not beyond what is final now: under load the chain grows as fast as it is looked at.
            let tip = self.try_status(*node).map_or(u64::MAX, |status| status.height);
            while height <= tip
                && let Some(block) = self.look_up(*node, height)
            {
                let found = (block.hash, block.utxo_commitment);
                let known = *seen.blocks.entry(height).or_insert(found);
                assert_eq!(found, known, "height {height}: node{node} has another block");
                let signers = &block.certificate.as_ref().unwrap().signers;
                assert!(signers.len() >= quorum, "height {height}: {signers:?}");
                assert!(signers.is_sorted_by(|a, b| a < b), "height {height}: {signers:?}");
                for txid in block.txids {
                    let known = *seen.transactions.entry(txid).or_insert(height);
                    assert_eq!(known, height, "{txid} is final at two heights");
                }
                height += 1;
            }
            let highest = seen.highest.get(node).copied().unwrap_or(0);
            assert!(
                height > highest,
                "node{node} fell back from {highest} to {}",
                height - 1
            );
            seen.highest.insert(*node, height - 1);
            seen.looked_at.insert(*node, height - 1);
            lowest = lowest.min(height - 1);
        }
        lowest
    }

    /// After a restart: looks at the chain from the beginning again, and at every transaction that was
    /// ever final.
    pub(crate) fn check_again(&self, nodes: &[u16]) -> u64 {
        self.check_from(nodes, 0)
    }

    /// After a restart: looks at the chain from the beginning again, and asks for every transaction that
    /// was final at a height or above it.
    pub(crate) fn check_from(&self, nodes: &[u16], lowest: u64) -> u64 {
        let transactions: Vec<(Hash256, u64)> = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.looked_at.clear();
            seen.transactions
                .iter()
                .filter(|(_, height)| **height >= lowest)
                .map(|(txid, height)| (*txid, *height))
                .collect()
        };
        let lowest = self.check(nodes);
        for (txid, height) in transactions {
            for node in nodes {
                let view = self.ask(self.client(*node).transaction(txid)).unwrap();
                assert_eq!(view.height, Some(height), "node{node} lost {txid}: {view:?}");
            }
        }
        lowest
    }

    /// The highest height that any node ever called final, as far as it was looked at.
    pub(crate) fn highest_seen(&self) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.highest.values().max().copied().unwrap_or(0)
    }

    /// Reads what the consensus logs of all nodes hold now, and compares it with all that was read
    /// before: one message per node and position (O3). Called between an end and the next start, it
    /// sees what pruning will take later.
    pub(crate) fn check_logs(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for node in self
            .all()
            .filter(|node| self.nodes[usize::from(*node)].pid().is_none())
        {
            for message in signed_messages(&self.layout.node_dir(node)) {
                let position = message.position();
                let known = seen
                    .signed
                    .entry((node, position))
                    .or_insert_with(|| message.clone());
                assert_eq!(*known, message, "node{node} signed twice at {position:?}");
            }
        }
    }

    /// The code with which a node refuses a transaction.
    pub(crate) fn refusal(&self, node: u16, bytes: &[u8]) -> String {
        let refused = self
            .runtime
            .block_on(self.client(node).submit(bytes))
            .unwrap_err();
        refused.code().unwrap_or_else(|| panic!("{refused}")).to_owned()
    }

    /// Nobody signed two things for one position (O3), as far as the nodes themselves can tell.
    pub(crate) fn check_no_evidence(&self, nodes: &[u16]) {
        for node in nodes {
            let evidence = self.ask(self.client(*node).evidence()).unwrap();
            assert!(evidence.is_empty(), "node{node} holds {evidence:?}");
            for metric in [
                "timed_equivocation_evidence_total",
                "timed_double_sign_prevented_total",
            ] {
                assert_eq!(self.metric(*node, metric), 0.0, "node{node}: {metric}");
            }
        }
    }
}

/// Load in the background.
pub(crate) struct Load {
    stop: CancellationToken,
    task: JoinHandle<LoadReport>,
}

/// Memory of a process in bytes, as the kernel keeps it: `VmRSS` now, `VmHWM` at most ever.
pub(crate) fn memory_bytes(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib: u64 = line.unwrap().trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

/// Runs the binary to its end; its exit code, stdout and stderr.
pub(crate) fn run_timed(arguments: &[&str]) -> (i32, String, String) {
    let output = std::process::Command::new(TIMED)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The HTTP status of `/health` at an address; `None` if nobody answers.
pub(crate) fn health_status(http: SocketAddr) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&http, ASK).ok()?;
    stream.set_read_timeout(Some(ASK)).ok()?;
    let request = format!("GET /health HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// Process ids of all live processes whose command line names `dir`.
pub(crate) fn processes_of(dir: &Path) -> HashSet<u32> {
    let name = dir.to_string_lossy().into_owned();
    let mut found = HashSet::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_string_lossy().parse().ok() else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let state = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let is_zombie = state
            .rsplit_once(')')
            .is_some_and(|(_, rest)| rest.trim().starts_with('Z'));
        if !is_zombie && String::from_utf8_lossy(&line).contains(&name) {
            found.insert(pid);
        }
    }
    found
}

/// The messages in the consensus log of a node that does not run. A copy is read: opening cuts off a
/// torn tail, which is the node's own business.
pub(crate) fn signed_messages(data_dir: &Path) -> Vec<ConsensusMessage> {
    /// Number of a signed message among the kinds of log records.
    const SIGNED: u8 = 1;
    let copy = tempfile::tempdir().unwrap();
    let log = copy.path().join("consensus");
    copy_dir(&data_dir.join("consensus"), &log);
    let (_, recovered) = Wal::open(&log).unwrap();
    let layout = bincode::config::standard().with_fixed_int_encoding();
    recovered
        .records
        .iter()
        .filter(|record| record.kind == SIGNED)
        .map(
            |record| match bincode::decode_from_slice(&record.payload, layout).unwrap().0 {
                Record::Signed(message) => message,
                other => panic!("not a signed message: {other:?}"),
            },
        )
        .collect()
}

/// Copies a directory with everything in it.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.metadata().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
