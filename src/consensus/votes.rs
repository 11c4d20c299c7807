//! Where it is decided that a vote counts: one signer, one round, one vote.
//!
//! A second vote of the same signer in the same round is never counted; if it is for another block
//! it comes back out as a contradiction. Memory is bounded per signer, so that nobody can push out
//! another's votes.

use std::collections::BTreeMap;

use crate::{
    chain::{BlockHash, Height},
    crypto::Signature,
};

use super::{Mono, Quorum, Round, Signer, Step, Vote};

/// Rounds of one signer that are remembered, per kind of vote. Honest nodes are within a round or
/// two of each other (gating); more would only be memory for liars.
pub(super) const ROUNDS_PER_SIGNER_MAX: usize = 8;

/// One vote that counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cast {
    /// For which block.
    pub(super) digest: BlockHash,
    /// Its signature.
    pub(super) signature: Signature,
    /// When it arrived here.
    pub(super) at: Mono,
}

/// What became of a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It counts from now on.
    New,
    /// It was here already.
    Duplicate,
    /// The signer voted for another block in this round before: that vote stands, and both are proof.
    Conflict(Vote),
    /// The signer's rounds are full of ones that matter more.
    Full,
}

/// The PREPAREs or the COMMITs of one height.
#[derive(Debug, Clone)]
pub(super) struct Votes {
    step: Step,
    height: Height,
    by_signer: Vec<BTreeMap<Round, Cast>>,
    tally: BTreeMap<(Round, BlockHash), usize>,
}

impl Votes {
    /// No votes yet, of a set of `n` validators.
    pub(super) fn new(step: Step, height: Height, n: usize) -> Self {
        Self {
            step,
            height,
            by_signer: vec![BTreeMap::new(); n],
            tally: BTreeMap::new(),
        }
    }

    /// Counts `vote`, which was checked for membership and signature, while we are in `current`.
    pub(super) fn insert(&mut self, vote: &Vote, current: Round, at: Mono) -> Inserted {
        if is_mutant!(StrangersCounted) && usize::from(vote.signer) >= self.by_signer.len() {
            *self.tally.entry((vote.round, vote.digest)).or_insert(0) += 1;
        }
        let Some(cast) = self.by_signer.get_mut(usize::from(vote.signer)) else {
            return Inserted::Full;
        };
        if let Some(first) = cast.get(&vote.round).copied() {
            if first.digest == vote.digest {
                if is_mutant!(DuplicatesCounted) {
                    *self.tally.entry((vote.round, vote.digest)).or_insert(0) += 1;
                }
                return Inserted::Duplicate;
            }
            return Inserted::Conflict(Vote {
                digest: first.digest,
                signature: first.signature,
                ..*vote
            });
        }
        if cast.len() >= ROUNDS_PER_SIGNER_MAX {
            match cast.first_key_value().map(|(round, cast)| (*round, cast.digest)) {
                Some((lowest, digest)) if lowest < current && lowest < vote.round => {
                    cast.remove(&lowest);
                    Self::uncount(&mut self.tally, lowest, digest);
                }
                Some(_) | None => return Inserted::Full,
            }
        }
        cast.insert(
            vote.round,
            Cast {
                digest: vote.digest,
                signature: vote.signature,
                at,
            },
        );
        *self.tally.entry((vote.round, vote.digest)).or_insert(0) += 1;
        Inserted::New
    }

    fn uncount(tally: &mut BTreeMap<(Round, BlockHash), usize>, round: Round, digest: BlockHash) {
        if let Some(count) = tally.get_mut(&(round, digest)) {
            *count -= 1;
            if *count == 0 {
                tally.remove(&(round, digest));
            }
        }
    }

    /// How many validators voted for `digest` in `round`.
    pub(super) fn count(&self, round: Round, digest: BlockHash) -> usize {
        self.tally.get(&(round, digest)).copied().unwrap_or(0)
    }

    /// The lowest (round, block) with a quorum. Votes of different rounds never add up (R4).
    pub(super) fn reached(&self, quorum: Quorum) -> Option<(Round, BlockHash)> {
        #[cfg(feature = "sim")]
        if is_mutant!(RoundsAddedUp) && self.step == Step::Commit {
            return self.tally.keys().copied().find(|(_, digest)| {
                let over = self.tally.iter().filter(|((_, other), _)| other == digest);
                quorum.is_reached(over.map(|(_, count)| *count).sum())
            });
        }
        self.tally
            .iter()
            .find(|(_, count)| quorum.is_reached(**count))
            .map(|(key, _)| *key)
    }

    /// A (round, block) with a quorum for another block than `digest`: a fork, if that one is final.
    pub(super) fn reached_against(&self, quorum: Quorum, digest: BlockHash) -> Option<(Round, BlockHash)> {
        self.tally
            .iter()
            .find(|((_, other), count)| *other != digest && quorum.is_reached(**count))
            .map(|(key, _)| *key)
    }

    /// The signatures for `digest` in `round`, strictly ascending by signer.
    pub(super) fn signatures(&self, round: Round, digest: BlockHash) -> Vec<(Signer, Signature)> {
        self.by_signer
            .iter()
            .enumerate()
            .filter_map(|(index, cast)| {
                let cast = cast.get(&round).filter(|cast| cast.digest == digest)?;
                Some((Signer::try_from(index).ok()?, cast.signature))
            })
            .collect()
    }

    /// What `signer` voted in `round`.
    pub(super) fn cast(&self, signer: Signer, round: Round) -> Option<&Cast> {
        self.by_signer.get(usize::from(signer))?.get(&round)
    }

    /// The votes of `signer` that are remembered, ascending by round.
    pub(super) fn of(&self, signer: Signer) -> impl Iterator<Item = Vote> + '_ {
        let (step, height) = (self.step, self.height);
        self.by_signer
            .get(usize::from(signer))
            .into_iter()
            .flatten()
            .map(move |(round, cast)| Vote {
                step,
                height,
                round: *round,
                digest: cast.digest,
                signer,
                signature: cast.signature,
            })
    }
}
