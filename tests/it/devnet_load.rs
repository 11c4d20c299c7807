//! `devnet::load` against a node that is only a pool, a clock and an HTTP port: what it counts can be
//! compared with what the node knows to be true.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use timecoin::{
    chain::{Address, Amount, Network, OutPoint, Output, Transaction, TxId},
    control::{
        BalanceView, BlockView, Clock, Command, CommandError, CommandRequest, EventRing, EvidenceView,
        LogRing, MasternodeView, NodeHandle, NodeStatus, OutputState, Page, Query, QueryError, Reply, Status,
        TransactionState, TransactionView, UtxoEntry, Watchers,
    },
    crypto::{Hash256, SecretKey, verify},
    devnet::{LoadPlan, LoadReport, load},
    metrics::Metrics,
    rpc,
    signer::WalletFile,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

const BLOCK_EVERY: Duration = Duration::from_millis(20);
const CHAIN_ID: [u8; 32] = [5; 32];

/// What the node holds.
#[derive(Default)]
struct Chain {
    coins: BTreeMap<OutPoint, Output>,
    pool: Vec<Transaction>,
    blocks: Vec<(BlockView, u64)>,
    places: HashMap<Hash256, usize>,
    /// Every so many transactions, one is refused.
    refuse_every: Option<u64>,
    asked: u64,
}

impl Chain {
    fn submit(&mut self, bytes: &[u8]) -> Result<TxId, CommandError> {
        let refused = |code: &str| CommandError::Refused {
            code: code.to_owned(),
            reason: code.to_owned(),
        };
        let transaction = Transaction::from_canonical(bytes).map_err(|_| refused("invalid"))?;
        let txid = transaction.txid();
        self.asked += 1;
        if self
            .refuse_every
            .is_some_and(|every| self.asked.is_multiple_of(every))
        {
            return Err(refused("pool_full"));
        }
        let mut inputs = 0;
        for (index, (outpoint, witness)) in (0..).zip(transaction.inputs.iter().zip(&transaction.witnesses)) {
            let output = self
                .coins
                .get(outpoint)
                .ok_or_else(|| refused("missing_inputs"))?;
            assert_eq!(output.address, Address::of(&witness.public_key));
            let sighash = transaction.sighash(&Hash256::from_bytes(CHAIN_ID), index);
            verify(&witness.public_key, sighash.as_bytes(), &witness.signature).unwrap();
            inputs += output.amount.units();
        }
        let outputs: u64 = transaction
            .outputs
            .iter()
            .map(|output| output.amount.units())
            .sum();
        assert!(
            inputs >= outputs + bytes.len() as u64,
            "the fee is below one unit a byte"
        );
        for outpoint in &transaction.inputs {
            self.coins.remove(outpoint);
        }
        self.pool.push(transaction);
        Ok(txid)
    }

    fn make_block(&mut self) {
        let height = self.blocks.len() as u64 + 1;
        let taken = std::mem::take(&mut self.pool);
        let txids: Vec<Hash256> = taken
            .iter()
            .map(|transaction| *transaction.txid().as_hash())
            .collect();
        for transaction in &taken {
            self.places
                .insert(*transaction.txid().as_hash(), self.blocks.len());
            self.coins.extend(transaction.created(transaction.txid()));
        }
        let now = unix_ms();
        let view = BlockView {
            height,
            hash: Hash256::from_bytes([1; 32]),
            prev_hash: Hash256::ZERO,
            proposer: None,
            created_round: 0,
            timestamp_ms: now,
            tx_count: txids.len() as u32,
            txids,
            utxo_commitment: Hash256::ZERO,
            certificate: None,
        };
        self.blocks.push((view, now));
    }
}

struct Answers(Arc<Mutex<Chain>>);

impl Query for Answers {
    fn block(&self, height: u64) -> Result<Option<BlockView>, QueryError> {
        let chain = self.0.lock().unwrap();
        let index = height.checked_sub(1).map(|index| index as usize);
        Ok(index
            .and_then(|index| chain.blocks.get(index))
            .map(|(view, _)| view.clone()))
    }

    fn transaction(&self, txid: Hash256) -> Result<TransactionView, QueryError> {
        let chain = self.0.lock().unwrap();
        let place = chain.places.get(&txid);
        Ok(TransactionView {
            state: place.map_or(TransactionState::Unknown, |_| TransactionState::Final),
            height: place.map(|index| *index as u64 + 1),
            finalized_at_ms: place.map(|index| chain.blocks[*index].1),
            reason: None,
        })
    }

    fn mempool_has(&self, _: Hash256) -> bool {
        false
    }

    fn evidence(&self, _: Page) -> Result<Vec<EvidenceView>, QueryError> {
        Ok(vec![])
    }

    fn balance(&self, _: &str) -> Result<BalanceView, QueryError> {
        Err(QueryError::Invalid("not kept here".to_owned()))
    }

    fn utxos(
        &self,
        address: &str,
        after: Option<OutPoint>,
        page: Page,
    ) -> Result<Vec<UtxoEntry>, QueryError> {
        assert_eq!(after, None, "the load goes by pages");
        let address = Address::from_text(address, Network::Devnet).unwrap();
        let chain = self.0.lock().unwrap();
        let owned = chain.coins.iter().filter(|(_, output)| output.address == address);
        let page = owned.skip(page.skip as usize).take(page.limit as usize);
        Ok(page
            .map(|(outpoint, output)| UtxoEntry {
                txid: *outpoint.txid.as_hash(),
                index: outpoint.index,
                amount: output.amount.units(),
                height: 0,
                matures: None,
                locked_for: None,
                state: OutputState::Unspent,
                spent_by: None,
            })
            .collect())
    }

