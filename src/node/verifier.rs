//! Signatures of what peers send, checked before the engine sees it: once per node and message.
//!
//! Two threads, one for consensus and one for everything else, so that a flood of transactions
//! never delays a vote; large batches are spread over the cores. What fails is counted and blamed on
//! the peer, never logged above debug: peers must not write our logs.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use crossbeam_channel::Sender;
use rayon::prelude::*;
use tokio::sync::mpsc;

use crate::{
    chain::{
        self, Block, BlockContext, CommitCertificate, Height, SharedTransaction, TxId, VerifiedTransactions,
        WitnessTxId, check_alone, check_block_alone, check_block_limits, check_body,
    },
    consensus::{
        Body, CertificateContext, ConsensusMessage, Evidence, EvidenceError, MessageContext, MessageError,
        Mono, SigningDomain, Step, ValidatorSet,
    },
    crypto::{Hash256, NodeId, Verified},
    engine::{Arrival, Event, Source, fault_of_refusal},
    network::Inbound,
    wire::{CompactProposal, Decided, Fault, Message, Status},
};

use super::{
    bodies::Bodies,
    clock::NodeClock,
    compact::{Fill, Filling, Partial},
    driver::Shared,
    duplicates::{self, Checked, Duplicates},
    evidence::EvidenceBook,
    gossip::Gossip,
    key_watch::KeyWatch,
    pool_file::PoolFile,
    screen::{Refused, Screen},
    spawner::Tasks,
};

/// Transactions checked as one batch on one core: fewer are not spread, more are not put together. The larger a
/// batch, the less each signature takes; a failed one is split until the culprits are found.
const CHUNK_MIN: usize = 128;
const CHUNK_MAX: usize = 1_024;
/// Transactions taken from the queue before a batch is checked: bounds the wait of the first one.
const GATHER_MAX: usize = 1_024;
/// A decision that is not the next one is taken from one peer once in this time: its signatures are
/// checked by the engine, between votes.
const TOLD_EVERY_MS: u64 = 1_000;
/// Peers remembered for that, more than there are sessions.
const TOLD_MAX: usize = 4_096;

/// Blocks that follow each other, and the certificate of the last one.
pub(super) type CheckedRange = (Vec<Verified<Block>>, Option<CommitCertificate>);

/// What the verifying threads share.
pub(super) struct Verifier {
    pub(super) chain_id: Hash256,
    pub(super) params: chain::Params,
    pub(super) clock: NodeClock,
    pub(super) shared: Arc<Shared>,
    pub(super) bodies: Arc<Bodies>,
    /// Refuses what can be refused without looking at signatures.
    pub(super) screen: Arc<Screen>,
    pub(super) gossip: Arc<Gossip>,
    pub(super) key_watch: Arc<KeyWatch>,
    pub(super) evidence: Arc<EvidenceBook>,
    pub(super) votes: Sender<Event>,
    pub(super) bulk: Sender<Event>,
    pub(super) tasks: Arc<Tasks>,
    /// Proposals by ids that are being filled.
    pub(super) filling: Filling,
    /// Consensus messages whose signatures hold; they come again.
    pub(super) checked: Mutex<Checked>,
}

/// When each peer last told of a decision that is not the next one.
#[derive(Debug, Default)]
struct Told(BTreeMap<NodeId, Mono>);

impl Told {
    /// True if the peer may tell of one now; it is remembered.
    fn is_due(&mut self, peer: NodeId, now: Mono) -> bool {
        self.0.retain(|_, at| now.ms_since(*at) < TOLD_EVERY_MS);
        let is_due = self.0.len() < TOLD_MAX && !self.0.contains_key(&peer);
        if is_due {
            self.0.insert(peer, now);
        }
        is_due
    }
}

