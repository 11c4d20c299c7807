//! What the last heights showed of each validator: who signed, who was late, whose rounds failed.
//!
//! Certificates decide. A block's own certificate is whatever quorum came first here; the one that
//! its child carries has those too who came a little later, so a height is judged once both are
//! known.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    chain::{Block, ChainState, CommitCertificate, Height},
    consensus::{Round, Signer, ValidatorSet},
    control::{HISTORY_HEIGHTS, HeightMark, LATE_AFTER_MS, RoundStats},
    crypto::PublicKey,
    engine::CommittedBlock,
    storage::{StoreError, StoreReader},
};

use super::super::names::Names;

/// Heights that the statistics cover.
pub(super) const HEIGHTS_MAX: usize = 100;
/// Failed rounds of one height that are charged to their leaders; a height with more of them says
/// nothing new about anybody.
const FAILED_ROUNDS_MAX: u32 = 64;
/// Leaders named in the statistics.
const WORST_LEADERS_MAX: usize = 3;
/// A newest height whose child is not there yet is judged after this long, in ms: votes that were
/// under way have come by then.
const SETTLE_MS: u64 = 2_000;

/// The last heights of the chain. Told by who commits blocks, read by the status task.
#[derive(Debug)]
pub(in crate::node) struct Heights {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Ascending by height, without gaps.
    past: VecDeque<Past>,
    /// The validators of the height after the last one.
    set: ValidatorSet,
    last_signed: BTreeMap<PublicKey, u64>,
    /// What is known of the height in progress.
    timeouts: u32,
    seen: Signers,
}

/// A height that is final.
#[derive(Debug)]
struct Past {
    height: u64,
    round: u32,
    set: ValidatorSet,
    /// Those in the block's certificate, in its child's, and those who came to the tip later.
    signed: Signers,
    /// Those of them who came much later.
    late: Signers,
    /// Those whose votes were seen.
    seen: Signers,
    timeouts: u32,
    /// True if this node took part: not by catching up, not before this run.
    is_lived: bool,
    has_child: bool,
    final_ms: u64,
}

/// A set of signers, one bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Signers(Vec<u64>);

impl Signers {
    fn insert(&mut self, signer: Signer) {
        let word = usize::from(signer) / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (signer % 64);
    }

    fn contains(&self, signer: Signer) -> bool {
        self.0
            .get(usize::from(signer) / 64)
            .is_some_and(|word| word >> (signer % 64) & 1 == 1)
    }
}

impl FromIterator<Signer> for Signers {
    fn from_iter<I: IntoIterator<Item = Signer>>(signers: I) -> Self {
        let mut set = Self::default();
        for signer in signers {
            set.insert(signer);
        }
        set
    }
}

/// What the last heights showed of one validator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Oldest first, at most [`HISTORY_HEIGHTS`].
    pub(super) history: Vec<HeightMark>,
    /// The last height it signed, as far back as is known.
    pub(super) last_signed: Option<u64>,
    /// Heights in a row, up to the last one judged, at which nothing came from it.
    pub(super) silent: u32,
}

/// Our own votes among the last heights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct OwnVotes {
    pub(super) missed: u32,
    pub(super) missed_in_row: u32,
}

impl Heights {
    /// No heights yet; `set` are the validators of the next one.
    pub(in crate::node) fn new(set: ValidatorSet) -> Self {
        Self {
            inner: Mutex::new(Inner {
                past: VecDeque::new(),
                set,
                last_signed: BTreeMap::new(),
                timeouts: 0,
                seen: Signers::default(),
            }),
        }
    }

