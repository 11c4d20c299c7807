//! Files, ports, coins, figures and links, without a node.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    agreement::Agreement,
    coins::{Coin, Purse},
    files::{COINS_PER_WALLET, Plan, find, write},
    link::{Link, Weather},
    *,
};
use crate::{
    chain::{Address, Amount, Genesis, Network, OutPoint, Params, TxId},
    config::{Sources, load},
    control::BlockView,
    crypto::{Hash256, SecretKey},
    signer::{WalletFile, read_key_file},
    storage::wal::Wal,
};

fn made(nodes: u16, base_port: u16) -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path(), nodes, base_port);
    write(&Plan::new(layout.clone())).unwrap();
    (dir, layout)
}

#[test]
fn files_of_a_devnet_are_complete_and_fit_together() {
    let (_dir, layout) = made(4, 25_000);
    let genesis = Genesis::from_toml(&fs::read_to_string(layout.genesis()).unwrap()).unwrap();
    assert_eq!(genesis.network, Network::Devnet);
    assert_eq!(genesis.masternodes.len(), 4);
    for node in 0..4 {
        let loaded = load(&Sources {
            file: Some(layout.config(node)),
            ..Sources::default()
        })
        .unwrap();
        let config = &loaded.config;
        assert_eq!(config.data_dir, layout.node_dir(node));
        assert_eq!(
            fs::canonicalize(&config.network.genesis).unwrap(),
            fs::canonicalize(layout.genesis()).unwrap()
        );
        assert_eq!(config.network.listen, format!("127.0.0.1:{}", 25_000 + 2 * node));
        assert_eq!(config.rpc.listen, format!("127.0.0.1:{}", 25_001 + 2 * node));
        assert_eq!(config.network.peers.len(), 3);
        assert!(!config.network.peers.contains(&config.network.listen));
        assert!(!config.network.discovery);
        let keys = layout.node_dir(node).join("keys");
        let validator = read_key_file(&keys.join("validator.key")).unwrap().public_key();
        let node_id = read_key_file(&keys.join("node.key")).unwrap().public_key();
        assert_ne!(validator, node_id);
        let masternode = &genesis.masternodes[usize::from(node)];
        assert_eq!(
            (masternode.name.as_str(), masternode.validator_key),
            (layout.name(node).as_str(), validator)
        );
        let (_, log) = Wal::open(&layout.node_dir(node).join("consensus")).unwrap();
        assert!(log.records.is_empty());
    }
    for wallet in 0..WALLETS {
        let file = WalletFile::read(&layout.wallet(wallet)).unwrap();
        let address = Address::of(&file.key.public_key());
        assert_eq!(
            file.address.as_deref(),
            Some(address.to_text(Network::Devnet).as_str())
        );
        let owned = genesis
            .outputs
            .iter()
            .filter(|output| output.address == address)
            .count();
        assert_eq!(owned, usize::from(COINS_PER_WALLET) + 1);
    }
}

#[test]
fn large_devnets_have_the_patience_that_one_machine_needs() {
    let params = |nodes| Plan::new(Layout::new("/nowhere", nodes, 25_000)).params;
    let usual = Params::default_for(Network::Devnet);
    assert_eq!(params(31), usual);
    assert_eq!(
        (params(50).proposal_timeout_ms, params(50).view_change_timeout_ms),
        (5_000, 50_000)
    );
}

#[test]
fn the_same_devnet_is_kept_and_another_is_refused() {
    let (dir, layout) = made(2, 25_000);
    let genesis = fs::read_to_string(layout.genesis()).unwrap();
    write(&Plan::new(layout.clone())).unwrap();
    assert_eq!(fs::read_to_string(layout.genesis()).unwrap(), genesis);
    assert_eq!(find(dir.path()).unwrap(), Some(layout));
    for (nodes, port) in [(3, 25_000), (2, 25_100)] {
        let refused = write(&Plan::new(Layout::new(dir.path(), nodes, port))).unwrap_err();
        assert!(matches!(refused, DevnetError::OtherDevnet { .. }));
        assert!(
            refused.to_string().contains("2 nodes from port 25000"),
            "{refused}"
        );
    }
}