/// The message, if the engine gets everything that belongs to it.
fn complete(event: &Event) -> Option<&ConsensusMessage> {
    match event {
        Event::Consensus { message, body, .. } => match (&**message, body) {
            (ConsensusMessage::PrePrepare(_), Some(Body::Valid(_))) | (ConsensusMessage::Vote(_), _) => {
                Some(message)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether the transactions of a block may come to be checked once more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// From others that pass the block on, and once it is decided.
    Likely,
    /// It is of a range that was asked for, under its certificate.
    Never,
}

impl Verifier {
    /// The consensus thread: runs until the network closes its queue. What strangers say is looked at when
    /// no masternode says anything.
    pub(super) fn run_consensus(
        &self,
        mut inbox: mpsc::Receiver<Inbound>,
        mut strangers: mpsc::Receiver<Inbound>,
    ) {
        let mut duplicates = Duplicates::default();
        let mut told = Told::default();
        while let Some(inbound) = self.tasks.next_of(&mut inbox, &mut strangers) {
            let Inbound {
                peer,
                message,
                permit,
                ..
            } = inbound;
            let event = match message {
                Message::CompactProposal(proposal) => self.compact(peer, proposal, &mut duplicates),
                Message::Decided(Decided { certificate, block }) => {
                    self.decided(peer, certificate, block, &mut told)
                }
                Message::Evidence(evidence) => {
                    self.on_evidence(peer, evidence);
                    None
                }
                Message::KeyCall(call) => {
                    self.key_watch.on_call(peer, call);
                    None
                }
                Message::KeyHeld(held) => {
                    self.key_watch.on_held(peer, held);
                    None
                }
                other => match other.into_consensus() {
                    Ok((message, _)) if duplicates.is_known(&message, self.clock.mono()) => None,
                    Ok((message, block)) => self.consensus(peer, message, block),
                    Err(_) => None,
                },
            };
            if let Some(event) = event {
                let taken = complete(&event).cloned();
                if self.votes.try_send(event).is_err() {
                    // R9 brings it back; the engine is busy or stopping.
                    self.gossip.counters.engine_full.fetch_add(1, Ordering::Relaxed);
                } else if let Some(message) = taken {
                    duplicates.taken(&message, self.clock.mono());
                }
            }
            drop(permit);
        }
    }

    fn domain(&self, set: &ValidatorSet) -> SigningDomain {
        SigningDomain {
            chain_id: self.chain_id,
            vset_hash: set.hash(),
        }
    }

    fn consensus(&self, from: NodeId, message: ConsensusMessage, block: Option<Block>) -> Option<Event> {
        let (message, vset_hash) = match self.checked(from, message)? {
            Ok(checked) => checked,
            Err(off_height) => return Some(off_height),
        };
        let body = match (&*message, block) {
            (ConsensusMessage::PrePrepare(proposal), Some(block)) => {
                Some(self.body(from, proposal.digest == block.hash(), block))
            }
            _ => None,
        };
        Some(Event::Consensus {
            from,
            message,
            vset_hash,
            body,
        })
    }

    /// A proposal by ids: with its block if everything is here; else it is filled first.
    fn compact(&self, from: NodeId, proposal: CompactProposal, duplicates: &mut Duplicates) -> Option<Event> {
        let message = ConsensusMessage::PrePrepare(proposal.message);
        if duplicates.is_known(&message, self.clock.mono()) {
            return None;
        }
        let digest = proposal.header.hash();
        let (message, vset_hash) = match self.checked(from, message)? {
            Ok(checked) => checked,
            Err(off_height) => return Some(off_height),
        };
        if !matches!(&*message, ConsensusMessage::PrePrepare(signed) if signed.digest == digest) {
            self.gossip.blame(from, Fault::InvalidBlock);
            return None;
        }
        let txids = proposal.txids.into_vec();
        let found: Vec<Option<SharedTransaction>> = txids.iter().map(|txid| self.bodies.find(txid)).collect();
        let is_whole = found.iter().all(Option::is_some);
        let partial = Partial {
            from,
            message,
            vset_hash,
            digest,
            header: proposal.header,
            prev_commit: proposal.prev_commit,
            evidence: proposal.evidence,
            reward: proposal.reward,
            txids,
            found,
        };
        if !is_whole {
            match self.filling.begin(digest) {
                Fill::UnderWay => return None,
                Fill::Begin => {
                    let message = partial.message.clone();
                    if self.gossip.fill(partial) {
                        return None;
                    }
                    self.filling.end(&digest);
                    return Some(Event::Consensus {
                        from,
                        message,
                        vset_hash,
                        body: None,
                    });
                }
                Fill::Full => {}
            }
        }
        Some(self.proposal_by_ids(partial))
    }

    /// A proposal with the block that was put together for it. A body that is not the header's is
    /// nobody's fault here: our copy of a transaction may have other witnesses.
    pub(super) fn proposal_by_ids(&self, partial: Partial) -> Event {
        let (from, vset_hash) = (partial.from, partial.vset_hash);
        let (message, block) = partial.assemble();
        let whole = block.filter(|block| check_body(block).is_ok());
        let body = whole.map(|block| self.judged(block));
        Event::Consensus {
            from,
            message,
            vset_hash,
            body,
        }
    }

    fn lock_checked(&self) -> MutexGuard<'_, Checked> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The message once membership and signatures are checked, with the set that it was checked under; or, of a height that nobody checks, what
    /// its sender claims by it.
    fn checked(
        &self,
        from: NodeId,
        message: ConsensusMessage,
    ) -> Option<Result<(Verified<ConsensusMessage>, Hash256), Event>> {
        let window = self.shared.window.load();
        let height = message.height();
        let next = window.tip.next();
        let set = if height == next || height == next.next() {
            &window.current
        } else if height == window.tip && message.step() == Step::Commit {
            &window.before
        } else {
            return Some(Err(Event::OffHeight { from, height }));
        };
        let domain = self.domain(set);
        let context = MessageContext {
            domain: &domain,
            validators: set,
        };
        let id = duplicates::id(&message);
        let known = id.and_then(|(id, _)| self.lock_checked().find(&id, &domain.vset_hash));
        if let Some(message) = known {
            return Some(Ok((message, domain.vset_hash)));
        }
        match Verified::check(message, context) {
            Ok(message) => {
                if let Some(id) = id {
                    self.lock_checked().insert(id, &message, domain.vset_hash);
                }
                Some(Ok((message, domain.vset_hash)))
            }
            Err(error) => {
                tracing::debug!(peer = %from.short(), %error, "consensus message refused");
                // Two heights up, the set may be one that we cannot know yet.
                if height <= next {
                    let fault = match error {
                        MessageError::NotAMember(_) => Fault::NotValidator,
                        _ => Fault::InvalidConsensus,
                    };
                    self.gossip.blame(from, fault);
                }
                None
            }
        }
    }

    /// Judges a proposal's body: is it the one that was signed, and do its signatures hold? Only for
    /// what the header commits to answers the leader; anybody can attach another body to it.
    fn body(&self, from: NodeId, is_the_digest: bool, block: Block) -> Body {
        if !is_the_digest || check_body(&block).is_err() {
            self.gossip.blame(from, Fault::InvalidBlock);
            return Body::Mismatch;
        }
        self.judged(block)
    }

    fn judged(&self, block: Block) -> Body {
        if check_block_limits(&block, &self.params).is_err() {
            return Body::Invalid(Box::new(block));
        }
        match self.verified_block(block, Again::Likely) {
            Ok(block) => Body::Valid(Box::new(block)),
            Err(block) => Body::Invalid(Box::new(block)),
        }
    }

    /// A block as a peer hands it on: `None` unless its header commits to just this body, within
    /// limits, and every transaction signature holds. Without the first check, any peer could put a
    /// certified header over a body of its own and stop whoever believes it.
    pub(super) fn whole_block(&self, block: Block) -> Option<Verified<Block>> {
        self.whole(block, Again::Likely)
    }

    fn whole(&self, block: Block, again: Again) -> Option<Verified<Block>> {
        check_block_alone(&block, &self.params).ok()?;
        self.verified_block(block, again).ok()
    }

    /// Checks a range of blocks as a peer sent it, the certificates first: they are few, and without one
    /// no body is worth its signatures. Those of a set that is not ours yet are left to the engine,
    /// which judges each certificate under the set of its height when its turn comes.
    pub(super) fn range(
        &self,
        start: Height,
        blocks: Vec<Block>,
        last: Option<CommitCertificate>,
    ) -> Result<CheckedRange, (Fault, &'static str)> {
        let current = &self.shared.window.load().current;
        let (set, domain) = (current.hash(), self.domain(current));
        let context = CertificateContext {
            domain: &domain,
            validators: current,
        };
        for (index, block) in blocks.iter().enumerate() {
            let child = blocks.get(index + 1);
            let follows = child.is_none_or(|child| child.header.prev_hash == block.hash());
            if block.height() != start.saturating_add(index as u64) || !follows {
                return Err((Fault::InvalidBlock, "blocks that are not a chain"));
            }
            let certificate = child.map_or(last.as_ref(), |child| child.prev_commit.as_ref());
            let certifies = |certificate: &&CommitCertificate| {
                certificate.height == block.height() && certificate.block_hash == block.hash()
            };
            let Some(certificate) = certificate.filter(certifies) else {
                return Err((Fault::InvalidCertificate, "a block without its certificate"));
            };
            if block.header.vset_hash == set && Verified::check(certificate.clone(), context).is_err() {
                return Err((Fault::InvalidCertificate, "a certificate that does not hold"));
            }
        }
        let whole = blocks.into_iter().map(|block| self.whole(block, Again::Never));
        match whole.collect::<Option<Vec<_>>>() {
            Some(blocks) => Ok((blocks, last)),
            None => Err((
                Fault::InvalidBlock,
                "a body that is not its header's, or a signature that does not hold",
            )),
        }
    }

    /// Checks every transaction signature of a block that this node has not checked yet, spread over
    /// the cores. Gives the block back if one does not hold.
    fn verified_block(&self, block: Block, again: Again) -> Result<Verified<Block>, Block> {
        let unknown: Vec<SharedTransaction> = block
            .transactions
            .iter()
            .filter(|transaction| !transaction.is_reward() && !self.bodies.is_verified(transaction))
            .cloned()
            .collect();
        let (held, culprits) = self.verify_transactions(unknown);
        if !culprits.is_empty() {
            return Err(block);
        }
        if again == Again::Likely {
            for transaction in &held {
                self.bodies.note_verified(transaction);
            }
        }
        // Each was checked just now or before.
        let context = BlockContext {
            chain_id: &self.chain_id,
            known: &|_| true,
        };
        Verified::check(block.clone(), context).map_err(|_| block)
    }

    fn verify_transactions(
        &self,
        transactions: Vec<SharedTransaction>,
    ) -> (VerifiedTransactions, Vec<SharedTransaction>) {
        let share = transactions.len().div_ceil(rayon::current_num_threads());
        let chunk = share.clamp(CHUNK_MIN, CHUNK_MAX);
        if transactions.len() <= chunk {
            let (held, culprits) = chain::verify_batch(transactions, &self.chain_id);
            return (held, culprits.into_iter().map(|(culprit, _)| culprit).collect());
        }
        let parts: Vec<_> = transactions
            .par_chunks(chunk)
            .map(|chunk| chain::verify_batch(chunk.to_vec(), &self.chain_id))
            .collect();
        let (mut held, mut culprits) = (Vec::with_capacity(transactions.len()), Vec::new());
        for (part, bad) in parts {
            held.extend(part);
            culprits.extend(bad.into_iter().map(|(culprit, _)| culprit));
        }
        (held, culprits)
    }

    /// The proof comes first: it is small, and without it nobody looks at the block. What is not of the
    /// next height the engine judges, a little of it for each peer.
    fn decided(
        &self,
        from: NodeId,
        certificate: CommitCertificate,
        block: Option<Block>,
        told: &mut Told,
    ) -> Option<Event> {
        let window = self.shared.window.load();
        if certificate.height != window.tip.next() {
            let is_due = told.is_due(from, self.clock.mono());
            return is_due.then_some(Event::Decided {
                from,
                certificate,
                block: None,
            });
        }
        let domain = self.domain(&window.current);
        let context = CertificateContext {
            domain: &domain,
            validators: &window.current,
        };
        if Verified::check(certificate.clone(), context).is_err() {
            self.gossip.blame(from, Fault::InvalidCertificate);
            return None;
        }
        let came = block.is_some();
        let block = block
            .filter(|block| block.hash() == certificate.block_hash)
            .and_then(|block| self.whole_block(block))
            .map(Box::new);
        if came && block.is_none() {
            self.gossip.blame(from, Fault::InvalidBlock);
            return None;
        }
        Some(Event::Decided {
            from,
            certificate,
            block,
        })
    }

    fn on_evidence(&self, from: NodeId, evidence: Evidence) {
        let window = self.shared.window.load();
        let far = evidence.height > window.tip.saturating_add(2);
        let set = window.history.set_at(evidence.height).filter(|_| !far);
        let set = set.map(|set| ValidatorSet::new(set.keys()));
        // Of a period long past, or of one that we are not in yet: nobody's fault.
        let Some(set) = set.filter(|set| set.hash() == evidence.vset_hash) else {
            return;
        };
        let domain = self.domain(&set);
        match evidence.verify(MessageContext {
            domain: &domain,
            validators: &set,
        }) {
            Ok(()) => self.evidence.add(evidence, Some(from)),
            // True perhaps, but only for those who saw the block: nobody's fault.
            Err(EvidenceError::NotShown) => {}
            Err(error) => {
                tracing::debug!(peer = %from.short(), %error, "evidence refused");
                self.gossip.blame(from, Fault::InvalidConsensus);
            }
        }
    }

    /// The thread for everything else: transactions, announcements, status.
    pub(super) fn run_gossip(&self, mut inbox: mpsc::Receiver<Inbound>) {
        while let Some(first) = self.tasks.next(&mut inbox) {
            let mut arrived: Vec<(NodeId, SharedTransaction)> = Vec::new();
            let mut permits = Vec::new();
            let mut next = Some(first);
            while let Some(inbound) = next.take() {
                let Inbound {
                    peer,
                    message,
                    permit,
                    ..
                } = inbound;
                permits.extend(permit);
                match message {
                    Message::Txs(txs) => {
                        // While they are checked, nobody who announces them is asked for them.
                        let now = self.clock.mono();
                        for transaction in txs.transactions.iter() {
                            self.bodies
                                .announced
                                .offered(&transaction.txid(), peer, false, now);
                        }
                        arrived.extend(txs.transactions.into_vec().into_iter().map(|tx| (peer, tx)));
                    }
                    Message::TxInv(inv) => {
                        let (now, is_preferred) = (self.clock.mono(), self.gossip.is_preferred(&peer));
                        let mut unknown = inv.txids.into_vec();
                        unknown.retain(|id| {
                            self.bodies.seen_elsewhere(id);
                            self.bodies.should_ask(id, peer, is_preferred, now)
                        });
                        self.gossip.fetch_transactions(peer, unknown);
                    }
                    Message::Status(Status { height, .. }) => self.claim(peer, height),
                    _ => {}
                }
                if arrived.len() < GATHER_MAX {
                    next = inbox.try_recv().ok();
                }
            }
            self.admit(arrived);
        }
    }

    /// Takes the pool of the last run up again: checked and admitted like everything else, but for what has
    /// waited `expiry_ms` already.
    pub(super) fn restore(&self, file: &PoolFile, expiry_ms: u64) {
        match self.read_saved(file, expiry_ms) {
            Ok(0) => {}
            Ok(transactions) => tracing::info!(transactions, "pool of the last run read"),
            Err(error) => {
                tracing::warn!(%error, path = %file.path().display(), "saved pool not read: the pool starts without it");
            }
        }
    }

    fn read_saved(&self, file: &PoolFile, expiry_ms: u64) -> std::io::Result<usize> {
        let Some(mut saved) = file.open()? else {
            return Ok(0);
        };
        let mut count = 0;
        loop {
            let chunk = saved.next(GATHER_MAX)?;
            if chunk.is_empty() {
                return Ok(count);
            }
            count += chunk.len();
            let now = self.clock.now().wall;
            let mut sources = std::collections::HashMap::new();
            let mut sound = Vec::new();
            for one in chunk {
                let since = one.since.map_or(now, |since| since.min(now));
                if now.ms_since(since) >= expiry_ms || check_alone(&one.transaction).is_err() {
                    continue;
                }
                let is_ours = one.is_ours;
                sources.insert(one.transaction.wtxid(), Source::Saved { since, is_ours });
                sound.push(one.transaction);
            }
            let (held, _) = self.verify_transactions(sound);
            let arrivals = held.into_iter().filter_map(|transaction| {
                let source = *sources.get(&transaction.wtxid())?;
                Some(Arrival { transaction, source })
            });
            if self.bulk.send(Event::Transactions(arrivals.collect())).is_err() {
                return Ok(count);
            }
        }
    }

    fn claim(&self, peer: NodeId, height: Height) {
        let _ = self.bulk.try_send(Event::PeerHeight { peer, height });
    }

    /// A peer did not give these, or gave them with witnesses that do not hold, which an id does not cover:
    /// others that announced them are asked.
    pub(super) fn ask_others(&self, peer: &NodeId, txids: &[TxId]) {
        for (next, txids) in self.bodies.announced.failed(peer, txids, self.clock.mono()) {
            self.gossip.fetch_transactions(next, txids);
        }
    }

    /// Those that are worth looking at their signatures; the others are refused, and whoever should have known
    /// is blamed.
    fn screened(&self, arrived: Vec<(NodeId, SharedTransaction)>) -> Vec<SharedTransaction> {
        let (mut worth, mut refused) = (Vec::with_capacity(arrived.len()), Refused::new());
        for (peer, transaction) in arrived {
            let Some(refusal) = self.screen.refusal(&transaction, &mut refused) else {
                worth.push(transaction);
                continue;
            };
            if let Some(fault) = fault_of_refusal(&refusal) {
                self.gossip.blame(peer, fault);
                self.ask_others(&peer, &[transaction.txid()]);
            }
        }
        if let Some(told) = Screen::told(refused) {
            // Full: figures for people are all that is lost.
            let _ = self.bulk.try_send(told);
        }
        worth
    }

    /// Checks transactions and hands those that hold to the engine.
    pub(super) fn admit(&self, arrived: Vec<(NodeId, SharedTransaction)>) {
        let mut seen = HashSet::new();
        let fresh: Vec<(NodeId, SharedTransaction)> = arrived
            .into_iter()
            .filter(|(_, tx)| seen.insert(tx.wtxid()) && !self.bodies.contains(&tx.txid()))
            .collect();
        if fresh.is_empty() {
            return;
        }
        let from: std::collections::HashMap<WitnessTxId, NodeId> =
            fresh.iter().map(|(peer, tx)| (tx.wtxid(), *peer)).collect();
        // What breaks a rule by itself is not kept, not even for the moment until the pool says so.
        let (sound, broken): (Vec<_>, Vec<_>) =
            fresh.into_iter().partition(|(_, tx)| check_alone(tx).is_ok());
        for (peer, transaction) in broken {
            self.gossip.blame(peer, Fault::InvalidTransaction);
            self.ask_others(&peer, &[transaction.txid()]);
        }
        let sound = self.screened(sound);
        let (held, culprits) = self.verify_transactions(sound);
        for culprit in culprits {
            if let Some(peer) = from.get(&culprit.wtxid()) {
                self.gossip.blame(*peer, Fault::InvalidSignature);
                self.ask_others(peer, &[culprit.txid()]);
            }
        }
        for transaction in &held {
            self.bodies.note_checked(transaction);
        }
        let arrivals: Vec<Arrival> = held
            .into_iter()
            .filter_map(|transaction| {
                let source = Source::Peer(*from.get(&transaction.wtxid())?);
                Some(Arrival { transaction, source })
            })
            .collect();
        if !arrivals.is_empty() && self.bulk.try_send(Event::Transactions(arrivals)).is_err() {
            self.gossip.counters.engine_full.fetch_add(1, Ordering::Relaxed);
        }
    }
}
