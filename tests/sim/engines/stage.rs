//! What an adversary can do among whole validators.

use std::rc::Rc;

use timecoin::{
    chain::{Block, BlockHash, CommitCertificate, Draft, Height, assemble},
    consensus::{
        ConsensusMessage, PrePrepare, PreparedCert, Quorum, Round, Signer, SigningDomain, Step, ValidatorSet,
        ViewChange, ViewChangeHeader, Vote,
    },
    crypto::Signature,
};

use crate::byzantine::Stage;

use super::{Engines, Item, Packet};

const UNSIGNED: Signature = Signature::from_bytes([0; 64]);

impl Engines {
    /// The set of `height`, or of the highest that anybody got to.
    fn set_at(&self, height: u64) -> &(ValidatorSet, SigningDomain) {
        let upto = self.sets.range(..=Height::new(height.max(1)));
        upto.last().map(|(_, set)| set).expect("height 1 has a set")
    }

    /// The set that `node` would like to be.
    pub(super) fn own_set(&self, node: usize) -> ValidatorSet {
        ValidatorSet::new(vec![self.nodes[node].id])
    }

    fn signer(&self, node: usize, height: u64) -> Signer {
        let key = self.nodes[node].id;
        self.set_at(height).0.signer_of(&key).unwrap_or(Signer::MAX)
    }
}

impl Stage for Engines {
    fn now_us(&self) -> u64 {
        self.now
    }

    fn count(&self) -> usize {
        self.nodes.len()
    }

    fn quorum(&self) -> Quorum {
        self.set_at(1).0.quorum()
    }

    fn height_of(&self, node: usize) -> u64 {
        self.nodes[node].disk.tip().get() + 1
    }

    fn is_honest_and_up(&self, node: usize) -> bool {
        !self.nodes[node].is_byzantine && self.nodes[node].engine.is_some()
    }

    fn is_member(&self, node: usize, height: u64) -> bool {
        self.signer(node, height) != Signer::MAX
    }

    fn leader(&self, height: u64, round: u32) -> usize {
        let set = &self.set_at(height).0;
        let key = set.proposer_key(Height::new(height), Round::new(round));
        key.and_then(|key| self.index_of(key))
            .expect("every set has a leader")
    }

    fn block(&self, witness: usize, round: u32, salt: u64) -> Block {
        let disk = &self.nodes[witness].disk;
        let leader = self.leader(disk.tip().get() + 1, round);
        let draft = Draft {
            proposer: self.nodes[leader].id,
            created_round: round,
            timestamp_ms: self.clock(witness).wall.saturating_add(salt % 64),
            prev_commit: disk.certificate(),
            evidence: Vec::new(),
            transactions: Vec::new(),
        };
        let assembled = assemble(draft, disk.state(), &*disk.coins(), &self.rules());
        assembled
            .expect("a block without transactions is valid")
            .block
            .into_inner()
    }

    /// Money from nowhere: another state than the transactions give, or payments that were made.
    fn bad_block(&self, witness: usize, round: u32, salt: u64) -> Block {
        let mut block = self.block(witness, round, salt);
        let disk = &self.nodes[witness].disk;
        let spent = (1..=disk.tip().get()).filter_map(|height| disk.stored(Height::new(height)));
        let mut spent = spent.flat_map(|stored| stored.block.transactions.iter());
        match spent.rfind(|spent| !spent.is_reward()) {
            Some(again) if salt.is_multiple_of(2) => {
                block.transactions.push(again.clone());
                block.header.tx_root = timecoin::chain::transactions_root(&block.transactions);
            }
            _ => block.header.utxo_commitment = block.header.vset_hash,
        }
        block
    }

    fn vote(&self, node: usize, step: Step, height: u64, round: u32, digest: BlockHash) -> Vote {
        let mut vote = Vote {
            step,
            height: Height::new(height),
            round: Round::new(round),
            digest,
            signer: self.signer(node, height),
            signature: UNSIGNED,
        };
        let bytes = vote.signing_bytes(&self.set_at(height).1);
        vote.signature = self.nodes[node].key.sign(&bytes);
        vote
    }

    fn view_change(&self, node: usize, height: u64, round: u32, lock: Option<PreparedCert>) -> ViewChange {
        let mut header = ViewChangeHeader {
            height: Height::new(height),
            round: Round::new(round),
            prepared: lock.as_ref().map(|lock| (lock.round, lock.digest)),
            signer: self.signer(node, height),
            signature: UNSIGNED,
        };
        let bytes = header.signing_bytes(&self.set_at(height).1);
        header.signature = self.nodes[node].key.sign(&bytes);
        ViewChange {
            header,
            certificate: lock,
        }
    }

    fn pre_prepare(
        &self,
        node: usize,
        (height, round, digest): (u64, u32, BlockHash),
        view_changes: Vec<ViewChangeHeader>,
        prepared: Option<PreparedCert>,
    ) -> PrePrepare {
        let mut message = PrePrepare {
            height: Height::new(height),
            round: Round::new(round),
            digest,
            signer: self.signer(node, height),
            signature: UNSIGNED,
            view_changes,
            prepared,
        };
        let bytes = message.signing_bytes(&self.set_at(height).1);
        message.signature = self.nodes[node].key.sign(&bytes);
        message
    }

    fn usurped(&self, node: usize, witness: usize, salt: u64) -> Option<(CommitCertificate, Block)> {
        let mut block = self.block(witness, 0, salt);
        let own = self.own_set(node);
        let domain = SigningDomain {
            chain_id: self.chain_id,
            vset_hash: own.hash(),
        };
        block.header.vset_hash = own.hash();
        block.header.next_vset_hash = own.hash();
        let digest = block.hash();
        let height = block.header.height;
        let bytes = timecoin::consensus::vote_bytes(&domain, Step::Commit, height, Round::ZERO, &digest);
        let certificate = CommitCertificate {
            height,
            round: 0,
            block_hash: digest,
            signatures: vec![(0, self.nodes[node].key.sign(&bytes))],
        };
        Some((certificate, block))
    }

    fn say(&mut self, from: usize, to: usize, message: ConsensusMessage, block: Option<Block>) {
        self.post(from, to, &Packet::Consensus(Rc::new(message), block.map(Rc::new)));
    }

    fn fell(&mut self, node: usize, down_us: u64) {
        self.push(0, Item::Crash { node });
        self.push(down_us, Item::Restart { node });
    }

    fn show_decision(&mut self, from: usize, to: usize, certificate: CommitCertificate, block: Block) {
        self.post(from, to, &Packet::Decided(Rc::new((certificate, block))));
    }
}