#[test]
fn a_rewritten_config_is_still_the_same_devnet() {
    let (dir, layout) = made(2, 25_000);
    let path = layout.config(0);
    let mut table: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    table["network"]["peers"] = toml::Value::Array(vec!["127.0.0.1:9".into()]);
    fs::write(&path, table.to_string()).unwrap();
    assert_eq!(find(dir.path()).unwrap(), Some(layout));
}

#[test]
fn a_directory_with_other_files_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "x").unwrap();
    let refused = write(&Plan::new(Layout::new(dir.path(), 2, 25_000))).unwrap_err();
    assert!(matches!(refused, DevnetError::NotEmpty { .. }));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_devnet_has_one_to_a_hundred_nodes() {
    let dir = tempfile::tempdir().unwrap();
    for nodes in [0, NODES_MAX + 1] {
        let refused = write(&Plan::new(Layout::new(dir.path(), nodes, 25_000))).unwrap_err();
        assert!(matches!(refused, DevnetError::NodeCount { .. }));
    }
}

#[test]
fn two_devnets_never_get_the_same_ports() {
    let first = PortRange::find(28_000, 4).unwrap();
    let second = PortRange::find(28_000, 4).unwrap();
    assert!(second.base() >= first.base() + 8 || first.base() >= second.base() + 8);
}

#[test]
fn a_taken_port_is_named_when_it_was_asked_for_and_passed_over_otherwise() {
    let range = PortRange::find(29_000, 2).unwrap();
    let base = range.base();
    drop(range);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, base + 3)).unwrap();
    let refused = PortRange::exactly(base, 2).unwrap_err();
    assert!(refused.to_string().contains(&(base + 3).to_string()), "{refused}");
    let found = PortRange::find(base, 2).unwrap();
    assert!(found.base() > base);
    drop(taken);
}

fn purse(coins: u32, inputs: usize) -> Purse {
    let keys = vec![SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32])];
    let mut purse = Purse::new(Hash256::from_bytes([9; 32]), keys, 2, inputs);
    let coin = |index| Coin {
        outpoint: OutPoint::new(TxId::ZERO, index),
        amount: Amount::from_units(10_000_000),
        owner: (index % 2) as usize,
    };
    purse.add(0, (0..coins).map(coin));
    purse
}

#[test]
fn transfers_pay_ourselves_and_are_signed_for_this_chain() {
    let mut purse = purse(2, 2);
    let made = purse.transfer(0).unwrap();
    let transaction = made.transaction.transaction();
    assert_eq!((transaction.inputs.len(), transaction.outputs.len()), (2, 2));
    let ours: Vec<Address> = purse.addresses().collect();
    assert!(
        transaction
            .outputs
            .iter()
            .all(|output| ours.contains(&output.address))
    );
    let sighashes = transaction.sighashes(&Hash256::from_bytes([9; 32]), &made.transaction.txid());
    for (index, witness) in (0..).zip(&transaction.witnesses) {
        crate::crypto::verify(
            &witness.public_key,
            sighashes.at(index).as_bytes(),
            &witness.signature,
        )
        .unwrap();
    }
    let paid = 20_000_000 - made.created.iter().map(|coin| coin.amount.units()).sum::<u64>();
    assert!(paid as usize >= made.transaction.size(), "fee {paid}");
    assert!(purse.transfer(0).is_none() && purse.transfer(1).is_none());
}

#[test]
fn a_coin_that_cannot_pay_the_fee_leaves_the_stock() {
    let mut purse = purse(1, 1);
    purse.add(
        1,
        [Coin {
            outpoint: OutPoint::new(TxId::ZERO, 7),
            amount: Amount::from_units(100),
            owner: 0,
        }],
    );
    assert!(purse.transfer(1).is_none());
    assert_eq!(purse.stock(1), 0);
    assert_eq!(purse.stock(0), 1);
}

#[test]
fn splitting_takes_the_richest_coin() {
    let mut purse = purse(3, 1);
    let rich = Coin {
        outpoint: OutPoint::new(TxId::ZERO, 99),
        amount: Amount::from_units(900_000_000),
        owner: 1,
    };
    purse.add(0, [rich]);
    let made = purse.split(0, 50).unwrap();
    assert_eq!(made.spent, [rich]);
    assert_eq!(made.created.len(), 50);
    assert_eq!(purse.stock(0), 3);
}

