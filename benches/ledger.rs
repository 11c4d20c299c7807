//! What the ledger costs: `cargo bench --bench ledger`. Medians of five runs in one process, with
//! signature verification of the same run beside them to compare with.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use timecoin::{
    chain::{
        Address, Amount, ChainState, Coin, Draft, ElementKind, Genesis, GenesisMasternode, GenesisOutput,
        Network, OutPoint, Output, Params, Rules, SetHash, SharedTransaction, TRANSACTION_VERSION, Tier,
        TimestampMs, Transaction, TransactionKind, TxId, UtxoView, ViewError, assemble, connect,
        verify_batch,
    },
    consensus::judge_evidence,
    crypto::{HashWriter, SecretKey},
    mempool::{Context, Mempool, PoolLimits},
};

const POOL: u32 = 10_000;
const BLOCK: usize = 1_000;
const RUNS: usize = 5;
const COIN_UNITS: u64 = 1_000_000;

struct MapView(HashMap<OutPoint, Coin>);

impl UtxoView for MapView {
    fn output(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewError> {
        Ok(self.0.get(outpoint).copied())
    }
}

fn key(n: u32) -> SecretKey {
    SecretKey::from_seed(HashWriter::new("bench-key").u32(n).finish().as_bytes())
}

fn genesis() -> Genesis {
    let address = |n| Address::of(&key(n).public_key());
    Genesis {
        network: Network::Devnet,
        timestamp_ms: TimestampMs::new(1),
        params: Params::default_for(Network::Devnet),
        masternodes: vec![GenesisMasternode {
            name: "node0".to_owned(),
            validator_key: key(0).public_key(),
            node_key: None,
            payout: address(0),
            tier: Tier::Bronze,
        }],
        outputs: (0..2 * POOL)
            .map(|n| GenesisOutput {
                address: address(n),
                amount: Amount::from_units(COIN_UNITS),
            })
            .collect(),
    }
}

/// Two inputs, two outputs, fees of many heights.
fn transfer(genesis: &Genesis, n: u32) -> SharedTransaction {
    let chain_id = genesis.chain_id();
    let outpoint = |n| OutPoint::new(TxId::from_hash(chain_id), n);
    let output = |n: u32, units| Output {
        amount: Amount::from_units(units),
        address: genesis.outputs[n as usize].address,
    };
    let fee = 1_000 + u64::from(n % 977) * 7;
    let mut transaction = Transaction {
        version: TRANSACTION_VERSION,
        kind: TransactionKind::Transfer,
        inputs: vec![outpoint(2 * n), outpoint(2 * n + 1)],
        outputs: vec![output(n, COIN_UNITS), output(n + 1, COIN_UNITS - fee)],
        valid_until_height: Default::default(),
        witnesses: Vec::new(),
    };
    transaction.sign(&chain_id, &[&key(2 * n), &key(2 * n + 1)]);
    transaction.into()
}

fn main() {
    let genesis = genesis();
    let chain_id = genesis.chain_id();
    let (state, delta) = ChainState::genesis(&genesis);
    let view = MapView(delta.created.into_iter().collect());
    let transactions: Vec<_> = (0..POOL).map(|n| transfer(&genesis, n)).collect();
    let (verified, _) = verify_batch(transactions.clone(), &chain_id);
    let context = Context {
        view: &view,
        registry: state.registry_context(),
        next_height: state.tip.height.next(),
        now: TimestampMs::new(1_000_000),
    };
    let mut times: BTreeMap<&str, Vec<u128>> = BTreeMap::new();
    for _ in 0..RUNS {
        let mut time = |what, start: Instant| times.entry(what).or_default().push(start.elapsed().as_nanos());
        let block: Vec<_> = transactions[..BLOCK].to_vec();
        let start = Instant::now();
        assert_eq!(verify_batch(block, &chain_id).0.len(), BLOCK);
        time("1 signatures of 1000 transactions on one core", start);
        let mut pool = Mempool::new(PoolLimits::default());
        let start = Instant::now();
        for transaction in verified.clone() {
            pool.admit(transaction, context).unwrap();
        }
        time("2 admission of 10000 without signatures", start);
        // As ids come from outside: computed before, and in another order than they were admitted in.
        let txids: Vec<_> = transactions.iter().rev().map(SharedTransaction::txid).collect();
        let start = Instant::now();
        assert!(txids.iter().all(|txid| pool.get(txid).is_some()));
        time("2 looking up all 10000 of 10000", start);
        let start = Instant::now();
        let mut selected = pool.select(4_000_000, 2_000);
        time("3 selection of 2000 of 10000", start);
        selected.truncate(BLOCK);
        let draft = Draft {
            proposer: key(0).public_key(),
            created_round: 0,
            timestamp_ms: TimestampMs::new(2),
            prev_commit: None,
            evidence: Vec::new(),
            transactions: selected,
        };
        let start = Instant::now();
        let assembled = assemble(draft, &state, &view, &Rules::of(&genesis, judge_evidence)).unwrap();
        time("4 assembling 1000", start);
        let start = Instant::now();
        connect(
            &assembled.block,
            &state,
            &view,
            &Rules::of(&genesis, judge_evidence),
        )
        .unwrap();
        time("5 connecting 1000, signatures known", start);
        let start = Instant::now();
        assert_eq!(pool.on_commit(&assembled.block).included.len(), BLOCK);
        time("6 commit of 1000 to the pool", start);
        let start = Instant::now();
        let mut set = SetHash::new();
        (0..4 * BLOCK).for_each(|n| set.insert(ElementKind::Coin, &[n as u8; 73]));
        time("7 commitment of 4000 elements", start);
    }
    for (what, mut samples) in times {
        samples.sort_unstable();
        println!("{what}: {} µs", samples[RUNS / 2] / 1_000);
    }
}
