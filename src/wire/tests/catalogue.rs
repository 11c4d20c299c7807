//! Every message, by its bytes.

use std::collections::BTreeSet;

use crate::{
    chain::{
        Address, Amount, Block, BlockHash, BlockHeader, Coin, CommitCertificate, Height, OutPoint, Output,
        SharedTransaction, Tier, TimestampMs, Transaction, TransactionKind, TxId, Witness,
    },
    consensus::{
        ConsensusMessage, Evidence, EvidenceKind, PrePrepare, PreparedCert, Round, Step, ViewChange,
        ViewChangeHeader, Vote,
    },
    crypto::{Hash256, PublicKey, Signature},
    wire::{limits::*, *},
};

fn hash(byte: u8) -> Hash256 {
    Hash256::from_bytes([byte; 32])
}

fn signature(byte: u8) -> Signature {
    Signature::from_bytes([byte; 64])
}

fn certificate() -> CommitCertificate {
    CommitCertificate {
        height: Height::new(7),
        round: 1,
        block_hash: BlockHash::from_hash(hash(0x71)),
        signatures: vec![(0, signature(0x72)), (2, signature(0x73))],
    }
}

fn transaction() -> SharedTransaction {
    SharedTransaction::new(Transaction {
        version: 1,
        kind: TransactionKind::Transfer,
        inputs: vec![OutPoint::new(TxId::from_hash(hash(0x51)), 3)],
        outputs: vec![Output {
            amount: Amount::from_units(1_000),
            address: Address::from_bytes([0x52; 20]),
        }],
        valid_until_height: Height::new(99),
        witnesses: vec![Witness {
            public_key: PublicKey::from_bytes([0x53; 32]),
            signature: signature(0x54),
        }],
    })
}

fn block() -> Block {
    Block {
        header: BlockHeader {
            version: 1,
            height: Height::new(8),
            prev_hash: BlockHash::from_hash(hash(0x61)),
            timestamp_ms: TimestampMs::new(1_700_000_000_000),
            proposer: PublicKey::from_bytes([0x62; 32]),
            created_round: 2,
            tx_root: hash(0x63),
            utxo_commitment: hash(0x64),
            vset_hash: hash(0x65),
            next_vset_hash: hash(0x66),
            prev_commit_hash: hash(0x67),
            evidence_root: hash(0x68),
        },
        prev_commit: Some(certificate()),
        evidence: vec![vec![1, 2, 3]],
        transactions: vec![transaction()],
    }
}

fn vote(step: Step) -> Vote {
    Vote {
        step,
        height: Height::new(8),
        round: Round::new(2),
        digest: BlockHash::from_hash(hash(0x81)),
        signer: 3,
        signature: signature(0x82),
    }
}

fn view_change() -> ViewChange {
    ViewChange {
        header: ViewChangeHeader {
            height: Height::new(8),
            round: Round::new(3),
            prepared: Some((Round::new(2), BlockHash::from_hash(hash(0x91)))),
            signer: 1,
            signature: signature(0x92),
        },
        certificate: Some(PreparedCert {
            height: Height::new(8),
            round: Round::new(2),
            digest: BlockHash::from_hash(hash(0x91)),
            signatures: vec![(0, signature(0x93))],
        }),
    }
}

