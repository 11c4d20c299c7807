//! Where it is decided that a vote counts: one signer, one round, one vote.
//!
//! A second vote of the same signer in the same round is never counted; if it is for another block
//! it comes back out as a contradiction. Memory is bounded per signer, so that nobody can push out
//! another's votes.

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
    /// Of every signer, ascending by round.
    by_signer: Vec<Vec<(Round, Cast)>>,
    tally: Tally,
}

/// How many votes each block has in each round, ascending. Of honest validators alone that is one
/// block in a round or two, and rules ask after every event.
#[derive(Debug, Clone, Default)]
struct Tally(Vec<((Round, BlockHash), usize)>);

impl Tally {
    fn place(&self, round: Round, digest: BlockHash) -> Result<usize, usize> {
        self.0.binary_search_by_key(&(round, digest), |(key, _)| *key)
    }

    fn count(&mut self, round: Round, digest: BlockHash) {
        match self.place(round, digest) {
            Ok(place) => self.0[place].1 += 1,
            Err(place) => self.0.insert(place, ((round, digest), 1)),
        }
    }

    fn uncount(&mut self, round: Round, digest: BlockHash) {
        if let Ok(place) = self.place(round, digest) {
            self.0[place].1 -= 1;
            if self.0[place].1 == 0 {
                self.0.remove(place);
            }
        }
    }
}

impl Votes {
    /// No votes yet, of a set of `n` validators.
    pub(super) fn new(step: Step, height: Height, n: usize) -> Self {
        Self {
            step,
            height,
            by_signer: vec![Vec::new(); n],
            tally: Tally::default(),
        }
    }

    /// Counts `vote`, which was checked for membership and signature, while we are in `current`.
    pub(super) fn insert(&mut self, vote: &Vote, current: Round, at: Mono) -> Inserted {
        if is_mutant!(StrangersCounted) && usize::from(vote.signer) >= self.by_signer.len() {
            self.tally.count(vote.round, vote.digest);
        }
        let Some(cast) = self.by_signer.get_mut(usize::from(vote.signer)) else {
            return Inserted::Full;
        };
        let place = cast.partition_point(|(round, _)| *round < vote.round);
        if let Some((_, first)) = cast.get(place).filter(|(round, _)| *round == vote.round) {
            if first.digest == vote.digest {
                if is_mutant!(DuplicatesCounted) {
                    self.tally.count(vote.round, vote.digest);
                }
                return Inserted::Duplicate;
            }
            return Inserted::Conflict(Vote {
                digest: first.digest,
                signature: first.signature,
                ..*vote
            });
        }
        let newest = Cast {
            digest: vote.digest,
            signature: vote.signature,
            at,
        };
        if cast.len() >= ROUNDS_PER_SIGNER_MAX {
            let lowest = cast.first().map(|(round, cast)| (*round, cast.digest));
            match lowest.filter(|(lowest, _)| *lowest < current && *lowest < vote.round) {
                Some((lowest, digest)) => {
                    cast.insert(place, (vote.round, newest));
                    cast.remove(0);
                    self.tally.uncount(lowest, digest);
                }
                None => return Inserted::Full,
            }
        } else {
            cast.insert(place, (vote.round, newest));
        }
        self.tally.count(vote.round, vote.digest);
        Inserted::New
    }

    /// How many validators voted for `digest` in `round`.
    pub(super) fn count(&self, round: Round, digest: BlockHash) -> usize {
        self.tally
            .place(round, digest)
            .map_or(0, |place| self.tally.0[place].1)
    }

    /// The lowest (round, block) with a quorum. Votes of different rounds never add up (R4).
    pub(super) fn reached(&self, quorum: Quorum) -> Option<(Round, BlockHash)> {
        #[cfg(feature = "sim")]
        if is_mutant!(RoundsAddedUp) && self.step == Step::Commit {
            let votes = &self.tally.0;
            return votes.iter().map(|(key, _)| *key).find(|(_, digest)| {
                let over = votes.iter().filter(|((_, other), _)| other == digest);
                quorum.is_reached(over.map(|(_, count)| *count).sum())
            });
        }
        let mut votes = self.tally.0.iter();
        votes
            .find(|(_, count)| quorum.is_reached(*count))
            .map(|(key, _)| *key)
    }

    /// A (round, block) with a quorum for another block than `digest`: a fork, if that one is final.
    pub(super) fn reached_against(&self, quorum: Quorum, digest: BlockHash) -> Option<(Round, BlockHash)> {
        let mut votes = self.tally.0.iter();
        votes
            .find(|((_, other), count)| *other != digest && quorum.is_reached(*count))
            .map(|(key, _)| *key)
    }

    /// The signatures for `digest` in `round`, strictly ascending by signer.
    pub(super) fn signatures(&self, round: Round, digest: BlockHash) -> Vec<(Signer, Signature)> {
        self.by_signer
            .iter()
            .enumerate()
            .filter_map(|(index, cast)| {
                let cast = at(cast, round).filter(|cast| cast.digest == digest)?;
                Some((Signer::try_from(index).ok()?, cast.signature))
            })
            .collect()
    }

    /// What `signer` voted in `round`.
    pub(super) fn cast(&self, signer: Signer, round: Round) -> Option<&Cast> {
        at(self.by_signer.get(usize::from(signer))?, round)
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

fn at(cast: &[(Round, Cast)], round: Round) -> Option<&Cast> {
    let found = cast.iter().find(|(at, _)| *at == round);
    found.map(|(_, cast)| cast)
}