    /// The last heights as storage has them, so that a restart does not forget who was there.
    ///
    /// # Errors
    /// [`StoreError`] if storage cannot be read.
    pub(in crate::node) fn load(reader: &StoreReader) -> Result<Self, StoreError> {
        let state = reader.state();
        let heights = Self::new(ValidatorSet::new(state.validators()));
        let tip = state.tip.height;
        let first = tip
            .saturating_sub(HEIGHTS_MAX as u64 - 1)
            .max(Height::GENESIS.next());
        let bodies_from = tip.saturating_sub(HISTORY_HEIGHTS as u64);
        let mut inner = heights.inner();
        for height in (first.get()..=tip.get()).map(Height::new) {
            let Some(stored) = reader.header(height)? else {
                break;
            };
            // The set may have been another one: its certificates name positions in it.
            if stored.header.vset_hash != inner.set.hash() {
                inner.past.clear();
                continue;
            }
            let Some(certificate) = stored.certificate else {
                continue;
            };
            if height > bodies_from
                && let Some(block) = reader.block(height)?
            {
                inner.child_certificate(block.block.prev_commit.as_ref());
            }
            let set = inner.set.clone();
            // Its child will tell who was late; what was on its way in the run before is not known.
            inner.push(height.get(), &certificate, set, false, u64::MAX);
        }
        if let Some(last) = inner.past.back_mut() {
            last.has_child = false;
        }
        drop(inner);
        Ok(heights)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block is final, since `now_ms` on the faces' monotonic clock.
    pub(in crate::node) fn finalized(&self, committed: &CommittedBlock, now_ms: u64) {
        self.on_final(
            &committed.block,
            &committed.certificate,
            &committed.connected.state,
            !committed.by_sync,
            now_ms,
        );
    }

    pub(super) fn on_final(
        &self,
        block: &Block,
        certificate: &CommitCertificate,
        after: &ChainState,
        is_lived: bool,
        now_ms: u64,
    ) {
        let mut inner = self.inner();
        inner.child_certificate(block.prev_commit.as_ref());
        let next = match block.header.next_vset_hash == inner.set.hash() {
            true => inner.set.clone(),
            false => ValidatorSet::new(after.validators()),
        };
        inner.push(block.header.height.get(), certificate, next, is_lived, now_ms);
    }

    /// The round timer of the height in progress fired.
    pub(in crate::node) fn timer_fired(&self, height: Height) {
        let mut inner = self.inner();
        if inner.past.back().is_none_or(|last| last.height < height.get()) {
            inner.timeouts += 1;
        }
    }

    /// Votes of these validators were seen at a height in progress or past.
    pub(super) fn saw(&self, height: u64, signers: impl Iterator<Item = Signer>) {
        let mut inner = self.inner();
        let seen = match inner.past.back().map(|last| last.height) {
            Some(last) if height <= last => match inner.at(height) {
                Some(past) => &mut past.seen,
                None => return,
            },
            _ => &mut inner.seen,
        };
        for signer in signers {
            seen.insert(signer);
        }
    }

    /// COMMITs of the tip that came after its decision, with how long after, in ms.
    pub(super) fn came_later(&self, height: u64, commits: impl Iterator<Item = (Signer, u64)>) {
        let mut inner = self.inner();
        let Some(past) = inner.at(height) else { return };
        let mut keys = Vec::new();
        for (signer, after_ms) in commits {
            past.signed.insert(signer);
            if after_ms > LATE_AFTER_MS {
                past.late.insert(signer);
            }
            keys.extend(past.set.key(signer).copied());
        }
        inner.signed(height, keys);
    }

    /// One record per validator of `set`; `caught` says who is proven to have contradicted itself at
    /// which height.
    pub(super) fn records(
        &self,
        set: &ValidatorSet,
        caught: &dyn Fn(&PublicKey, u64) -> bool,
        now_ms: u64,
    ) -> Vec<Record> {
        let inner = self.inner();
        let judged: Vec<&Past> = inner.judged(now_ms).collect();
        let recent = &judged[judged.len().saturating_sub(HISTORY_HEIGHTS)..];
        set.keys()
            .iter()
            .map(|key| {
                let mark = |past: &Past| match caught(key, past.height) {
                    true => Some(HeightMark::Equivocated),
                    false => past.mark(key),
                };
                let missing = |past: &&&Past| past.is_silent(key);
                Record {
                    history: recent.iter().filter_map(|past| mark(past)).collect(),
                    last_signed: inner.last_signed.get(key).copied(),
                    silent: judged.iter().rev().take_while(missing).count() as u32,
                }
            })
            .collect()
    }

    /// Our own votes among the heights that we took part in.
    pub(super) fn own_votes(&self, me: Option<&PublicKey>, now_ms: u64) -> OwnVotes {
        let Some(me) = me else { return OwnVotes::default() };
        let inner = self.inner();
        let missed: Vec<bool> = inner
            .judged(now_ms)
            .filter(|past| past.is_lived)
            .filter_map(|past| Some(past.mark(me)? != HeightMark::Signed))
            .collect();
        OwnVotes {
            missed: missed.iter().filter(|missed| **missed).count() as u32,
            missed_in_row: missed.iter().rev().take_while(|missed| **missed).count() as u32,
        }
    }

    /// How the rounds of the last heights went.
    pub(super) fn stats(&self, names: &Names) -> RoundStats {
        let inner = self.inner();
        let mut stats = RoundStats {
            heights: inner.past.len() as u32,
            ..RoundStats::default()
        };
        let mut failed: BTreeMap<PublicKey, u32> = BTreeMap::new();
        for past in &inner.past {
            match past.round {
                0 => stats.round0 += 1,
                1 => stats.round1 += 1,
                _ => stats.later += 1,
            }
            stats.timeouts += past.timeouts;
            for round in 0..past.round.min(FAILED_ROUNDS_MAX) {
                if let Some(leader) = past.set.proposer_key(Height::new(past.height), Round::new(round)) {
                    *failed.entry(*leader).or_default() += 1;
                }
            }
        }
        let mut worst: Vec<(String, u32)> = failed
            .iter()
            .map(|(leader, times)| (names.of(leader), *times))
            .collect();
        worst.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        worst.truncate(WORST_LEADERS_MAX);
        stats.worst_leaders = worst;
        stats
    }
}

impl Inner {
    fn at(&mut self, height: u64) -> Option<&mut Past> {
        let first = self.past.front()?.height;
        let index = usize::try_from(height.checked_sub(first)?).ok()?;
        self.past.get_mut(index)
    }