fn samples() -> Vec<Message> {
    let txids = vec![TxId::from_hash(hash(0x41)), TxId::from_hash(hash(0x42))];
    vec![
        Message::Hello(Hello {
            version: 1,
            chain_id: 3,
            genesis_hash: hash(0xa1),
            node_id: PublicKey::from_bytes([0xa2; 32]),
            binding: hash(0xa3),
            height: 5,
            tip_hash: hash(0xa4),
            finalized_height: 4,
            pruned_below: 1,
            capabilities: capability::FULL | capability::TX_RELAY,
            listen_port: 24200,
            user_agent: "timed/0.1.0".to_owned(),
            unix_ms: 1_700_000_000_000,
            run_nonce: 6,
            proof: Some(MasternodeProof {
                key: PublicKey::from_bytes([0xa5; 32]),
                signature: signature(0xa6),
            }),
        }),
        Message::Ping(Ping { nonce: 1, height: 2 }),
        Message::Pong(Pong { nonce: 1, height: 2 }),
        Message::Goodbye(Goodbye {
            code: GoodbyeCode::NoSlot,
            retry_after_s: 30,
        }),
        Message::Busy(Busy),
        Message::NotFound(NotFound),
        Message::Clock(Clock {
            unix_ms: 1_700_000_000_000,
        }),
        Message::KeyCall(KeyCall {
            key: PublicKey::from_bytes([0xa5; 32]),
            run: hash(0xa7),
        }),
        Message::KeyHeld(KeyHeld {
            key: PublicKey::from_bytes([0xa5; 32]),
            claim: KeyClaim {
                chain_id: hash(0xa9),
                run: hash(0xa7),
                holder: PublicKey::from_bytes([0xa2; 32]),
                signs: true,
            },
            signature: signature(0xa8),
        }),
        Message::GetPeers(GetPeers { max: 100 }),
        Message::Peers(Peers {
            records: BoundedVec::truncated(vec![PeerRecord {
                node_id: PublicKey::from_bytes([0xb5; 32]),
                addresses: BoundedVec::truncated(vec![
                    Endpoint::from(core::net::SocketAddr::from(([203, 0, 113, 7], 24_100))),
                    Endpoint::from(core::net::SocketAddr::from((
                        [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1],
                        24_100,
                    ))),
                ]),
                seq: 1_700_000_000,
                capabilities: capability::FULL,
                signature: signature(0xb6),
            }]),
        }),
        Message::GetMasternodes(GetMasternodes {
            registry_height: Height::new(5),
            after: Some(PublicKey::from_bytes([0xb1; 32])),
            limit: 500,
        }),
        Message::Masternodes(Masternodes {
            registry_height: Height::new(5),
            vset_hash: hash(0xb2),
            page: BoundedVec::truncated(vec![MasternodeEntry {
                validator_key: PublicKey::from_bytes([0xb3; 32]),
                node_key: Some(PublicKey::from_bytes([0xb4; 32])),
                tier: Tier::Silver,
            }]),
            next: None,
        }),
        Message::GetReachable(GetReachable { port: 24_100 }),
        Message::Reachable(Reachable {
            is_reached: true,
            address: Endpoint::from(core::net::SocketAddr::from(([203, 0, 113, 7], 24_100))),
        }),
        Message::GetStatus(GetStatus { nonce: 9 }),
        Message::Status(Status {
            nonce: 9,
            height: Height::new(7),
            tip: BlockHash::from_hash(hash(0x71)),
            pruned_below: Height::GENESIS,
            certificate: Some(certificate()),
        }),
        Message::GetBlocks(GetBlocks {
            start: Height::new(1),
            count: 100,
            max_bytes: BLOCKS_BYTES_MAX,
        }),
        Message::Blocks(Blocks {
            start: Height::new(8),
            blocks: BoundedVec::truncated(vec![block()]),
            certificate: Some(certificate()),
            more: true,
        }),
        Message::GetBlockByHash(GetBlockByHash {
            height: Height::new(8),
            hash: BlockHash::from_hash(hash(0x71)),
        }),
        Message::BlockByHash(BlockByHash {
            block: block(),
            certificate: None,
        }),
        Message::CompactProposal(CompactProposal {
            message: PrePrepare {
                height: Height::new(8),
                round: Round::ZERO,
                digest: BlockHash::from_hash(hash(0x91)),
                signer: 3,
                signature: signature(0x95),
                view_changes: Vec::new(),
                prepared: None,
            },
            header: block().header,
            prev_commit: Some(certificate()),
            evidence: vec![vec![1, 2, 3]],
            reward: Some(transaction()),
            txids: BoundedVec::truncated(txids.clone()),
        }),
        Message::PrePrepare(Proposal {
            message: PrePrepare {
                height: Height::new(8),
                round: Round::new(3),
                digest: BlockHash::from_hash(hash(0x91)),
                signer: 3,
                signature: signature(0x94),
                view_changes: vec![view_change().header],
                prepared: view_change().certificate,
            },
            block: block(),
        }),
        Message::Prepare(vote(Step::Prepare)),
        Message::Commit(vote(Step::Commit)),
        Message::ViewChange(view_change()),
        Message::Decided(Decided {
            certificate: certificate(),
            block: Some(block()),
        }),
        Message::Evidence(Evidence {
            kind: EvidenceKind::Prepares,
            offender: PublicKey::from_bytes([0xc1; 32]),
            height: Height::new(8),
            vset_hash: hash(0xc2),
            messages: vec![ConsensusMessage::Vote(vote(Step::Prepare))],
        }),
        Message::GetBlockTxs(GetBlockTxs {
            hash: BlockHash::from_hash(hash(0x91)),
            positions: BoundedVec::truncated(vec![0, 7]),
        }),
        Message::BlockTxs(BlockTxs {
            transactions: BoundedVec::truncated(vec![transaction()]),
        }),
        Message::TxInv(TxInv {
            txids: BoundedVec::truncated(txids.clone()),
        }),
        Message::GetTxs(GetTxs {
            txids: BoundedVec::truncated(txids),
        }),
        Message::Txs(Txs {
            transactions: BoundedVec::truncated(vec![transaction()]),
        }),
        Message::GetSnapshotInfo(GetSnapshotInfo),
        Message::SnapshotInfo(SnapshotInfo {
            manifest: SnapshotManifest {
                header: block().header,
                certificate: certificate(),
                state: BoundedVec::new(vec![vec![1, 2], vec![3]]).unwrap(),
                coins: 2,
                pages: BoundedVec::new(vec![hash(0xb1)]).unwrap(),
            },
        }),
        Message::GetUtxoSetPage(GetUtxoSetPage {
            height: Height::new(1_000),
            hash: BlockHash::from_hash(hash(0xb2)),
            cursor: Some(OutPoint::new(TxId::from_hash(hash(0xb3)), 4)),
            limit: 1_000,
        }),
        Message::UtxoSetPage(UtxoSetPage {
            height: Height::new(1_000),
            cursor: None,
            items: BoundedVec::new(vec![(
                OutPoint::new(TxId::from_hash(hash(0xb4)), 1),
                Coin {
                    output: transaction().outputs[0],
                    height: Height::new(5),
                    is_reward: true,
                },
            )])
            .unwrap(),
            next: Some(OutPoint::new(TxId::from_hash(hash(0xb4)), 1)),
        }),
    ]
}

