//! The ledger as consensus sees it: state and coins at the tip, the pool, and blocks judged already.
//!
//! Coins of blocks that are decided but not yet durable in storage lie in an overlay, so that the
//! engine never waits for a disk. A block that was judged or built is kept with its result, so that
//! deciding it costs nothing again.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    chain::{
        Block, BlockHash, ChainState, CommitCertificate, ConnectError, Connected, Draft, Height, Overlay,
        Params, Rules, SharedTransaction, TimestampMs, TxId, UtxoView, assemble, connect,
    },
    consensus::{
        Application, CertificateContext, Evidence, Now, Round, SigningDomain, ValidatorSet, Verdict,
        judge_evidence,
    },
    crypto::{Hash256, NodeId, PublicKey, Verified},
    mempool::{Context, Mempool, PoolLimits, Refusal},
};

use super::{CommittedBlock, evidence::WaitingEvidence};

/// How far ahead of our clock a fresh block's timestamp may be, in ms (docs/CONSENSUS.md §3).
pub const DRIFT_MS: u64 = 10_000;
/// Judged blocks kept: one per leader of the rounds that a height can plausibly see.
const JUDGED_MAX: usize = 8;
/// A block that our own store could not answer for is judged again after this long.
const RETRY_MS: u64 = 1_000;
/// Tips whose certificates are kept to compare with what peers show.
const RECENT_MAX: usize = 64;

/// About how much memory may wait for storage before nothing more is fetched.
const UNWRITTEN_BYTES_MAX: u64 = 8 << 20;
/// What a coin takes in the changes of a block.
const COIN_BYTES: u64 = 128;

/// About what a block and its changes take of memory.
fn weight(committed: &CommittedBlock) -> u64 {
    let transactions = committed.block.transactions.iter();
    let delta = &committed.connected.delta;
    let coins = delta.created.len() + delta.spent.len();
    transactions
        .map(|transaction| transaction.size() as u64)
        .sum::<u64>()
        + coins as u64 * COIN_BYTES
}

/// Coins that storage answers for.
pub type SharedView = Arc<dyn UtxoView + Send + Sync>;

/// State, coins and pool of one node.
pub struct Ledger {
    rules: Rules,
    me: Option<PublicKey>,
    view: Overlay<SharedView>,
    state: ChainState,
    validators: ValidatorSet,
    pool: Mempool,
    judged: VecDeque<Connected>,
    recent: VecDeque<(CommitCertificate, ValidatorSet)>,
    /// Transactions that turned out invalid while building; the engine reports them.
    dropped: Vec<TxId>,
    evidence: WaitingEvidence,
    /// Blocks that were applied and are not yet in storage, with about what each takes of memory.
    unwritten: VecDeque<(Height, u64)>,
    unwritten_bytes: u64,
}

impl Ledger {
    /// A ledger at `state`, whose coins `view` has, with an empty pool.
    pub fn new(
        chain_id: Hash256,
        params: Params,
        me: Option<PublicKey>,
        state: ChainState,
        view: SharedView,
        limits: PoolLimits,
    ) -> Self {
        let validators = ValidatorSet::new(state.validators());
        Self {
            rules: Rules {
                chain_id,
                params,
                judge: judge_evidence,
            },
            me,
            view: Overlay::new(view),
            state,
            validators,
            pool: Mempool::new(limits),
            judged: VecDeque::new(),
            recent: VecDeque::new(),
            dropped: Vec::new(),
            evidence: WaitingEvidence::default(),
            unwritten: VecDeque::new(),
            unwritten_bytes: 0,
        }
    }

    /// Height of the tip.
    pub fn tip(&self) -> Height {
        self.state.tip.height
    }

    /// The state after the tip.
    pub fn state(&self) -> &ChainState {
        &self.state
    }

    /// Validators of the height above the tip: a function of finalized state alone.
    pub fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// The transactions that wait longest, at most `count`, parents first.
    pub(super) fn oldest(&self, count: usize) -> Vec<SharedTransaction> {
        self.pool
            .transactions()
            .take(count)
            .map(|transaction| (**transaction).clone())
            .collect()
    }

    /// The pool.
    pub fn pool(&self) -> &Mempool {
        &self.pool
    }