    /// The newest block's child is there, and carries this certificate of it.
    fn child_certificate(&mut self, certificate: Option<&CommitCertificate>) {
        let Some(certificate) = certificate else { return };
        let height = certificate.height.get();
        let Some(past) = self.at(height) else { return };
        past.has_child = true;
        let mut keys = Vec::with_capacity(certificate.signatures.len());
        for signer in certificate.signers() {
            past.signed.insert(signer);
            keys.extend(past.set.key(signer).copied());
        }
        self.signed(height, keys);
    }

    fn push(
        &mut self,
        height: u64,
        certificate: &CommitCertificate,
        next: ValidatorSet,
        is_lived: bool,
        final_ms: u64,
    ) {
        if let Some(last) = self.past.back_mut() {
            last.has_child = true;
            if last.height + 1 != height {
                self.past.clear();
            }
        }
        if self.past.len() == HEIGHTS_MAX {
            self.past.pop_front();
        }
        let set = std::mem::replace(&mut self.set, next);
        let keys: Vec<PublicKey> = certificate
            .signers()
            .filter_map(|signer| set.key(signer).copied())
            .collect();
        self.past.push_back(Past {
            height,
            round: certificate.round,
            signed: certificate.signers().collect(),
            late: Signers::default(),
            set,
            seen: std::mem::take(&mut self.seen),
            timeouts: std::mem::take(&mut self.timeouts),
            is_lived,
            has_child: false,
            final_ms,
        });
        self.signed(height, keys);
    }

    fn signed(&mut self, height: u64, keys: Vec<PublicKey>) {
        for key in keys {
            let last = self.last_signed.entry(key).or_default();
            *last = height.max(*last);
        }
        let keep = &self.set;
        if self.last_signed.len() > 2 * keep.len().max(1) {
            self.last_signed.retain(|key, _| keep.signer_of(key).is_some());
        }
    }

    /// The heights of which it is known who signed, ascending.
    fn judged(&self, now_ms: u64) -> impl Iterator<Item = &Past> {
        self.past.iter().filter(move |past| past.is_settled(now_ms))
    }
}

impl Past {
    fn is_settled(&self, now_ms: u64) -> bool {
        self.has_child
            || now_ms.saturating_sub(self.final_ms) >= SETTLE_MS
            || (0..self.set.len()).all(|signer| self.signed.contains(signer as Signer))
    }

    /// `None` if the validator was not in the set.
    fn mark(&self, key: &PublicKey) -> Option<HeightMark> {
        let signer = self.set.signer_of(key)?;
        Some(match (self.signed.contains(signer), self.late.contains(signer)) {
            (true, false) => HeightMark::Signed,
            (true, true) => HeightMark::Late,
            (false, _) => HeightMark::Missed,
        })
    }

    /// True if nothing at all came from a validator of the set.
    fn is_silent(&self, key: &PublicKey) -> bool {
        self.set
            .signer_of(key)
            .is_some_and(|signer| !self.signed.contains(signer) && !self.seen.contains(signer))
    }
}
