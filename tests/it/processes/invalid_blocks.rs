//! A leader that signs blocks which break the rules: a puppet that the test plays itself, with a real
//! masternode's keys, over the real network.

use std::time::{Duration, Instant};

use timecoin::{
    chain::{
        BLOCK_VERSION, Block, BlockHash, BlockHeader, ChainState, Height, SharedTransaction, TimestampMs,
        transactions_root,
    },
    consensus::Round,
    crypto::{Hash256, Signature},
};

use super::{
    net::{Net, limit},
    puppet::Puppet,
};

/// What is wrong with the block.
#[derive(Debug, Clone, Copy)]
pub(super) enum Crime {
    /// A transaction whose signature does not hold.
    BadSignature,
    /// Two transactions that spend one coin.
    DoubleSpend,
    /// A parent that is not the tip.
    BadParent,
}

/// Block 1 with one thing wrong, whose header commits to all of it.
pub(super) fn bad_block(net: &Net, puppet: &Puppet, crime: Crime) -> Block {
    let (state, _) = ChainState::genesis(net.genesis());
    let mut prev_hash = state.tip.hash;
    let mut transactions = Vec::new();
    match crime {
        Crime::BadSignature => {
            let (mut transaction, _) = net.spend(0, 0);
            transaction.witnesses[0].signature = Signature::from_bytes([7; 64]);
            transactions.push(transaction);
        }
        Crime::DoubleSpend => transactions.extend([net.spend(0, 0).0, net.spend(0, 1).0]),
        Crime::BadParent => prev_hash = BlockHash::from_hash(Hash256::from_bytes([9; 32])),
    }
    let transactions: Vec<SharedTransaction> = transactions.into_iter().map(SharedTransaction::new).collect();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Block {
        header: BlockHeader {
            version: BLOCK_VERSION,
            height: Height::new(1),
            prev_hash,
            timestamp_ms: TimestampMs::new(now.as_millis() as u64),
            proposer: puppet.key(),
            created_round: 0,
            tx_root: transactions_root(&transactions),
            utxo_commitment: state.commitment.digest(),
            vset_hash: state.validator_set_hash(),
            next_vset_hash: state.validator_set_hash(),
            prev_commit_hash: Hash256::ZERO,
            evidence_root: Hash256::ZERO,
        },
        prev_commit: None,
        evidence: Vec::new(),
        transactions,
    }
}

#[test]
fn a32_an_invalid_block_of_a_signed_leader_is_refused_and_its_round_left_within_a_second() {
    for crime in [Crime::BadSignature, Crime::DoubleSpend, Crime::BadParent] {
        // No block is due by itself for a while: the round is left for the crime alone.
        let mut net = Net::with(4, |params| {
            params.block_interval_ms = 60_000;
            params.proposal_timeout_ms = 20_000;
            params.view_change_timeout_ms = 40_000;
        });
        let leader = net.leader(1);
        let (others, puppet) = Puppet::among_others(&mut net, leader);
        assert_eq!(puppet.peers(), 3);

        let block = bad_block(&net, &puppet, crime);
        let digest = *block.hash().as_hash();
        let proposed = Instant::now();
        assert_eq!(puppet.propose(Round::ZERO, block), 3);
        net.wait_height(&others, 1, limit(1) + Duration::from_millis(200));
        println!("{crime:?}: another block is final {:?} later", proposed.elapsed());
        for node in &others {
            let block = net.block(*node, 1).unwrap();
            assert_ne!(block.hash, digest);
            net.wait("its crime is on record", limit(5), |net| {
                let evidence = net.ask(net.client(*node).evidence()).unwrap_or_default();
                evidence
                    .iter()
                    .any(|found| found.kind.contains("E6") && found.height == 1)
            });
        }
        net.check(&others);
        puppet.leave(&net);
    }
}