#[test]
fn every_message_keeps_its_number_and_its_bytes() {
    let table: Vec<String> = samples()
        .iter()
        .map(|message| {
            let body = message.encode_body().unwrap();
            let kind = message.message_type();
            format!("{} {} {}", kind.id(), kind.name(), const_hex::encode(&body))
        })
        .collect();
    insta::assert_snapshot!("golden_bytes", table.join("\n"));
}

#[test]
fn samples_cover_the_catalogue_and_numbers_are_unique() {
    let covered: BTreeSet<u16> = samples().iter().map(Message::type_id).collect();
    let all: BTreeSet<u16> = MessageType::ALL.iter().map(|kind| kind.id()).collect();
    assert_eq!(covered, all);
    assert_eq!(all.len(), MessageType::ALL.len());
    for kind in MessageType::ALL {
        assert_eq!(MessageType::from_wire(kind.id()), Some(*kind));
        assert!(kind.limit() <= MESSAGE_MAX_BYTES);
    }
    assert_eq!(MessageType::from_wire(9999), None);
}

#[test]
fn dos_06_every_message_comes_back_as_it_was_and_no_byte_may_be_missing_or_left() {
    for message in samples() {
        let kind = message.message_type();
        let body = message.encode_body().unwrap();
        assert!(
            body.len() <= kind.limit(),
            "{}: {} bytes",
            kind.name(),
            body.len()
        );
        assert_eq!(Message::decode(kind, &body).unwrap(), message);
        for cut in 0..body.len() {
            assert!(
                Message::decode(kind, &body[..cut]).is_err(),
                "{} cut at {cut}",
                kind.name()
            );
        }
        let longer = [&body[..], &[0]].concat();
        assert_eq!(Message::decode(kind, &longer), Err(CodecError::Trailing(1)));
    }
}

