//! What a flush costs: a measurement, not a law.

use super::*;

/// `cargo test --release --lib store::tests::measure -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn measure_flush_of_64_blocks_of_1000_transactions() {
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let blocks = dir.path().join("blocks");
    let chain = TestChain::new(4, 1);
    let mut state = chain.state.clone();
    let options = StoreOptions {
        flush: FlushOptions {
            pending_bytes_max: usize::MAX,
            ..patient().flush
        },
        cache_coins: 10_000,
        ..StoreOptions::default()
    };
    let spent = Arc::new(Mutex::new([(Duration::ZERO, 0); 10]));
    std::fs::create_dir(&blocks).unwrap();
    let backend = Timed {
        inner: SledBackend::open(&blocks.join("state-0"), CACHE_BYTES).unwrap(),
        spent: Arc::clone(&spent),
    };
    let store = Store::open_on(
        Arc::new(backend),
        Arc::new(RealDisk),
        &blocks,
        0,
        &chain.genesis,
        options,
        |_| {},
    )
    .unwrap();
    let mut random = 1u64;
    let mut unspent: Vec<(OutPoint, crate::chain::Coin)> = Vec::new();
    let rounds = 6;
    for round in 0..rounds {
        let mut commits = Duration::ZERO;
        let mut made = 0;
        for _ in 0..64 {
            let batch = synthetic_block(&chain, &mut state, &mut unspent, &mut random);
            made += batch.connected.delta.created.len();
            let started = std::time::Instant::now();
            store.commit(batch).unwrap();
            commits += started.elapsed();
        }
        let reader = store.reader();
        let is_over = AtomicBool::new(false);
        let (flush, drift, reads) = std::thread::scope(|scope| {
            let probe = scope.spawn(|| {
                let (mut worst_read, mut worst_drift) = (Duration::ZERO, Duration::ZERO);
                let mut n = 0;
                while !is_over.load(Ordering::Acquire) {
                    let tick = std::time::Instant::now();
                    std::thread::sleep(Duration::from_millis(10));
                    worst_drift = worst_drift.max(tick.elapsed() - Duration::from_millis(10));
                    let read = std::time::Instant::now();
                    let mut bytes = [0; 32];
                    bytes[..8].copy_from_slice(&u64::to_le_bytes(n));
                    reader
                        .utxo(&OutPoint::new(crate::chain::TxId::from_bytes(bytes), 0))
                        .unwrap();
                    worst_read = worst_read.max(read.elapsed());
                    n += 1;
                }
                (worst_drift, worst_read)
            });
            let started = std::time::Instant::now();
            store.flush().unwrap();
            let took = started.elapsed();
            is_over.store(true, Ordering::Release);
            let (drift, read) = probe.join().unwrap();
            (took, drift, read)
        });
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let rss = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        println!(
            "round {round}: {made} coins made, 64 commits {commits:?}, flush {flush:?}, \
             worst read {reads:?}, 10 ms tick drifts {drift:?}, {} MB on disk, {rss}",
            store.stats().unwrap().size_bytes >> 20,
        );
    }
    for (at, (took, count)) in spent.lock().unwrap().iter().enumerate() {
        let name = Table::ALL.get(at).map_or("flush", |table| table.name());
        println!("{name}: {count} in {took:?}");
    }
    let started = std::time::Instant::now();
    store.close().unwrap();
    let closed = started.elapsed();
    let started = std::time::Instant::now();
    generation::publish(&RealDisk, &blocks, 0).unwrap();
    let store = Store::open(&blocks, &chain.genesis, options, |_| {}).unwrap();
    println!("close {closed:?}, open {:?}", started.elapsed());
    assert_eq!(store.reader().height(), state.tip.height);
}

