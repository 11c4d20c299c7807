//! Figures of the ledger that need whole processes (docs/PERFORMANCE.md): memory with a million outputs
//! and with a full pool, starts, stops under load, and the disk after ten thousand blocks.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use timecoin::{
    chain::{Address, Amount, Height, OutPoint, Output, TRANSACTION_VERSION, Transaction, TransactionKind},
    rpc::Verdict,
};

use super::net::{Net, limit, memory_bytes, run_timed};

/// Outputs of one transaction, as many as it may have.
const FAN: u64 = 256;
/// Coins of genesis that are spread: each twice over is 65 536 outputs.
const ROOTS: usize = 16;
const FEE: u64 = 100_000;
/// Transactions of a submission: of this size they stay below what one request may be.
const AT_ONCE: usize = 32;
/// How often the node said that it was busy.
static BUSY: AtomicU64 = AtomicU64::new(0);
/// Transactions that a pool takes, and the coins that each of these spends.
const POOL: usize = 10_000;
const SPENT: usize = 100;

/// One wallet that spends its own outputs.
struct Purse {
    key: timecoin::crypto::SecretKey,
    coins: Vec<(OutPoint, u64)>,
}

impl Purse {
    fn of(net: &Net) -> Self {
        let key = net.wallet(0);
        let address = Address::of(&key.public_key());
        let coins = net
            .genesis()
            .coins()
            .filter(|(_, output)| output.address == address);
        let coins = coins.map(|(outpoint, output)| (outpoint, output.amount.units()));
        Self {
            coins: coins.take(ROOTS).collect(),
            key,
        }
    }

    /// Spends `coins` for as many equal outputs to ourselves.
    fn spend(
        &self,
        net: &Net,
        coins: &[(OutPoint, u64)],
        outputs: u64,
        fee: u64,
    ) -> (Transaction, Vec<(OutPoint, u64)>) {
        let total: u64 = coins.iter().map(|(_, units)| units).sum();
        let each = (total - fee) / outputs;
        let output = Output {
            amount: Amount::from_units(each),
            address: Address::of(&self.key.public_key()),
        };
        let mut transaction = Transaction {
            version: TRANSACTION_VERSION,
            kind: TransactionKind::Transfer,
            inputs: coins.iter().map(|(outpoint, _)| *outpoint).collect(),
            outputs: vec![output; outputs as usize],
            valid_until_height: Height::new(0),
            witnesses: vec![],
        };
        transaction.inputs.sort_unstable();
        let keys = vec![&self.key; coins.len()];
        transaction.sign(&net.genesis().chain_id(), &keys);
        let txid = transaction.txid();
        let made = (0..outputs).map(|index| {
            (
                OutPoint {
                    txid,
                    index: index as u32,
                },
                each,
            )
        });
        (transaction, made.collect())
    }
}

