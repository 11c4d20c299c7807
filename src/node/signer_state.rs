//! What a node that does not run has signed, and the operator's way to lift the observation of a
//! node whose log was lost (docs/CONSENSUS.md §8).
//!
//! Lifting only ever raises the mark: it can make this node sign where it signed before, at heights
//! that nobody decided, and never lets it sign at or below what its log or its chain knows.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    chain::{Genesis, Height},
    consensus::{Position, Record, Step},
    storage::{Store, StoreOptions, lock::DataDirLock, wal::Wal},
};

use super::{
    NodeError, handover,
    memory::{self, Memory},
};

/// What the consensus log says of our signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignerState {
    /// How the memory stands.
    pub memory: SignerMemory,
    /// The highest position signed, if the log holds it.
    pub last_signed: Option<LastSigned>,
    /// Nothing at or below this height is signed again.
    pub signs_above: Option<u64>,
    /// True if the state was exported from here: no node starts here with this key.
    pub given_away: bool,
}

/// How much of our signatures the log knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignerMemory {
    /// There is no log: the node will observe before it signs.
    Missing,
    /// A log that was lost and begun anew: the node observes.
    Lost,
    /// The log of a key that never signed.
    New,
    /// Everything.
    Whole,
}

/// A position, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LastSigned {
    /// Height.
    pub height: u64,
    /// Round.
    pub round: u32,
    /// `PRE-PREPARE`, `PREPARE`, `COMMIT` or `VIEW-CHANGE`.
    pub step: &'static str,
}

impl From<Position> for LastSigned {
    fn from(position: Position) -> Self {
        Self {
            height: position.height.get(),
            round: position.round.get(),
            step: match position.step {
                Step::ViewChange => "VIEW-CHANGE",
                Step::PrePrepare => "PRE-PREPARE",
                Step::Prepare => "PREPARE",
                Step::Commit => "COMMIT",
            },
        }
    }
}

/// Why the mark is not set.
#[derive(Debug, thiserror::Error)]
pub enum LiftError {
    /// The directory, the log or the database.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Nothing was lost.
    #[error(
        "{} is whole and knows what this key signed; there is nothing to lift. If it is an old copy, start the node: it notices and observes", dir.display()
    )]
    Whole {
        /// The log.
        dir: PathBuf,
    },
    /// The mark would lie below what is known to be signed or final.
    #[error(
        "--above {above} is too low: {what} at height {at}; name the highest height that is final anywhere, at least {at}"
    )]
    TooLow {
        /// What was asked for.
        above: Height,
        /// What contradicts it.
        what: &'static str,
        /// Where.
        at: Height,
    },
}

/// Reads the state from `data_dir`; changes nothing, and works while the node runs.
///
/// # Errors
/// [`NodeError::Wal`] and [`NodeError::Record`] for a damaged log.
pub fn read(data_dir: &Path) -> Result<SignerState, NodeError> {
    let dir = data_dir.join("consensus");
    let given_away = handover::refuse_given(&dir).is_err();
    let entries = match Wal::inspect(&dir) {
        Ok(found) => found.records,
        Err(error) if error.is_missing() => {
            return Ok(SignerState {
                memory: SignerMemory::Missing,
                last_signed: None,
                signs_above: None,
                given_away,
            });
        }
        Err(error) => return Err(error.into()),
    };
    let mark = Memory::read(&dir, entries)?.mark;
    Ok(SignerState {
        memory: match &mark {
            None => SignerMemory::New,
            Some(mark) if mark.is_lost() => SignerMemory::Lost,
            Some(_) => SignerMemory::Whole,
        },
        last_signed: mark.as_ref().and_then(|mark| mark.signed()).map(Into::into),
        signs_above: mark
            .filter(|mark| !mark.is_lost() && mark.signed().is_none())
            .map(|mark| mark.height().get()),
        given_away,
    })
}

/// Lets the node of `data_dir`, which must not run, sign above `above` although its log was lost.
/// Whoever calls this answers for it that no other node has the key, and that at most f validators
/// do the same at one undecided height.
///
/// # Errors
/// [`LiftError`]; nothing is changed then.
pub fn lift(
    data_dir: &Path,
    genesis: &Genesis,
    options: StoreOptions,
    above: Height,
) -> Result<(), LiftError> {
    let _lock = DataDirLock::acquire(data_dir).map_err(NodeError::from)?;
    let dir = data_dir.join("consensus");
    let too_low = |what, at| Err(LiftError::TooLow { above, what, at });
    let opened = match Wal::open(&dir) {
        Ok((wal, found)) => {
            let memory = Memory::read(&dir, found.records)?;
            if !memory.mark.as_ref().is_some_and(|mark| mark.is_lost()) {
                return Err(LiftError::Whole { dir });
            }
            let signed = memory.records.iter().filter_map(|record| match record {
                Record::Signed(message) => Some(message.height()),
                Record::RaisedTo(height) => Some(*height),
                Record::Vouched(statement, _) => Some(statement.height),
                Record::Body(_) | Record::Lock(_) | Record::Decided(_) | Record::Lost => None,
            });
            if let Some(at) = signed.max().filter(|at| *at > above) {
                return too_low("the log holds a signature", at);
            }
            let decided = memory.records.iter().filter_map(|record| match record {
                Record::Decided(certificate) => Some(certificate.height),
                _ => None,
            });
            if let Some(at) = decided.max().filter(|at| *at > above) {
                return too_low("the log holds a final block", at);
            }
            Some(wal)
        }
        Err(error) if error.is_missing() => None,
        Err(error) => return Err(NodeError::from(error).into()),
    };
    if let Some(at) = highest_on_chain(data_dir, genesis, options)?.filter(|at| *at > above) {
        return too_low("this node's chain has a final block", at);
    }
    let raised = Record::RaisedTo(above);
    match opened {
        Some(mut wal) => memory::append(&mut wal, &raised)?,
        None => drop(memory::create(&dir, &raised)?),
    }
    Ok(())
}

/// The tip of the chain in `data_dir`, if there is one. What is final needs no vote of ours again.
fn highest_on_chain(
    data_dir: &Path,
    genesis: &Genesis,
    options: StoreOptions,
) -> Result<Option<Height>, NodeError> {
    let blocks = data_dir.join("blocks");
    if !blocks.is_dir() {
        return Ok(None);
    }
    let store = Store::open(&blocks, genesis, options, |_| {})?;
    Ok(Some(store.reader().height()))
}