#[test]
fn the_largest_proposals_by_id_fit_their_limits() {
    let Some(Message::CompactProposal(sample)) = samples()
        .into_iter()
        .find(|one| one.message_type() == MessageType::CompactProposal)
    else {
        panic!("no sample")
    };
    let most = CompactProposal {
        txids: BoundedVec::truncated(vec![TxId::from_hash(hash(1)); BLOCK_TXS_MAX]),
        ..sample
    };
    let bytes = Message::CompactProposal(most).encode_body().unwrap().len();
    assert!(bytes + 800_000 < MessageType::CompactProposal.limit(), "{bytes}");
    let most = GetBlockTxs {
        hash: BlockHash::from_hash(hash(1)),
        positions: BoundedVec::truncated(vec![0; BLOCK_TXS_MISSING_MAX]),
    };
    let bytes = Message::GetBlockTxs(most).encode_body().unwrap().len();
    assert!(bytes < MessageType::GetBlockTxs.limit(), "{bytes}");
}

#[test]
fn arbitrary_bytes_never_panic_and_never_reserve_much() {
    use proptest::prelude::*;
    proptest!(|(kind in 0..MessageType::ALL.len(), bytes in proptest::collection::vec(any::<u8>(), 0..300))| {
        let _ = Message::decode(MessageType::ALL[kind], &bytes);
    });
}

#[test]
fn lists_over_their_bound_are_refused_before_they_are_read() {
    let count = |n: u64| n.to_le_bytes().to_vec();
    for n in [TX_INV_MAX as u64 + 1, 1 << 60, u64::MAX] {
        assert_eq!(
            Message::decode(MessageType::TxInv, &count(n)),
            Err(CodecError::Limit)
        );
        assert_eq!(
            Message::decode(MessageType::GetTxs, &count(n)),
            Err(CodecError::Limit)
        );
        assert_eq!(
            Message::decode(MessageType::Txs, &count(n)),
            Err(CodecError::Limit)
        );
    }
}

#[test]
fn a_vote_travels_only_as_what_it_is() {
    let body = Message::Commit(vote(Step::Commit)).encode_body().unwrap();
    assert!(matches!(
        Message::decode(MessageType::Prepare, &body),
        Err(CodecError::Malformed(_))
    ));
    assert!(Message::from_consensus(ConsensusMessage::Vote(vote(Step::PrePrepare)), None).is_none());
    let (message, block) = Message::Commit(vote(Step::Commit)).into_consensus().unwrap();
    assert_eq!(
        Message::from_consensus(message, block),
        Some(Message::Commit(vote(Step::Commit)))
    );
}

#[test]
fn frames_are_held_to_their_types_lane_and_request_id() {
    let votes = MessageType::Prepare;
    assert_eq!(votes.check_frame(Lane::Consensus, 0), Ok(()));
    assert!(votes.check_frame(Lane::Blocks, 0).is_err());
    assert!(votes.check_frame(Lane::Consensus, 1).is_err());
    assert!(MessageType::GetBlocks.check_frame(Lane::Blocks, 0).is_err());
    assert!(MessageType::Blocks.check_frame(Lane::Blocks, 0).is_err());
    assert!(MessageType::Txs.is_response(4) && !MessageType::Txs.is_response(0));
}

#[test]
fn an_answer_may_be_one_block_however_little_was_asked_for() {
    let get = |max_bytes| {
        Message::GetBlocks(GetBlocks {
            start: Height::new(1),
            count: 1,
            max_bytes,
        })
        .answer_limit()
    };
    assert!(get(1) >= BLOCK_MESSAGE_MAX_BYTES);
    assert!(get(BLOCKS_BYTES_MAX) > BLOCKS_BYTES_MAX as usize && get(u32::MAX) <= MESSAGE_MAX_BYTES);
    assert_eq!(Message::Ping(Ping { nonce: 1, height: 1 }).answer_limit(), 0);
}
