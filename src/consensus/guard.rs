//! What we signed; refuses to contradict it (docs/CONSENSUS.md §8, A2).
//!
//! The guard is asked twice: before a signature is requested, and when it comes back, because the
//! machine may have left the round meanwhile. It permits only positions above everything that was
//! signed, and gives back the stored message for the very same one. It never re-signs.

use std::collections::BTreeMap;

use crate::chain::Height;

use super::{ConsensusMessage, Position, Round, Step};

/// Rounds of one height whose own messages are kept to recognise them when they come back. Older
/// ones are still below the mark and can never be signed again.
const OWN_ROUNDS_MAX: u32 = 64;

/// The guard's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing at this position or above was signed.
    Sign,
    /// This very thing was signed; here it is.
    Stored(ConsensusMessage),
    /// It would contradict, or might contradict, what was signed.
    Refuse,
    /// Its round was left: a vote there would betray the VIEW-CHANGE.
    Left,
}

/// How a message that names us as its signer relates to what we signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// We signed exactly this.
    Ours,
    /// Too old to tell.
    Forgotten,
    /// Somebody else signs with our key.
    Foreign,
}

/// The high-water mark of our signatures, and the messages of the height in progress.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    last: Option<Position>,
    raised_to: Option<Height>,
    /// What was signed is not known: nothing new is, until the mark is raised.
    is_blank: bool,
    entered: Option<(Height, Round)>,
    own: BTreeMap<Position, ConsensusMessage>,
}

impl Guard {
    /// A guard that never saw a signature.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over a message from the log.
    pub fn restore(&mut self, message: ConsensusMessage) {
        let position = message.position();
        self.last = self.last.max(Some(position));
        self.own.insert(position, message);
    }

    /// What we signed is not known any more: nothing new is signed until [`Guard::raise_to`].
    pub fn forget(&mut self) {
        self.is_blank = true;
        self.raised_to = None;
    }

    /// True from [`Guard::forget`] to [`Guard::raise_to`].
    pub fn is_blank(&self) -> bool {
        self.is_blank
    }

    /// Nothing at or below `height` is signed from now on, and above it we know that we signed
    /// nothing.
    pub fn raise_to(&mut self, height: Height) {
        self.is_blank = false;
        self.raised_to = self.raised_to.max(Some(height));
    }

    /// The machine entered `round`: whatever belongs to an earlier one is refused.
    pub fn enter(&mut self, height: Height, round: Round) {
        self.entered = self.entered.max(Some((height, round)));
    }

    /// The highest position signed.
    pub fn last(&self) -> Option<Position> {
        self.last
    }

    /// The height up to which the mark was raised without signatures.
    pub fn raised_to(&self) -> Option<Height> {
        self.raised_to
    }

    /// The highest height of which we know what we signed, or that we sign nothing there.
    pub fn mark(&self) -> Option<Height> {
        self.last.map(|last| last.height).max(self.raised_to)
    }

    /// True if something new may be signed at `position`.
    pub fn is_free(&self, position: Position) -> bool {
        let above_mark = self.raised_to.is_none_or(|height| position.height > height);
        let is_new = self.last.is_none_or(|last| position > last);
        !self.is_blank && above_mark && is_new && !self.is_left(position)
    }

    /// May `message` be signed? Its signature is not looked at.
    pub fn ask(&self, message: &ConsensusMessage) -> Answer {
        let position = message.position();
        let is_second = is_mutant!(SecondPrepare) && position.step == Step::Prepare;
        let is_late =
            is_mutant!(VotesInOldRound) && self.is_left(position) && !self.own.contains_key(&position);
        if is_second || is_late {
            return Answer::Sign;
        }
        if let Some(stored) = self.own.get(&position) {
            return if same_choice(stored, message) {
                Answer::Stored(stored.clone())
            } else {
                Answer::Refuse
            };
        }
        if self.is_left(position) {
            return Answer::Left;
        }
        if self.is_free(position) {
            Answer::Sign
        } else {
            Answer::Refuse
        }
    }

    /// A signature came back: asks again, and remembers the message if it may still be used.
    pub fn admit(&mut self, message: &ConsensusMessage) -> Answer {
        let answer = self.ask(message);
        if answer == Answer::Sign {
            let position = message.position();
            self.restore(message.clone());
            let oldest = Round::new(position.round.get().saturating_sub(OWN_ROUNDS_MAX));
            self.own
                .retain(|kept, _| kept.height != position.height || kept.round >= oldest);
        }
        answer
    }

    /// Our messages of one round, in the order of their steps, byte for byte as they were sent.
    pub fn own_in(&self, height: Height, round: Round) -> impl Iterator<Item = &ConsensusMessage> {
        self.own
            .iter()
            .filter(move |(position, _)| position.height == height && position.round == round)
            .map(|(_, message)| message)
    }

    /// Our message at `position`.
    pub fn own_at(&self, position: Position) -> Option<&ConsensusMessage> {
        self.own.get(&position)
    }

    /// All our messages of `height` that are kept, ascending.
    pub fn own_of(&self, height: Height) -> impl Iterator<Item = &ConsensusMessage> {
        self.own
            .iter()
            .filter(move |(position, _)| position.height == height)
            .map(|(_, message)| message)
    }

    /// Forgets the messages below `height`; the mark stays.
    pub fn prune_below(&mut self, height: Height) {
        self.own.retain(|position, _| position.height >= height);
    }

    /// Whether a message that bears our signature, of `current` height or above, is from us.
    pub fn origin(&self, message: &ConsensusMessage, current: Height) -> Origin {
        let position = message.position();
        match self.own.get(&position) {
            Some(own) if same_signed(own, message) => Origin::Ours,
            Some(_) => Origin::Foreign,
            None if self.is_blank || position.height < current => Origin::Forgotten,
            None if self.raised_to.is_some_and(|height| position.height <= height) => Origin::Forgotten,
            None => {
                let oldest = self.own_of(position.height).next().map(|own| own.round());
                let trimmed = self
                    .last
                    .is_some_and(|last| last.height == position.height && last.round.get() > OWN_ROUNDS_MAX);
                if trimmed && oldest.is_some_and(|oldest| position.round < oldest) {
                    Origin::Forgotten
                } else {
                    Origin::Foreign
                }
            }
        }
    }

    fn is_left(&self, position: Position) -> bool {
        self.entered
            .is_some_and(|entered| (position.height, position.round) < entered)
    }
}

/// Same position assumed: is it the same choice? A leader asked twice for one digest gets the
/// proposal it signed, whatever justification it brings the second time.
fn same_choice(a: &ConsensusMessage, b: &ConsensusMessage) -> bool {
    match (a, b) {
        (ConsensusMessage::PrePrepare(a), ConsensusMessage::PrePrepare(b)) => a.digest == b.digest,
        (ConsensusMessage::Vote(a), ConsensusMessage::Vote(b)) => a.digest == b.digest,
        (ConsensusMessage::ViewChange(a), ConsensusMessage::ViewChange(b)) => {
            a.header.prepared == b.header.prepared
        }
        (
            ConsensusMessage::PrePrepare(_) | ConsensusMessage::Vote(_) | ConsensusMessage::ViewChange(_),
            _,
        ) => false,
    }
}

/// Same position assumed: are the signed bytes the same?
fn same_signed(a: &ConsensusMessage, b: &ConsensusMessage) -> bool {
    match (a, b) {
        (ConsensusMessage::PrePrepare(a), ConsensusMessage::PrePrepare(b)) => {
            a.digest == b.digest && a.view_changes == b.view_changes && a.prepared == b.prepared
        }
        _ => same_choice(a, b),
    }
}