    fn masternodes(&self, _: Page) -> Result<Vec<MasternodeView>, QueryError> {
        Ok(Vec::new())
    }

    fn masternode(&self, _: Hash256) -> Result<Option<MasternodeView>, QueryError> {
        Ok(None)
    }
}

/// A node without consensus, a peer or a disk.
struct FakeNode {
    chain: Arc<Mutex<Chain>>,
    server: Option<rpc::Server>,
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
    _status: watch::Sender<Arc<Status>>,
}

impl FakeNode {
    fn start(chain: Chain) -> Self {
        let chain = Arc::new(Mutex::new(chain));
        let stop = Arc::new(AtomicBool::new(false));
        let (commands, requests) = mpsc::channel::<CommandRequest>(64);
        let status = Status {
            node: Arc::new(NodeStatus {
                network: "devnet".to_owned(),
                chain_id: Hash256::from_bytes(CHAIN_ID),
                ..NodeStatus::default()
            }),
            ..Status::default()
        };
        let (sender, receiver) = watch::channel(Arc::new(status));
        let handle = NodeHandle {
            status: receiver,
            commands,
            events: Arc::new(EventRing::new()),
            logs: Arc::new(LogRing::new()),
            query: Arc::new(Answers(chain.clone())),
            watchers: Watchers::new(),
            clock: Clock::start(),
        };
        let config = rpc::Config {
            cookie: None,
            tokens: None,
            listen: ([127, 0, 0, 1], 0).into(),
            allowed_hosts: vec![],
            network: Network::Devnet,
        };
        let server = rpc::Server::start(config, handle, Metrics::new("devnet")).unwrap();
        let threads = vec![
            std::thread::spawn({
                let chain = chain.clone();
                move || answer(&chain, requests)
            }),
            std::thread::spawn({
                let (chain, stop) = (chain.clone(), stop.clone());
                move || {
                    while !stop.load(Ordering::Relaxed) {
                        std::thread::sleep(BLOCK_EVERY);
                        chain.lock().unwrap().make_block();
                    }
                }
            }),
        ];
        Self {
            chain,
            server: Some(server),
            stop,
            threads,
            _status: sender,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.as_ref().unwrap().address())
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.server.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn answer(chain: &Mutex<Chain>, mut requests: mpsc::Receiver<CommandRequest>) {
    while let Some(request) = requests.blocking_recv() {
        let reply = match request.command {
            Command::SubmitTransaction { bytes } => {
                let taken = chain.lock().unwrap().submit(&bytes);
                taken.map(|txid| Reply::Accepted {
                    txid: *txid.as_hash(),
                })
            }
            _ => Ok(Reply::Done),
        };
        let _ = request.reply.send(reply);
    }
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn key() -> SecretKey {
    SecretKey::from_seed(&[3; 32])
}

/// A chain whose only wallet owns `coins` coins of 100 TIME.
fn chain_with(coins: u32) -> Chain {
    let output = Output {
        amount: Amount::from_time(100).unwrap(),
        address: Address::of(&key().public_key()),
    };
    let coin = |index| (OutPoint::new(TxId::ZERO, index), output);
    Chain {
        coins: (0..coins).map(coin).collect(),
        ..Chain::default()
    }
}

fn run_load(node: &FakeNode, dir: &Path, rate: f64, duration: Duration, inputs: usize) -> LoadReport {
    let wallet = dir.join("wallet.key.json");
    let address = Address::of(&key().public_key()).to_text(Network::Devnet);
    WalletFile::create(&wallet, &key(), "devnet", &address).unwrap();
    let plan = LoadPlan {
        rpc: node.url(),
        wallets: vec![wallet],
        rate,
        duration: Some(duration),
        inputs,
        presigned: false,
    };
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(load(plan, CancellationToken::new()))
        .unwrap()
}

#[test]
fn everything_that_was_accepted_is_found_final_and_timed() {
    let dir = tempfile::tempdir().unwrap();
    let node = FakeNode::start(chain_with(300));
    let report = run_load(&node, dir.path(), 200.0, Duration::from_secs(2), 1);
    assert!((390..=401).contains(&report.submitted), "{report:?}");
    assert_eq!(report.accepted, report.submitted);
    assert_eq!(report.made_final, report.submitted);
    assert_eq!(report.lost, 0);
    assert_eq!(node.chain.lock().unwrap().places.len() as u64, report.made_final);
    // The block clock decides: up to one interval, whatever the polling is.
    assert!(report.finality_ms.p50 <= 25.0, "{report:?}");
    assert!(report.finality_ms.p50 > 1.0, "{report:?}");
}

#[test]
fn one_coin_is_split_before_the_load_begins() {
    let dir = tempfile::tempdir().unwrap();
    let node = FakeNode::start(chain_with(1));
    let report = run_load(&node, dir.path(), 300.0, Duration::from_secs(1), 2);
    assert!(report.submitted >= 270, "{report:?}");
    assert_eq!(report.made_final, report.submitted);
    assert_eq!(report.lost, 0);
}

#[test]
fn refusals_are_counted_by_reason_and_their_coins_are_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Chain {
        refuse_every: Some(10),
        ..chain_with(100)
    };
    let node = FakeNode::start(chain);
    let report = run_load(&node, dir.path(), 100.0, Duration::from_secs(2), 1);
    assert_eq!(
        report.refused.get("pool_full").copied(),
        Some(report.submitted / 10),
        "{report:?}"
    );
    assert_eq!(report.refused.len(), 1);
    assert_eq!(report.accepted + report.refused["pool_full"], report.submitted);
    assert_eq!(report.made_final, report.accepted);
}