    /// Admits a transaction into the pool, which has waited since `since`.
    ///
    /// # Errors
    /// The pool's [`Refusal`].
    pub(super) fn admit(
        &mut self,
        transaction: Verified<SharedTransaction>,
        now: TimestampMs,
        since: TimestampMs,
    ) -> Result<Vec<TxId>, Refusal> {
        let context = Context {
            view: &self.view,
            registry: self.state.registry_context(),
            next_height: self.state.tip.height.next(),
            now,
        };
        self.pool
            .admit_since(transaction, context, since)
            .map(|admitted| admitted.evicted)
    }

    /// Counts what was refused before it came here.
    pub(super) fn note_screened(&mut self, refused: &std::collections::BTreeMap<&'static str, u64>) {
        self.pool.note_screened(refused);
    }

    /// Keeps what `peer` sent before its parents; gives the parents to ask for, if it is kept.
    pub(super) fn park(
        &mut self,
        transaction: Verified<SharedTransaction>,
        peer: NodeId,
        now: TimestampMs,
    ) -> Option<Vec<TxId>> {
        self.pool.park(transaction, peer, &self.view, now)
    }

    /// What waited for `parent`, which has come.
    pub(super) fn adopt(&mut self, parent: &TxId) -> Vec<(Verified<SharedTransaction>, NodeId)> {
        self.pool.adopt(parent)
    }

    /// Takes out what is too old.
    pub(super) fn expire(&mut self, now: TimestampMs) -> Vec<TxId> {
        self.pool.expire(now, self.state.tip.height.next())
    }

    /// What building blocks found invalid since the last call.
    pub(super) fn take_dropped(&mut self) -> Vec<TxId> {
        std::mem::take(&mut self.dropped)
    }

    fn judged(&self, hash: BlockHash) -> Option<&Connected> {
        self.judged.iter().find(|connected| connected.hash == hash)
    }

    fn keep(&mut self, connected: Connected) {
        if self.judged.len() == JUDGED_MAX {
            self.judged.pop_front();
        }
        self.judged.push_back(connected);
    }

    /// Connects a certified block on the tip, without changing anything yet.
    ///
    /// # Errors
    /// [`ConnectError`]: what differs from what the block claims, or that our store did not answer.
    pub(super) fn connect(&mut self, block: &Verified<Block>) -> Result<Connected, ConnectError> {
        if let Some(connected) = self.judged(block.hash()) {
            return Ok(connected.clone());
        }
        connect(block, &self.state, &self.view, &self.rules)
    }

    /// Moves the tip to a connected block. Gives the transactions that left the pool; with a reason
    /// where a block spent their inputs otherwise.
    pub(super) fn apply(
        &mut self,
        committed: &CommittedBlock,
        now: Now,
    ) -> Vec<(TxId, Option<&'static str>)> {
        let height = committed.block.height();
        self.recent
            .push_back((committed.certificate.clone(), self.validators.clone()));
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        self.view.apply(height, &committed.connected.delta);
        let bytes = weight(committed);
        self.unwritten.push_back((height, bytes));
        self.unwritten_bytes = self.unwritten_bytes.saturating_add(bytes);
        self.state = committed.connected.state.clone();
        self.validators = ValidatorSet::new(self.state.validators());
        self.judged.clear();
        self.evidence.prune(&self.state);
        let left = self.pool.on_commit(&committed.block);
        let outdated = self.pool.drop_outdated(self.state.registry_context());
        let expired = self.pool.expire(now.wall, height.next());
        let included = left.included.into_iter().map(|txid| (txid, None));
        let conflicting = left
            .conflicting
            .into_iter()
            .map(|txid| (txid, Some("double_spend")));
        let outdated = outdated.into_iter().map(|txid| (txid, Some("invalid")));
        let expired = expired.into_iter().map(|txid| (txid, Some("expired")));
        included
            .chain(conflicting)
            .chain(outdated)
            .chain(expired)
            .collect()
    }

    /// Storage answers for everything up to `height` now.
    pub(super) fn on_committed(&mut self, height: Height) {
        self.view.forget_through(height);
        while let Some((_, bytes)) = self.unwritten.pop_front_if(|(written, _)| *written <= height) {
            self.unwritten_bytes = self.unwritten_bytes.saturating_sub(bytes);
        }
    }

