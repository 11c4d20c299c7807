//! The volatile state of one height; replaced as a whole when the next begins.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    chain::{Block, BlockHash, CommitCertificate, Height},
    consensus::{
        EvidenceKind, Mono, PrePrepare, PreparedCert, Quorum, Round, Signer, SigningDomain, Step,
        ValidatorSet, justification::Justified, round::RoundState, view_changes::ViewChanges, votes::Votes,
    },
    crypto::{Hash256, PublicKey, Verified},
};

use super::view::{RoundPast, TimelineEntry};

/// Rounds whose first proposal is remembered, to recognise a second one (E3).
pub(super) const PROPOSALS_MAX: usize = 8;

/// What is known of the height in progress.
pub(super) struct HeightState {
    pub height: Height,
    pub validators: ValidatorSet,
    pub domain: SigningDomain,
    pub me: Option<Signer>,
    pub round: RoundState,
    pub deadline: Option<Mono>,
    /// When the armed round ends if too few can still vote in it; `None` once that is settled.
    pub futile_at: Option<Mono>,
    pub round_since: Mono,
    /// R0 counts from here.
    pub decided_before: Mono,
    pub is_due: bool,
    pub work_timer: Option<Mono>,
    pub prepares: Votes,
    pub commits: Votes,
    pub view_changes: ViewChanges,
    pub proposals: BTreeMap<Round, Proposal>,
    pub bodies: Bodies,
    pub lock: Option<PreparedCert>,
    pub is_lock_logged: bool,
    /// A certificate of this height whose block is not here yet, or is just about to be decided.
    pub deciding: Option<CommitCertificate>,
    pub decided: Option<CommitCertificate>,
    pub decided_at: Option<Mono>,
    pub accused: BTreeSet<(Signer, EvidenceKind)>,
    pub fetching: BTreeSet<BlockHash>,
    /// The round in which leading was tried; cleared when something changed that could help.
    pub lead_tried: Option<Round>,
    /// The block whose proposal we are having signed.
    pub leading: Option<BlockHash>,
    pub past_rounds: VecDeque<RoundPast>,
    pub timeline: VecDeque<TimelineEntry>,
}

/// The first proposal of a round, and how far it got.
#[derive(Debug, Clone)]
pub(super) struct Proposal {
    pub message: PrePrepare,
    pub justified: Justified,
    pub fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its body is not here.
    WaitsForBody,
    /// It is early by our clock.
    Held,
    /// Accepted, refused, or too late to matter.
    Settled,
}

/// Bodies of the height: what proposals, the lock and a certificate refer to.
#[derive(Default)]
pub(super) struct Bodies {
    known: BTreeMap<BlockHash, Known>,
}

struct Known {
    block: Verified<Block>,
    is_valid: bool,
    is_logged: bool,
}

impl Bodies {
    pub(super) fn insert(&mut self, digest: BlockHash, block: Verified<Block>) {
        self.known.entry(digest).or_insert(Known {
            block,
            is_valid: false,
            is_logged: false,
        });
    }

    pub(super) fn contains(&self, digest: BlockHash) -> bool {
        self.known.contains_key(&digest)
    }

    pub(super) fn get(&self, digest: BlockHash) -> Option<&Verified<Block>> {
        self.known.get(&digest).map(|known| &known.block)
    }

    pub(super) fn block(&self, digest: BlockHash) -> Option<Box<Block>> {
        self.get(digest).map(|block| Box::new(Block::clone(block)))
    }

    /// The ledger found it valid on this tip; it need not be asked again at this height.
    pub(super) fn set_valid(&mut self, digest: BlockHash) {
        if let Some(known) = self.known.get_mut(&digest) {
            known.is_valid = true;
        }
    }

    pub(super) fn is_valid(&self, digest: BlockHash) -> bool {
        self.known.get(&digest).is_some_and(|known| known.is_valid)
    }

    pub(super) fn set_logged(&mut self, digest: BlockHash) {
        if let Some(known) = self.known.get_mut(&digest) {
            known.is_logged = true;
        }
    }

    /// The block, if it has to be logged first; it counts as logged from now on.
    pub(super) fn take_unlogged(&mut self, digest: BlockHash) -> Option<Block> {
        let known = self.known.get_mut(&digest).filter(|known| !known.is_logged)?;
        known.is_logged = true;
        Some(Block::clone(&known.block))
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&BlockHash) -> bool) {
        self.known.retain(|digest, _| keep(digest));
    }
}

impl HeightState {
    pub(super) fn new(
        height: Height,
        validators: ValidatorSet,
        chain_id: Hash256,
        me: Option<&PublicKey>,
    ) -> Self {
        let n = validators.len();
        Self {
            height,
            domain: SigningDomain {
                chain_id,
                vset_hash: validators.hash(),
            },
            me: me.and_then(|key| validators.signer_of(key)),
            round: RoundState::new(),
            deadline: None,
            futile_at: None,
            round_since: Mono::default(),
            decided_before: Mono::default(),
            is_due: false,
            work_timer: None,
            prepares: Votes::new(Step::Prepare, height, n),
            commits: Votes::new(Step::Commit, height, n),
            view_changes: ViewChanges::new(n),
            proposals: BTreeMap::new(),
            bodies: Bodies::default(),
            lock: None,
            is_lock_logged: false,
            deciding: None,
            decided: None,
            decided_at: None,
            accused: BTreeSet::new(),
            fetching: BTreeSet::new(),
            lead_tried: None,
            leading: None,
            past_rounds: VecDeque::new(),
            timeline: VecDeque::new(),
            validators,
        }
    }

    pub(super) fn quorum(&self) -> Quorum {
        self.validators.quorum()
    }

    pub(super) fn leader(&self) -> Option<Signer> {
        self.validators.proposer(self.height, self.round.round)
    }

    pub(super) fn is_leader(&self) -> bool {
        self.me.is_some() && self.me == self.leader()
    }

    /// Remembers the first proposal of a round; makes room by forgetting the lowest past round.
    pub(super) fn remember(&mut self, proposal: Proposal) {
        if self.proposals.len() >= PROPOSALS_MAX {
            self.proposals.pop_first();
        }
        self.proposals.insert(proposal.message.round, proposal);
        let wanted: BTreeSet<BlockHash> = self
            .proposals
            .values()
            .map(|proposal| proposal.message.digest)
            .chain(self.lock.iter().map(|lock| lock.digest))
            .chain(self.deciding.iter().map(|certificate| certificate.block_hash))
            .chain(self.round.accepted)
            .chain(self.leading)
            .collect();
        self.bodies.retain(|digest| wanted.contains(digest));
    }
}
