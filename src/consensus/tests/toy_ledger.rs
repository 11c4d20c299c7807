//! The smallest ledger: a chain of blocks without transactions.

use timecoin::{
    chain::{BLOCK_VERSION, Block, BlockHash, BlockHeader, CommitCertificate, Height, TimestampMs},
    consensus::{Application, Round, Verdict},
    crypto::{Hash256, HashWriter, PublicKey, Verified},
};

use super::set_plan::SetPlan;

/// How far ahead of the clock a fresh block may be.
pub(super) const DRIFT_MS: u64 = 10_000;

/// A block as it came from a peer, with its (no) transaction signatures checked.
pub(super) fn verified(block: Block) -> Verified<Block> {
    let chain_id = Hash256::ZERO;
    let context = timecoin::chain::BlockContext {
        chain_id: &chain_id,
        known: &|_| false,
    };
    Verified::check(block, context).unwrap()
}

#[derive(Debug, Clone)]
pub(super) struct ToyLedger {
    pub(super) me: PublicKey,
    pub(super) plan: SetPlan,
    /// Genesis hash first, then one per height.
    pub(super) blocks: Vec<(BlockHash, TimestampMs)>,
    /// Distinguishes blocks that would otherwise be equal.
    pub(super) salt: u64,
    /// What the next validations say, if not the truth.
    pub(super) verdict: Option<Verdict>,
    pub(super) can_build: bool,
    pub(super) validations: usize,
}

impl ToyLedger {
    pub(super) fn new(me: PublicKey, plan: SetPlan, genesis: Hash256) -> Self {
        let blocks = vec![(BlockHash::from_hash(genesis), TimestampMs::new(1_000))];
        Self {
            me,
            plan,
            blocks,
            salt: 0,
            verdict: None,
            can_build: true,
            validations: 0,
        }
    }

    pub(super) fn tip(&self) -> (Height, BlockHash, TimestampMs) {
        let (hash, timestamp) = *self.blocks.last().unwrap();
        (Height::new(self.blocks.len() as u64 - 1), hash, timestamp)
    }

    pub(super) fn connect(&mut self, block: &Block) {
        self.connect_as(block, block.hash());
    }

    /// The same of a block whose hash the caller knows.
    pub(super) fn connect_as(&mut self, block: &Block, digest: BlockHash) {
        let (height, hash, _) = self.tip();
        assert_eq!(
            (block.header.height, block.header.prev_hash),
            (height.next(), hash),
            "a block that links"
        );
        self.blocks.push((digest, block.header.timestamp_ms));
    }

    /// A block that this ledger accepts, made by `proposer` in `round`.
    pub(super) fn make(
        &self,
        proposer: PublicKey,
        round: Round,
        timestamp_ms: TimestampMs,
        prev_commit: Option<CommitCertificate>,
        salt: u64,
    ) -> Block {
        let (height, prev_hash, _) = self.tip();
        let header = BlockHeader {
            version: BLOCK_VERSION,
            height: height.next(),
            prev_hash,
            timestamp_ms,
            proposer,
            created_round: round.get(),
            tx_root: Hash256::ZERO,
            utxo_commitment: HashWriter::new("toy").u64(salt).finish(),
            vset_hash: self.plan.at(height.next()).0.hash(),
            next_vset_hash: self.plan.at(height.next().next()).0.hash(),
            prev_commit_hash: prev_commit
                .as_ref()
                .map_or(Hash256::ZERO, CommitCertificate::hash),
            evidence_root: Hash256::ZERO,
        };
        Block {
            header,
            prev_commit,
            evidence: Vec::new(),
            transactions: Vec::new(),
        }
    }

    fn check(&self, block: &Block) -> Option<&'static str> {
        let (height, hash, timestamp) = self.tip();
        if block.header.height != height.next() || block.header.prev_hash != hash {
            return Some("does not link");
        }
        if block.header.timestamp_ms <= timestamp {
            return Some("not later than its parent");
        }
        if block.header.next_vset_hash != self.plan.at(height.next().next()).0.hash() {
            return Some("names another next set");
        }
        let commit_hash = block
            .prev_commit
            .as_ref()
            .map_or(Hash256::ZERO, CommitCertificate::hash);
        if commit_hash != block.header.prev_commit_hash {
            return Some("certificate is not the header's");
        }
        match &block.prev_commit {
            None if height == Height::GENESIS => None,
            Some(cert) if cert.height == height && cert.block_hash == hash => None,
            None | Some(_) => Some("not the parent's certificate"),
        }
    }
}

impl Application for ToyLedger {
    fn validate_fresh(&mut self, block: &Verified<Block>, now: TimestampMs) -> Verdict {
        self.validations += 1;
        if let Some(verdict) = self.verdict.clone() {
            return verdict;
        }
        if let Some(wrong) = self.check(block) {
            return Verdict::Invalid(wrong.to_owned());
        }
        let due = block.header.timestamp_ms.get().saturating_sub(DRIFT_MS);
        if due > now.get() {
            return Verdict::EarlyUntil(TimestampMs::new(due));
        }
        Verdict::Valid
    }

    fn validate_reproposal(&mut self, block: &Verified<Block>) -> Verdict {
        self.validations += 1;
        match self.check(block) {
            Some(wrong) => Verdict::Invalid(wrong.to_owned()),
            None => Verdict::Valid,
        }
    }

    fn build(
        &mut self,
        round: Round,
        now: TimestampMs,
        prev_commit: Option<CommitCertificate>,
    ) -> Option<Verified<Block>> {
        if !self.can_build {
            return None;
        }
        self.salt += 1;
        let (_, _, parent) = self.tip();
        let timestamp = TimestampMs::new(now.get().max(parent.get() + 1));
        Some(verified(self.make(
            self.me,
            round,
            timestamp,
            prev_commit,
            self.salt,
        )))
    }
}
