//! Catching up on full blocks: how fast, beside what the machine can verify, and in how much memory.

use std::time::{Duration, Instant};

use timecoin::{
    crypto::{SecretKey, Signature, verify_batch},
    devnet::{LoadPlan, load},
};
use tokio_util::sync::CancellationToken;

use super::net::{Net, limit};

/// Transactions of the load, each with one signature.
const RATE: f64 = 2_000.0;

/// Signatures a second of this machine, on all its cores, in batches of 256 as a node checks them.
fn signatures_per_s() -> f64 {
    const BATCH: usize = 256;
    let key = SecretKey::from_seed(&[42; 32]);
    let messages: Vec<[u8; 32]> = (0..BATCH).map(|n| [n as u8; 32]).collect();
    let signed: Vec<Signature> = messages.iter().map(|message| key.sign(message)).collect();
    let public = key.public_key();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    let counts: Vec<usize> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while began.elapsed() < Duration::from_secs(2) {
                        let items: Vec<_> = messages
                            .iter()
                            .zip(&signed)
                            .map(|(message, signature)| (public, &message[..], *signature))
                            .collect();
                        assert!(verify_batch(&items).is_ok());
                        count += BATCH;
                    }
                    count
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    counts.iter().sum::<usize>() as f64 / began.elapsed().as_secs_f64()
}

#[test]
#[ignore = "takes 5 minutes: cargo test --release --test it -- --ignored dos_42 --nocapture"]
fn dos_42_two_hundred_full_blocks_are_fetched_in_less_than_250_mb() {
    const BLOCKS: u64 = 200;
    let mut net = Net::with(4, |params| {
        params.min_block_interval_ms = 500;
        params.batch_window_ms = 500;
    });
    for node in [0, 1, 2] {
        net.start(node);
    }
    let stop = CancellationToken::new();
    let plan = LoadPlan {
        rpc: net.layout.url(0),
        wallets: (0..3).map(|wallet| net.layout.wallet(wallet)).collect(),
        rate: RATE,
        duration: None,
        inputs: 1,
        presigned: false,
    };
    let token = stop.clone();
    let loading = net.runtime().spawn(async move { load(plan, token).await });
    net.wait_height(&[0, 1, 2], BLOCKS, limit(BLOCKS));
    stop.cancel();
    let report = net.runtime().block_on(loading).unwrap().unwrap();
    let goal = net.height(0);
    let mut transactions = 0;
    for height in 1..=goal {
        transactions += net.block(0, height).unwrap().txids.len();
    }
    println!("{goal} blocks, {transactions} transactions; {report:?}");
    // The others only serve now.
    let limit_before = signatures_per_s();
    let began = Instant::now();
    net.node(3).start().unwrap();
    let mut most_bytes = 0.0_f64;
    net.wait("the tip", limit(300), |net| {
        if net.try_status(3).is_some() {
            most_bytes = most_bytes.max(net.metric(3, "process_resident_memory_bytes"));
        }
        net.block(3, goal).is_some()
    });
    let took = began.elapsed();
    let limit_after = signatures_per_s();
    let rate = transactions as f64 / took.as_secs_f64();
    println!(
        "synced in {took:?}: {rate:.0} transactions a second, {:.2} of the signature limit ({limit_before:.0}, {limit_after:.0}); at most {:.0} MB",
        rate / f64::midpoint(limit_before, limit_after),
        most_bytes / 1e6
    );
    assert!(most_bytes < 250e6, "{most_bytes}");
    net.check(&[0, 1, 2, 3]);
    net.check_no_evidence(&[0, 1, 2, 3]);
}