/// Submits to node 0 and waits until the last is final. A node that writes a hundred thousand outputs says
/// that it is busy, and is asked again as it says.
fn submit(net: &Net, transactions: &[Transaction], wait: bool) {
    for batch in transactions.chunks(AT_ONCE) {
        let bytes: Vec<Vec<u8>> = batch.iter().map(Transaction::canonical_bytes).collect();
        net.wait("the node takes it", limit(30), |net| {
            let verdicts = net.runtime().block_on(net.client(0).submit_all(&bytes));
            let refused = verdicts.unwrap().into_iter().find_map(|verdict| match verdict {
                Verdict::Refused(refusal) if refusal.code != "duplicate" => Some(refusal),
                _ => None,
            });
            let is_busy = refused.as_ref().is_some_and(|refusal| refusal.code == "busy");
            if is_busy {
                BUSY.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_secs(1));
            }
            assert!(refused.is_none() || is_busy, "{refused:?}");
            refused.is_none()
        });
    }
    if wait && let Some(last) = transactions.last() {
        let txid = *last.txid().as_hash();
        net.wait("outputs are final", limit(120), |net| net.is_final(0, txid));
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Until the HTTP interface of node 0 answers, five times.
fn starts(net: &mut Net) -> Duration {
    let times = (0..5).map(|_| {
        net.stop(0);
        let began = Instant::now();
        net.node(0).start().unwrap();
        while net.try_status(0).is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        began.elapsed()
    });
    median(times.collect())
}

#[test]
#[ignore = "takes minutes: cargo test --release --test it -- --ignored --nocapture l6_l8"]
fn l6_l8_memory_and_starts_with_a_million_outputs_and_a_full_pool() {
    let mut net = Net::with(1, |params| {
        params.block_interval_ms = 200;
        params.min_block_interval_ms = 50;
        params.batch_window_ms = 0;
    });
    net.start_all();
    let memory = |net: &mut Net, field: &str| memory_bytes(net.node(0).pid().unwrap(), field) as f64 / 1e6;
    std::thread::sleep(Duration::from_secs(20));
    let idle = memory(&mut net, "VmRSS");
    let empty = starts(&mut net);
    println!("idle: {idle:.0} MB; start to HTTP, empty: {empty:?}");

    let mut purse = Purse::of(&net);
    let began = Instant::now();
    for _ in 0..2 {
        let mut made = Vec::new();
        for coins in purse.coins.chunks(1_024) {
            let spent: Vec<_> = coins
                .iter()
                .map(|coin| purse.spend(&net, std::slice::from_ref(coin), FAN, FEE))
                .collect();
            let (transactions, outputs): (Vec<_>, Vec<_>) = spent.into_iter().unzip();
            submit(&net, &transactions, true);
            made.extend(outputs.into_iter().flatten());
        }
        purse.coins = made;
    }
    let busy = BUSY.load(Ordering::Relaxed);
    println!(
        "{} outputs in {:?}; busy {busy} times",
        purse.coins.len(),
        began.elapsed()
    );
    println!(
        "after them: {:.0} MB, at most {:.0} MB",
        memory(&mut net, "VmRSS"),
        memory(&mut net, "VmHWM")
    );
    let million = starts(&mut net);
    std::thread::sleep(Duration::from_secs(10));
    let loaded = memory(&mut net, "VmRSS");
    println!("start to HTTP, a million outputs: {million:?}; after it: {loaded:.0} MB");
    assert!(idle <= 60.0 && loaded <= 400.0, "{idle} {loaded}");
    if !cfg!(debug_assertions) {
        assert!(empty <= Duration::from_millis(200) && million <= Duration::from_secs(2));
    }

    // Nothing is decided from here on, so that the pool fills.
    net.stop(0);
    let halt = run_timed(&[
        "db",
        "stats",
        "--json",
        "--config",
        net.layout.config(0).to_str().unwrap(),
    ]);
    let stats: serde_json::Value = serde_json::from_str(&halt.1).unwrap();
    println!("disk: {stats}");
    let height = stats["height"].as_u64().unwrap();
    net.edit_config(0, |config| {
        let node = config.entry("node").or_insert(toml::Table::new().into());
        let node = node.as_table_mut().unwrap();
        node.insert("halt_height".to_owned(), toml::Value::Integer(height as i64));
    });
    net.start(0);
    let began = Instant::now();
    let (first, dearer) = purse.coins.split_at(POOL * SPENT);
    for (coins, fee) in [(first, FEE), (dearer, 4 * FEE)] {
        for coins in coins.chunks(SPENT * AT_ONCE) {
            let spends = coins
                .chunks(SPENT)
                .map(|coins| purse.spend(&net, coins, 1, fee).0);
            submit(&net, &spends.collect::<Vec<_>>(), false);
        }
        // What is shown is a moment old.
        net.wait("a pool at its cap", limit(10), |net| {
            net.status(0).mempool_txs == POOL as u64
        });
        println!(
            "pool of {POOL} transactions in {:?}: {:.0} MB, at most {:.0} MB",
            began.elapsed(),
            memory(&mut net, "VmRSS"),
            memory(&mut net, "VmHWM")
        );
    }
    assert!(memory(&mut net, "VmHWM") < 500.0);
}

#[test]
#[ignore = "takes minutes: cargo test --release --test it -- --ignored --nocapture l7_disk"]
fn l7_disk_after_ten_thousand_blocks() {
    const BLOCKS: u64 = 10_000;
    let mut net = Net::with(1, |params| {
        params.block_interval_ms = 15;
        params.min_block_interval_ms = 1;
        params.batch_window_ms = 0;
    });
    net.start_all();
    let load = net.load(0, 200.0);
    net.wait_height(&[0], BLOCKS, limit(BLOCKS / 20));
    net.finish(load);
    net.stop(0);
    let config = net.layout.config(0);
    let (code, text, told) = run_timed(&["db", "stats", "--json", "--config", config.to_str().unwrap()]);
    assert_eq!(code, 0, "{told}");
    let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (bytes, live) = (
        stats["bytes"].as_f64().unwrap(),
        stats["live_bytes"].as_f64().unwrap(),
    );
    println!("{stats}\ndisk over live bytes: {:.2}", bytes / live);
    assert!(bytes / live <= 4.0);
}

#[test]
#[ignore = "takes a minute: cargo test --release --test it -- --ignored --nocapture l9_sigterm"]
fn l9_sigterm_under_load_exits_with_everything_flushed() {
    const ALL: [u16; 4] = [0, 1, 2, 3];
    let mut net = Net::started(4);
    let load = net.load(0, 1_000.0);
    let mut times = Vec::new();
    for _ in 0..5 {
        let height = net.height(0);
        net.wait_height(&ALL, height + 10, limit(30));
        let (took, code) = net.stop(3);
        assert_eq!(code, Some(0));
        times.push(took);
        net.start(3);
    }
    let report = net.finish(load);
    assert_eq!(report.lost, 0, "{report:?}");
    let goal = net.height(0);
    net.wait_height(&ALL, goal, limit(30));
    // Every block and commitment on all four, the one that was stopped included.
    net.check(&ALL);
    println!(
        "SIGTERM to exit at {:.0} tx/s: {times:?}, median {:?}",
        report.tps,
        median(times.clone())
    );
    assert!(median(times) <= Duration::from_secs(2));
}
