//! What we agree on: TIME-BFT, which is QBFT with round timers gated by a quorum of VIEW-CHANGEs
//! (A1), a write-ahead log with a monotone sign guard (A2), and a block hash without the round (A3).
//! docs/CONSENSUS.md is the protocol; code cites its rules by number.
//!
//! # The protocol in short
//!
//! One height is in flight at a time. n validators, sorted by key, lead its rounds in turn. A quorum
//! is q = ⌈2n/3⌉ of them, and up to f = ⌊(n−1)/3⌋ may do anything at all.
//!
//! ```text
//!            R0, R1            R2 pp_ok            R3 q PREPAREs           R4 q COMMITs
//!  block due ──────▶ PrePrepare ──────▶ Prepare ──────────▶ Commit ──────────────▶ Finalized
//!                        ▲ │               │ lock := certificate │                     ▲
//!                        │ └── R6 time up, R7a f+1 ahead, R8 leader lost ──┐           │
//!                        │                                                 ▼           │
//!                        └── R7b timer after q VIEW-CHANGEs ◀── round r+1, VIEW-CHANGE │
//!                            R7c its leader proposes the highest lock, or afresh       │
//!            R5 a certificate from anywhere, at any time ──────────────────────────────┘
//! ```
//!
//! * **Why two quorums.** A quorum of PREPAREs in a round means that no other block can get one in
//!   that round. Whoever sees it locks the block, durably, before its COMMIT leaves. If a quorum
//!   committed, every quorum of VIEW-CHANGEs contains a lock of that round or a later one, and the
//!   proposal of the next round must be the block of the highest lock among them.
//! * **Why timers are gated.** A round above 0 runs on time only once a quorum is in it (R7b). So a
//!   node that was cut off comes back one round ahead, not a hundred, and the cap on timeouts is safe.
//! * **Why a log.** A validator that forgets what it signed is a Byzantine one. The guard signs only
//!   upwards, and what it signed is on disk before it leaves.
//!
//! # Rules
//!
//! | rule | when | what | where |
//! |---|---|---|---|
//! | R0 | a transaction waits, or the interval is over | arm round 0 on every node | `machine/view_change.rs`, [`Timing::work_at`] |
//! | R1 | due, and we lead round 0 | build, log, PRE-PREPARE | `machine/lead.rs` |
//! | R2 | first proposal of the round, `pp_ok` | accept, log body, PREPARE | `machine/pre_prepare.rs` |
//! | R3 | q PREPAREs for what we accepted | lock, log, COMMIT | `machine/voting.rs` |
//! | R4 | q COMMITs of one round | log, decide | `machine/decide.rs` |
//! | R5 | certificate and block | decide | `machine/decide.rs` |
//! | R6 | the round's time is up | next round, VIEW-CHANGE | `machine/view_change.rs` |
//! | R7 | VIEW-CHANGEs | join, enter, lead | `machine/view_change.rs`, `machine/lead.rs` |
//! | R8 | leader provably bad, or gone | next round at once | `machine/view_change.rs` |
//! | R9 | every so often, and on reconnect | the same bytes again | `machine/resend.rs` |
//! | R10 | a message of a final height | help the peer on | `machine/behind.rs` |
//!
//! [`RoundState`] is the transition table; [`Machine`] finds which rule's condition holds. Where it
//! is decided that a vote counts: `votes.rs`. What may be signed: `guard.rs`.

/// True if the simulator has planted this fault (docs/CONSENSUS.md §12); constantly false outside it.
macro_rules! is_mutant {
    ($name:ident) => {{
        #[cfg(feature = "sim")]
        let is_on = $crate::consensus::mutant::is_on($crate::consensus::mutant::Mutant::$name);
        #[cfg(not(feature = "sim"))]
        let is_on = false;
        is_on
    }};
}

mod application;
mod certificate;
mod effect;
mod event;
mod evidence;
mod guard;
mod judge;
mod justification;
mod machine;
mod message;
#[cfg(feature = "sim")]
pub mod mutant;
mod quorum;
mod record;
mod round;
mod signing;
mod timeouts;
mod types;
mod validators;
mod view_changes;
mod votes;

#[cfg(test)]
mod tests;

pub use application::{Application, Verdict};
pub use certificate::{CertificateContext, CertificateError, PreparedCert};
pub use effect::{Effect, Note, ViewChangeCause};
pub use event::{Body, Event, Timer};
pub use evidence::{Evidence, EvidenceError, EvidenceKind, double_commits};
pub use guard::{Answer, Guard, Origin};
pub use judge::{EvidenceBytesError, judge_evidence};
pub use justification::{Justified, check_view_change, justify};
pub use machine::{
    Machine, MachineConfig, Mark, Moment, Recovered, RoundPast, Tallies, TimelineEntry, Tip, View, WaitingFor,
};
pub use message::{
    ConsensusMessage, MessageContext, MessageError, PrePrepare, ViewChange, ViewChangeHeader, Vote,
};
pub use quorum::Quorum;
pub use record::Record;
pub use round::{Input, Output, RoundState};
pub use signing::{
    PREFIX as SIGNING_PREFIX, Says, SigningDomain, Statement, pre_prepare_bytes, view_change_bytes,
    vote_bytes,
};
pub use timeouts::Timing;
pub use types::{Mono, Now, Phase, Position, Round, Step};
pub use validators::{Signer, VALIDATORS_MAX, ValidatorSet};
