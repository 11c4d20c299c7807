//! The signing state leaves one place and arrives in another: what a key has signed, as a file.
//!
//! Exporting gives the state away: a mark is durable in the old place before the file exists, and a
//! place that bears it starts no signing node. Importing only ever raises what a place knows. So of all
//! places that ever held a key, at most the one that imported last signs with it.

mod file;
mod given;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    chain::{Genesis, Height},
    consensus::{Position, Record, Round, Step},
    crypto::PublicKey,
    signer::{SignerError, create_private_file},
    storage::{
        Store, StoreOptions,
        lock::DataDirLock,
        wal::{Wal, WalError},
    },
};

use super::{
    NodeError,
    memory::{self, Mark, Memory},
    open,
};

pub use file::{StateFile, StateFileError};
pub use given::GIVEN_FILE;
pub(super) use given::refuse_given;

/// Why a signing state was not exported or imported. Nothing was changed, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The directory, the log or the database.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The key, or a file that cannot be written.
    #[error(transparent)]
    Key(#[from] SignerError),
    /// The file is not a signing state that can be used.
    #[error(transparent)]
    File(#[from] StateFileError),
    /// Nobody knows what was signed.
    #[error(
        "{} does not know what this key signed ({why}), so there is nothing to export; start the node here and let it observe until it signs again, or bring the key to the other place with `timed keys import validator FILE --observe`", dir.display()
    )]
    Unknown {
        /// The log.
        dir: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The mark of what was given away is damaged.
    #[error(
        "the mark of a given-away signing state is damaged ({reason}), and the node stays off as with a whole one. If an export was made from here and imported elsewhere, the key belongs there: leave this copy off. If you still have the exported file, put it back: `cp FILE {}`. If neither, and no other process holds the key, move the mark and the log ({}) away together, and the node observes before it signs", path.display(), dir.display()
    )]
    MarkDamaged {
        /// The mark.
        path: PathBuf,
        /// The log that it stands beside.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is about another key.
    #[error(
        "the signing state is that of key {theirs}, and the key here is {ours}; import it where its own key is (`timed keys show`)"
    )]
    OtherKey {
        /// Of the file.
        theirs: PublicKey,
        /// Of the directory.
        ours: PublicKey,
    },
    /// The file is about another chain.
    #[error(
        "the signing state is of chain {theirs} ({network}), and this place is configured for chain {ours}; correct --network or --genesis, or take the file to its own chain"
    )]
    OtherChain {
        /// Of the file.
        theirs: crate::crypto::Hash256,
        /// Its network's name.
        network: String,
        /// Of the configuration.
        ours: crate::crypto::Hash256,
    },
    /// The file is the very one that was given away from here.
    #[error(
        "this is the state that was given away from {}: whoever imported it may have signed since. Export it where the key is now, and import that; if it was never imported anywhere, say so with --i-have-stopped-every-other-node", dir.display()
    )]
    OwnExport {
        /// The log.
        dir: PathBuf,
    },
    /// The file knows less than what was given away from here.
    #[error(
        "the signing state ends at height {file}, but the key had signed up to height {given} when it was given away from {}; find the newer export, or let the node observe: move {GIVEN_FILE} and the log away together", dir.display()
    )]
    Older {
        /// The log.
        dir: PathBuf,
        /// Height of the file.
        file: u64,
        /// Height that was given away.
        given: u64,
    },
    /// The log here was lost once, and what it held the file may not know.
    #[error(
        "the log in {} was lost and began anew, so a file cannot say what was signed here; start the node, it observes and signs again by itself", dir.display()
    )]
    Lost {
        /// The log.
        dir: PathBuf,
    },
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Nothing at or below this height is signed here any more.
    pub signs_above: u64,
    /// False if this place knew as much already.
    pub raised: bool,
    /// True if this place had given the state away and has it back now.
    pub taken_back: bool,
}

/// Writes what the key of `data_dir`, whose node must not run, has signed to `target`, and marks the
/// directory as having given it away. Done again, it writes the same state once more.
///
/// # Errors
/// [`HandoverError`].
pub fn export(
    data_dir: &Path,
    genesis: &Genesis,
    key: PublicKey,
    options: StoreOptions,
    target: &Path,
) -> Result<StateFile, HandoverError> {
    let _lock = DataDirLock::acquire(data_dir).map_err(NodeError::from)?;
    let dir = data_dir.join("consensus");
    if target.exists() {
        let path = target.to_owned();
        return Err(SignerError::Exists { path }.into());
    }
    let state = match given::read(&dir)? {
        Some(state) => state,
        None => {
            let known = known(&dir)?;
            refuse_old(data_dir, genesis, options, key, known.map(|known| known.height))?;
            let state = StateFile::new(genesis, key, known)?;
            given::keep(&dir, &state)?;
            state
        }
    };
    check(&state, genesis, key)?;
    create_private_file(target, state.to_text().as_bytes())?;
    Ok(state)
}