#[test]
fn percentiles_are_close_and_the_longest_is_exact() {
    let mut histogram = Histogram::default();
    assert_eq!(histogram.percentiles(), Percentiles::default());
    for us in 1..=100_000_u64 {
        histogram.add(Duration::from_micros(us));
    }
    let found = histogram.percentiles();
    for (found, expected) in [(found.p50, 50.0), (found.p95, 95.0), (found.p99, 99.0)] {
        assert!((found / expected - 1.0).abs() < 0.016, "{found} for {expected}");
    }
    assert_eq!(found.max, 100.0);
    histogram.add(Duration::from_secs(86_400));
    assert_eq!(histogram.percentiles().max, 86_400_000.0);
}

fn block(height: u64, hash: u8, commitment: u8) -> BlockView {
    BlockView {
        height,
        hash: Hash256::from_bytes([hash; 32]),
        prev_hash: Hash256::ZERO,
        proposer: None,
        created_round: 0,
        timestamp_ms: height * 100,
        tx_count: 0,
        txids: vec![],
        utxo_commitment: Hash256::from_bytes([commitment; 32]),
        certificate: None,
    }
}

#[test]
fn nodes_agree_until_a_hash_or_a_commitment_differs() {
    let mut agreement = Agreement::new(3, 0);
    for height in 1..=3 {
        for node in 0..3 {
            agreement.add(node, &block(height, height as u8, 1));
        }
    }
    assert!(agreement.hashes_agree() && agreement.commitments_agree());
    assert_eq!(agreement.heights(), [3, 3, 3]);
    assert_eq!(agreement.intervals().count(), 2);
    agreement.add(0, &block(4, 4, 1));
    agreement.add(2, &block(4, 4, 2));
    assert!(agreement.hashes_agree() && !agreement.commitments_agree());
    agreement.add(1, &block(4, 5, 1));
    assert!(!agreement.hashes_agree());
    assert_eq!(agreement.conflicts().len(), 2);
    assert!(agreement.conflicts()[1].contains("height 4: node1 and node0 differ in hash"));
}

/// An echo server behind a link, and how long a round trip through it takes.
struct Echo {
    runtime: tokio::runtime::Runtime,
    link: Link,
}

impl Echo {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
        });
        let link = Link::open(runtime.handle(), address, 7).unwrap();
        Self { runtime, link }
    }

    fn connect(&self) -> tokio::net::TcpStream {
        let address = self.link.address();
        self.runtime
            .block_on(tokio::net::TcpStream::connect(address))
            .unwrap()
    }

    /// Sends a byte and waits for it; `None` after `limit`.
    fn round_trip(&self, stream: &mut tokio::net::TcpStream, limit: Duration) -> Option<Duration> {
        let started = Instant::now();
        self.runtime.block_on(async {
            stream.write_all(&[1]).await.unwrap();
            let mut byte = [0];
            let read = tokio::time::timeout(limit, stream.read_exact(&mut byte)).await;
            read.ok().map(|read| {
                read.unwrap();
                started.elapsed()
            })
        })
    }
}

#[test]
fn a_link_delays_both_ways() {
    let echo = Echo::start();
    let mut stream = echo.connect();
    echo.round_trip(&mut stream, Duration::from_secs(5)).unwrap();
    echo.link.set(Weather {
        delay: Duration::from_millis(30),
        ..Weather::default()
    });
    let took = echo.round_trip(&mut stream, Duration::from_secs(5)).unwrap();
    assert!(took >= Duration::from_millis(60), "{took:?}");
}

#[test]
fn a_cut_link_holds_everything_back_until_it_is_healed() {
    let echo = Echo::start();
    let mut stream = echo.connect();
    echo.round_trip(&mut stream, Duration::from_secs(5)).unwrap();
    echo.link.set(Weather {
        is_cut: true,
        ..Weather::default()
    });
    assert!(echo.round_trip(&mut stream, Duration::from_millis(200)).is_none());
    echo.link.set(Weather::default());
    let mut byte = [0];
    let read = echo
        .runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut byte)).await });
    assert!(read.is_ok());
}
