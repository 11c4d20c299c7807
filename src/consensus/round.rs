//! The transition table of one round: what each input does in each phase, rule by rule.
//!
//! Nothing is judged here. Whoever calls [`RoundState::apply`] has checked the rule's condition
//! (a proposal that is `pp_ok`, a quorum that was counted); the table says what follows from it.

use crate::chain::BlockHash;

use super::{Phase, Round};

/// Where a height stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundState {
    /// The round.
    pub round: Round,
    /// The phase in it.
    pub phase: Phase,
    /// The proposal accepted in it; `Some` from [`Phase::Prepare`] on.
    pub accepted: Option<BlockHash>,
    /// Whether its timer runs: from R0, R2 or R7b on. A round above 0 whose timer does not run is
    /// a view change still waiting for its quorum.
    pub armed: bool,
}

/// What may move a height on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A block is due (R0).
    Due,
    /// A proposal of `round` that is `pp_ok` (R2).
    Proposal {
        /// Its round.
        round: Round,
        /// Its block.
        digest: BlockHash,
    },
    /// A quorum of PREPAREs (R3).
    Prepared {
        /// Their round.
        round: Round,
        /// Their block.
        digest: BlockHash,
    },
    /// A quorum of COMMITs of one round, or a certificate, with the block at hand (R4, R5).
    Committed,
    /// The round's time is up (R6).
    TimedOut {
        /// The timer's round.
        round: Round,
    },
    /// f + 1 validators are in this round or later (R7a).
    Ahead {
        /// The round.
        round: Round,
    },
    /// A quorum is in this round or later (R7b).
    Gathered {
        /// The round.
        round: Round,
    },
    /// This round's leader is provably bad or gone (R8).
    LeaderLost {
        /// The leader's round.
        round: Round,
    },
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Nothing: the rule fired before, or the phase is past it.
    Nothing,
    /// Start the round's timer.
    Arm,
    /// Send PREPARE for what was accepted; the timer runs from here if it did not yet.
    Prepare,
    /// Lock, and send COMMIT.
    Commit,
    /// Send VIEW-CHANGE into the round that the state is in now.
    ChangeView,
    /// The height is decided.
    Decide,
}

impl RoundState {
    /// The start of every height.
    pub const fn new() -> Self {
        Self {
            round: Round::ZERO,
            phase: Phase::PrePrepare,
            accepted: None,
            armed: false,
        }
    }

    /// Moves on by one input.
    pub fn apply(&mut self, input: Input) -> Output {
        let (next, output) = self.transition(input);
        *self = next;
        output
    }

    fn transition(self, input: Input) -> (Self, Output) {
        use Phase::{Commit, Finalized, PrePrepare, Prepare};
        match (self.phase, input) {
            // A decided height stays as it is.
            (Finalized, _) => (self, Output::Nothing),
            // R4, R5: whatever round the certificate is of, and whatever we voted for.
            (_, Input::Committed) => (
                Self {
                    phase: Finalized,
                    ..self
                },
                Output::Decide,
            ),

            // R0: the first round's timer runs from the moment a block is due.
            (PrePrepare, Input::Due) if self.round == Round::ZERO && !self.armed => {
                (Self { armed: true, ..self }, Output::Arm)
            }
            // R2: the first valid proposal of this round wins; one of a later round takes us there.
            (PrePrepare, Input::Proposal { round, digest }) if round == self.round => (
                Self {
                    phase: Prepare,
                    accepted: Some(digest),
                    armed: true,
                    ..self
                },
                Output::Prepare,
            ),
            (PrePrepare | Prepare | Commit, Input::Proposal { round, digest }) if round > self.round => (
                Self {
                    round,
                    phase: Prepare,
                    accepted: Some(digest),
                    armed: true,
                },
                Output::Prepare,
            ),
            // R3: only for what we accepted, only in our round, and once, because the phase moves on.
            (Prepare, Input::Prepared { round, digest })
                if round == self.round && self.accepted == Some(digest) =>
            {
                (
                    Self {
                        phase: Commit,
                        ..self
                    },
                    Output::Commit,
                )
            }
            // R6: a timer that no longer matters is recognised by its round.
            (PrePrepare | Prepare | Commit, Input::TimedOut { round })
                if round == self.round && self.armed =>
            {
                self.leave_for(round.next())
            }
            // R7a: join those who left before us.
            (PrePrepare | Prepare | Commit, Input::Ahead { round }) => self.leave_for(round),
            // R7b: the timer of a round above 0 runs only once a quorum got there.
            (PrePrepare, Input::Gathered { round }) if round == self.round && !self.armed => {
                (Self { armed: true, ..self }, Output::Arm)
            }
            // R8: from the COMMIT phase too. Those who saw the proof earlier are gone, and whoever
            // stayed would wait for COMMITs that nobody sends; its lock comes along.
            (PrePrepare | Prepare | Commit, Input::LeaderLost { round }) if round == self.round => {
                self.leave_for(round.next())
            }

            (
                PrePrepare | Prepare | Commit,
                Input::Due
                | Input::Proposal { .. }
                | Input::Prepared { .. }
                | Input::TimedOut { .. }
                | Input::Gathered { .. }
                | Input::LeaderLost { .. },
            ) => (self, Output::Nothing),
        }
    }

    /// Rounds only grow; at [`Round::MAX`] there is nowhere left to go.
    fn leave_for(self, round: Round) -> (Self, Output) {
        if round <= self.round {
            return (self, Output::Nothing);
        }
        let next = Self {
            round,
            phase: Phase::PrePrepare,
            accepted: None,
            armed: false,
        };
        (next, Output::ChangeView)
    }
}

impl Default for RoundState {
    fn default() -> Self {
        Self::new()
    }
}
