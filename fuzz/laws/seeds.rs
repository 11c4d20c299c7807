//! Where the search begins: one good input of every kind, and for the laws that read choices from
//! bytes, some choices.

use bytes::BytesMut;
use timecoin::{
    chain::{
        Address, Amount, Block, ChainState, Draft, EmptyView, Height, OutPoint, Output, Rules,
        SharedTransaction, TRANSACTION_VERSION, TimestampMs, Transaction, TransactionKind, TxId, assemble,
    },
    consensus::{PrePrepare, Round, Step, ViewChange, ViewChangeHeader, Vote, judge_evidence},
    crypto::{Hash256, SecretKey, Signature},
    wire::{
        BoundedVec, ChainIdentity, Hello, MasternodeProof, Message, Outgoing, Ping, Preamble, Proposal, Role,
        TxInv, Txs, codec, hello_binding,
    },
};

use super::consensus::genesis;

/// Seeds by target.
pub(crate) fn all() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let choices = |salt: u64| (0..12).map(|n| noise(salt + n, 40 + 30 * n as usize)).collect();
    vec![
        ("wire", wire()),
        ("handshake", handshake()),
        (
            "transaction",
            (1..=6).map(|n| transaction(n).canonical_bytes()).collect(),
        ),
        ("block", blocks()),
        ("log", choices(1_000)),
        ("consensus", choices(2_000)),
    ]
}

/// SplitMix64.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn key() -> SecretKey {
    SecretKey::from_seed(&[100; 32])
}

fn transaction(inputs: u32) -> Transaction {
    let mut transaction = Transaction {
        version: TRANSACTION_VERSION,
        kind: TransactionKind::Transfer,
        inputs: (0..inputs)
            .map(|n| OutPoint::new(TxId::from_hash(Hash256::from_bytes([5; 32])), n))
            .collect(),
        outputs: vec![Output {
            amount: Amount::from_units(90_000),
            address: Address::of(&key().public_key()),
        }],
        valid_until_height: Height::new(u64::from(inputs % 2) * 100),
        witnesses: Vec::new(),
    };
    let keys = vec![key(); inputs as usize];
    transaction.sign(&Hash256::from_bytes([3; 32]), &keys.iter().collect::<Vec<_>>());
    transaction
}

fn block(round: u32) -> Block {
    let genesis = genesis(4);
    let (state, _) = ChainState::genesis(&genesis);
    let draft = Draft {
        proposer: genesis.masternodes[0].validator_key,
        created_round: round,
        timestamp_ms: TimestampMs::new(2_000_000),
        prev_commit: None,
        evidence: Vec::new(),
        transactions: Vec::new(),
    };
    let assembled = assemble(draft, &state, &EmptyView, &Rules::of(&genesis, judge_evidence));
    assembled.expect("an empty block is valid").block.into_inner()
}

fn blocks() -> Vec<Vec<u8>> {
    let mut blocks: Vec<Block> = (0..4).map(block).collect();
    let mut full = block(0);
    full.transactions = (1..4).map(|n| SharedTransaction::new(transaction(n))).collect();
    blocks.push(full);
    blocks
        .iter()
        .map(|block| codec::encode(block).expect("ours encode").to_vec())
        .collect()
}

fn messages() -> Vec<Message> {
    let signature = Signature::from_bytes([7; 64]);
    let vote = |step| Vote {
        step,
        height: Height::new(1),
        round: Round::ZERO,
        digest: block(0).hash(),
        signer: 1,
        signature,
    };
    let header = ViewChangeHeader {
        height: Height::new(1),
        round: Round::new(1),
        prepared: None,
        signer: 2,
        signature,
    };
    let transactions = BoundedVec::truncated(vec![SharedTransaction::new(transaction(1))]);
    vec![
        Message::Ping(Ping { nonce: 1, height: 2 }),
        Message::Prepare(vote(Step::Prepare)),
        Message::Commit(vote(Step::Commit)),
        Message::ViewChange(ViewChange {
            header,
            certificate: None,
        }),
        Message::PrePrepare(Proposal {
            message: PrePrepare {
                height: Height::new(1),
                round: Round::new(1),
                digest: block(1).hash(),
                signer: 2,
                signature,
                view_changes: vec![header],
                prepared: None,
            },
            block: block(1),
        }),
        Message::TxInv(TxInv {
            txids: BoundedVec::truncated(vec![transaction(1).txid()]),
        }),
        Message::Txs(Txs { transactions }),
    ]
}

/// Each message as one body behind its number, and all of them as a session sends them.
fn wire() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut stream = BytesMut::new();
    for message in messages() {
        let mut seed = message.type_id().to_le_bytes().to_vec();
        seed.extend_from_slice(&message.encode_body().expect("ours encode"));
        seeds.push(seed);
        let mut outgoing: Outgoing = message.encode(0).expect("ours encode");
        while !outgoing.write_packet(&mut stream) {}
    }
    seeds.push(stream.to_vec());
    seeds
}

fn handshake() -> Vec<Vec<u8>> {
    let chain = ChainIdentity {
        chain_id: 3,
        genesis_hash: Hash256::from_bytes([0xab; 32]),
    };
    let preamble = Preamble::ours(&chain);
    let hello = |user_agent: &str, proof| Hello {
        version: preamble.version,
        chain_id: chain.chain_id,
        genesis_hash: chain.genesis_hash,
        node_id: key().public_key(),
        binding: hello_binding(&[7; 32], Role::Dialer, &preamble, &preamble),
        height: 5,
        tip_hash: Hash256::from_bytes([4; 32]),
        finalized_height: 5,
        pruned_below: 0,
        capabilities: 1,
        listen_port: 24_100,
        user_agent: user_agent.to_owned(),
        unix_ms: 2_000_000,
        run_nonce: 9,
        proof,
    };
    let proof = MasternodeProof {
        key: key().public_key(),
        signature: Signature::from_bytes([7; 64]),
    };
    let long = "a".repeat(65);
    let hellos = [
        hello("timed/0.1.0", None),
        hello("", None),
        hello(&long, None),
        hello("timed\u{e9}", None),
        hello("timed/0.1.0", Some(proof)),
    ];
    hellos
        .iter()
        .map(|hello| {
            let mut seed = preamble.to_bytes().to_vec();
            seed.extend_from_slice(&codec::encode(hello).expect("ours encode"));
            seed
        })
        .collect()
}