    /// Whether so much waits for storage that nothing more should be fetched: who catches up must not
    /// connect faster than it writes.
    pub(super) fn is_ahead_of_storage(&self) -> bool {
        self.unwritten_bytes >= UNWRITTEN_BYTES_MAX
    }

    /// The certificate we hold of a recent height, and the set it was made under.
    pub(super) fn recent_certificate(&self, height: Height) -> Option<(CommitCertificate, ValidatorSet)> {
        self.recent
            .iter()
            .find(|(certificate, _)| certificate.height == height)
            .cloned()
    }

    /// The set that the tip was decided under.
    pub(super) fn validators_of_tip(&self) -> &ValidatorSet {
        let recent = self.recent.back();
        recent.map_or(&self.validators, |(_, validators)| validators)
    }

    /// Remembers the tip's certificate after a start, under the set that made it.
    pub fn remember_tip(&mut self, certificate: CommitCertificate) {
        let set = self.state.history.set_at(certificate.height);
        let validators = set.map_or_else(|| self.validators.clone(), |set| ValidatorSet::new(set.keys()));
        self.recent.push_back((certificate, validators));
    }

    /// Evidence that holds and that a block of ours should carry.
    pub fn note_evidence(&mut self, evidence: &Evidence) {
        self.evidence.add(evidence, &self.state);
    }

    /// `prev_commit` of a block may be any valid certificate of the parent: nodes hold different
    /// quorums of signatures, and the proposer's choice counts.
    fn check_prev_commit(&self, block: &Block) -> Result<(), String> {
        let Some(certificate) = &block.prev_commit else {
            return Ok(());
        };
        let known = self.recent.back().filter(|(recent, _)| recent == certificate);
        if known.is_some() {
            return Ok(());
        }
        let validators = self.validators_of_tip();
        let domain = SigningDomain {
            chain_id: self.rules.chain_id,
            vset_hash: validators.hash(),
        };
        Verified::check(
            certificate.clone(),
            CertificateContext {
                domain: &domain,
                validators,
            },
        )
        .map(|_| ())
        .map_err(|error| format!("certificate of the parent: {error}"))
    }

    fn judge(&mut self, block: &Verified<Block>, now: TimestampMs) -> Verdict {
        if self.judged(block.hash()).is_some() {
            return Verdict::Valid;
        }
        if let Err(reason) = self.check_prev_commit(block) {
            return Verdict::Invalid(reason);
        }
        match connect(block, &self.state, &self.view, &self.rules) {
            Ok(connected) => {
                self.keep(connected);
                Verdict::Valid
            }
            Err(ConnectError::Invalid(error)) => Verdict::Invalid(error.to_string()),
            // Our store failed: no verdict on the leader, and no vote. Judged again a second later.
            Err(ConnectError::View(_)) => Verdict::EarlyUntil(now.saturating_add(RETRY_MS)),
        }
    }
}

impl Application for Ledger {
    fn validate_fresh(&mut self, block: &Verified<Block>, now: TimestampMs) -> Verdict {
        let timestamp = block.header.timestamp_ms;
        if timestamp > now.saturating_add(DRIFT_MS) {
            return Verdict::EarlyUntil(TimestampMs::new(timestamp.get().saturating_sub(DRIFT_MS)));
        }
        self.judge(block, now)
    }

    fn validate_reproposal(&mut self, block: &Verified<Block>) -> Verdict {
        self.judge(block, TimestampMs::default())
    }

    fn build(
        &mut self,
        round: Round,
        now: TimestampMs,
        prev_commit: Option<CommitCertificate>,
    ) -> Option<Verified<Block>> {
        let bytes_max = usize::try_from(self.rules.params.max_block_bytes).unwrap_or(usize::MAX);
        let count_max = usize::try_from(self.rules.params.max_block_txs).unwrap_or(usize::MAX);
        let draft = Draft {
            proposer: self.me?,
            created_round: round.get(),
            timestamp_ms: now,
            prev_commit,
            evidence: self.evidence.urgent(),
            transactions: self.pool.select(bytes_max, count_max),
        };
        let assembled = assemble(draft, &self.state, &self.view, &self.rules).ok()?;
        for (txid, _) in &assembled.refused {
            self.dropped.extend(self.pool.drop_invalid(txid));
        }
        self.keep(assembled.connected);
        Some(assembled.block)
    }
}

#[cfg(test)]
mod tests;