/// Takes over `state` in `data_dir`, whose node must not run: nothing that the file or the log here
/// knows as signed is signed here again. `is_only_one`: the caller answers for it that nobody imported
/// the file elsewhere.
///
/// # Errors
/// [`HandoverError`].
pub fn import(
    data_dir: &Path,
    genesis: &Genesis,
    key: PublicKey,
    state: &StateFile,
    is_only_one: bool,
) -> Result<Imported, HandoverError> {
    check(state, genesis, key)?;
    let _lock = DataDirLock::acquire(data_dir).map_err(NodeError::from)?;
    let dir = data_dir.join("consensus");
    let given = given::read(&dir)?;
    if let Some(given) = &given {
        if given.handover() == state.handover() && !is_only_one {
            return Err(HandoverError::OwnExport { dir });
        }
        if state.height() < given.height() {
            return Err(HandoverError::Older {
                dir,
                file: state.height().get(),
                given: given.height().get(),
            });
        }
    }
    let raised = Record::RaisedTo(state.height());
    let imported = match Wal::open(&dir) {
        Ok((mut wal, found)) => {
            let mark = Memory::read(&dir, found.records)?.mark;
            if mark.as_ref().is_some_and(Mark::is_lost) {
                return Err(HandoverError::Lost { dir });
            }
            let ours = mark.as_ref().and_then(Mark::position);
            let is_higher = ours.is_none_or(|ours| state.position() > ours);
            if is_higher {
                memory::append(&mut wal, &raised)?;
            }
            let ours = ours.map_or(Height::GENESIS, |position| position.height);
            (ours.max(state.height()), is_higher)
        }
        Err(error) if error.is_missing() => {
            drop(memory::create(&dir, &raised)?);
            (state.height(), true)
        }
        Err(error) => return Err(NodeError::from(error).into()),
    };
    // Last: until then this place signs nothing, whatever happens in between.
    given::forget(&dir)?;
    Ok(Imported {
        signs_above: imported.0.get(),
        raised: imported.1,
        taken_back: given.is_some(),
    })
}

/// Makes the log of a key of whose signatures nothing is known: its node observes first. An empty log
/// that is there already is made one, too.
///
/// # Errors
/// [`HandoverError::Node`]; also if there is a log that holds something.
pub fn begin_lost(data_dir: &Path) -> Result<(), HandoverError> {
    let _lock = DataDirLock::acquire(data_dir).map_err(NodeError::from)?;
    let dir = data_dir.join("consensus");
    match Wal::open(&dir) {
        Ok((mut wal, found)) if found.records.is_empty() => memory::append(&mut wal, &Record::Lost)?,
        Ok(_) => return Err(WalError::AlreadyExists { dir }.into()),
        Err(error) if error.is_missing() => drop(memory::create(&dir, &Record::Lost)?),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Where the key stood last; `None` if it never signed.
fn known(dir: &Path) -> Result<Option<Position>, HandoverError> {
    let unknown = |why| HandoverError::Unknown {
        dir: dir.to_owned(),
        why,
    };
    let entries = match Wal::inspect(dir) {
        Ok(found) => found.records,
        Err(error) if error.is_missing() => return Err(unknown("there is no log")),
        Err(error) => return Err(NodeError::from(error).into()),
    };
    match Memory::read(dir, entries)?.mark {
        Some(mark) if mark.is_lost() => Err(unknown("its log was lost and began anew")),
        Some(mark) => Ok(mark.position()),
        None => Ok(None),
    }
}

/// A log that is older than what the chain here shows of the key must not be handed on.
fn refuse_old(
    data_dir: &Path,
    genesis: &Genesis,
    options: StoreOptions,
    key: PublicKey,
    known: Option<Height>,
) -> Result<(), HandoverError> {
    let blocks = data_dir.join("blocks");
    if !blocks.is_dir() {
        return Ok(());
    }
    let store = Store::open(&blocks, genesis, options, |_| {}).map_err(NodeError::from)?;
    let on_chain = open::last_signed_on_chain(&store.reader(), &key)?;
    if on_chain > known {
        return Err(HandoverError::Unknown {
            dir: data_dir.join("consensus"),
            why: "its log is older than what the chain shows",
        });
    }
    Ok(())
}

fn check(state: &StateFile, genesis: &Genesis, key: PublicKey) -> Result<(), HandoverError> {
    let ours = genesis.chain_id();
    if state.chain_id() != ours {
        return Err(HandoverError::OtherChain {
            theirs: state.chain_id(),
            network: state.network().to_owned(),
            ours,
        });
    }
    if state.public_key() != key {
        return Err(HandoverError::OtherKey {
            theirs: state.public_key(),
            ours: key,
        });
    }
    Ok(())
}

/// The position that stands for a whole height.
const fn end_of(height: Height) -> Position {
    Position {
        height,
        round: Round::MAX,
        step: Step::Commit,
    }
}

impl From<WalError> for HandoverError {
    fn from(error: WalError) -> Self {
        Self::Node(error.into())
    }
}