/// 1 000 transfers, 2 in 2 out, of random coins; nothing in it is signed or judged.
fn synthetic_block(
    chain: &TestChain,
    state: &mut ChainState,
    unspent: &mut Vec<(OutPoint, crate::chain::Coin)>,
    random: &mut u64,
) -> CommitBatch {
    use crate::{chain::*, crypto::Signature};
    let mut draw = |below: usize| {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((*random >> 33) as usize) % below
    };
    let height = state.tip.height.next();
    let mut block = chain.genesis.block();
    block.header.height = height;
    block.header.prev_hash = state.tip.hash;
    let (mut made, mut spent) = (Vec::new(), Vec::new());
    for n in 0..1_000u64 {
        let mut inputs = Vec::new();
        while inputs.len() < 2 && unspent.len() > 50_000 {
            let index = draw(unspent.len());
            let (outpoint, coin) = unspent.swap_remove(index);
            inputs.push(outpoint);
            spent.push((outpoint, coin));
        }
        let outputs: Vec<_> = (0..2)
            .map(|_| Output {
                amount: Amount::from_units(height.get() * 10_000 + n),
                address: address(draw(500) as u64),
            })
            .collect();
        let transaction = Transaction {
            version: TRANSACTION_VERSION,
            kind: TransactionKind::Transfer,
            witnesses: inputs
                .iter()
                .map(|_| Witness {
                    public_key: state.validators()[0],
                    signature: Signature::from_bytes([7; 64]),
                })
                .collect(),
            inputs,
            outputs,
            valid_until_height: height,
        };
        let transaction = SharedTransaction::new(transaction);
        for (outpoint, output) in transaction.created(transaction.txid()) {
            let coin = Coin {
                output,
                height,
                is_reward: false,
            };
            made.push((outpoint, coin));
        }
        block.transactions.push(transaction);
    }
    unspent.extend_from_slice(&made);
    made.sort_unstable_by_key(|(outpoint, _)| *outpoint);
    spent.sort_unstable_by_key(|(outpoint, _)| *outpoint);
    let before = state.clone();
    let hash = block.hash();
    state.tip.height = height;
    state.tip.hash = hash;
    let delta = UtxoDelta {
        created: made,
        spent,
        commitment: state.commitment.digest(),
    };
    CommitBatch {
        certificate: CommitCertificate {
            height,
            round: 0,
            block_hash: hash,
            signatures: (0..4).map(|n| (n, Signature::from_bytes([9; 64]))).collect(),
        },
        block,
        connected: Connected {
            hash,
            before: Before {
                commitment: delta.commitment,
                tip: before.tip,
                totals: before.totals,
                masternodes: Vec::new(),
                history: HistoryChange::default(),
            },
            delta: Arc::new(delta),
            state: state.clone(),
            fees: Amount::ZERO,
            closed_epoch: None,
        },
    }
}

/// Time spent in an engine, by table and for flushes.
struct Timed {
    inner: SledBackend,
    spent: Arc<Mutex<[(Duration, usize); 10]>>,
}

impl Timed {
    fn time<T>(&self, at: usize, ops: usize, call: impl FnOnce() -> T) -> T {
        let started = std::time::Instant::now();
        let result = call();
        let mut spent = self.spent.lock().unwrap();
        spent[at].0 += started.elapsed();
        spent[at].1 += ops;
        result
    }
}

impl Backend for Timed {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        self.inner.get(table, key)
    }

    fn contains(&self, table: Table, key: &[u8]) -> Result<bool, BackendError> {
        self.inner.contains(table, key)
    }

    fn apply(&self, ops: &[Op]) -> Result<(), BackendError> {
        for same in ops.chunk_by(|one, other| one.table == other.table) {
            self.time(same[0].table as usize, same.len(), || self.inner.apply(same))?;
        }
        Ok(())
    }

    fn page(&self, table: Table, cursor: Cursor<'_>, limit: usize) -> Result<Vec<Entry>, BackendError> {
        self.inner.page(table, cursor, limit)
    }

    fn last(&self, table: Table) -> Result<Option<Entry>, BackendError> {
        self.inner.last(table)
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.time(9, 1, || self.inner.flush())
    }

    fn size_bytes(&self) -> Result<u64, BackendError> {
        self.inner.size_bytes()
    }
}
