//! What we agree on: TIME-BFT, which is QBFT with round timers gated by a quorum of VIEW-CHANGEs
//! (A1), a write-ahead log with a monotone sign guard (A2), and a block hash without the round (A3).
//! docs/CONSENSUS.md is the protocol; code cites its rules by number.

mod application;
mod certificate;
mod effect;
mod event;
mod evidence;
mod message;
mod quorum;
mod record;
mod signing;
mod types;
mod validators;

pub use application::{Application, Verdict};
pub use certificate::{CertificateContext, CertificateError, PreparedCert};
pub use effect::{Effect, Note, ViewChangeCause};
pub use event::{Body, Event, Timer};
pub use evidence::{Evidence, EvidenceKind};
pub use message::{
    ConsensusMessage, MessageContext, MessageError, PrePrepare, ViewChange, ViewChangeHeader, Vote,
};
pub use quorum::Quorum;
pub use record::Record;
pub use signing::{
    PREFIX as SIGNING_PREFIX, SigningDomain, pre_prepare_bytes, view_change_bytes, vote_bytes,
};
pub use types::{Mono, Now, Phase, Position, Round, Step};
pub use validators::{Signer, VALIDATORS_MAX, ValidatorSet};
