//! What the consensus log remembers of our signatures, read from its entries in order.

use std::path::Path;

use crate::{
    chain::Height,
    consensus::{Position, Record, Round, Step},
    storage::wal::{self, Wal, WalOptions},
};

use super::{NodeError, codec};

/// The log's records, and the one that must outlive them all.
#[derive(Debug)]
pub(super) struct Memory {
    /// In the order in which they were written.
    pub(super) records: Vec<Record>,
    /// What was signed last; `None` in the log of a key that never signed.
    pub(super) mark: Option<Mark>,
}

/// The end of what we know of our signatures.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// `None` where the memory was lost.
    position: Option<Position>,
    is_signed: bool,
    entry: wal::Record,
}

impl Mark {
    /// Nothing at or below is signed again; genesis where nothing is known.
    pub(super) fn height(&self) -> Height {
        self.position.map_or(Height::GENESIS, |position| position.height)
    }

    /// True if what was signed is not known, and the mark was not raised since.
    pub(super) fn is_lost(&self) -> bool {
        self.position.is_none()
    }

    /// Nothing at or below is signed again; `None` where nothing is known.
    pub(super) fn position(&self) -> Option<Position> {
        self.position
    }

    /// The position of the last signature; `None` if the mark stands for one that is not known.
    pub(super) fn signed(&self) -> Option<Position> {
        self.position.filter(|_| self.is_signed)
    }

    /// The log's entry.
    pub(super) fn into_entry(self) -> wal::Record {
        self.entry
    }
}

impl Memory {
    /// Decodes the entries of the log in `dir`.
    ///
    /// # Errors
    /// [`NodeError::Record`].
    pub(super) fn read(dir: &Path, entries: Vec<wal::Record>) -> Result<Self, NodeError> {
        let mut memory = Self {
            records: Vec::with_capacity(entries.len()),
            mark: None,
        };
        for entry in entries {
            let record = codec::from_log(&entry).map_err(|reason| NodeError::Record {
                dir: dir.to_owned(),
                height: entry.height,
                reason: reason.to_string(),
            })?;
            memory.note(&record, entry);
            memory.records.push(record);
        }
        Ok(memory)
    }

    fn note(&mut self, record: &Record, entry: wal::Record) {
        let position = match record {
            Record::Signed(message) => Some(message.position()),
            Record::RaisedTo(height) => Some(Position {
                height: *height,
                round: Round::MAX,
                step: Step::Commit,
            }),
            Record::Vouched(statement, _) => Some(statement.position()),
            Record::Lost => None,
            Record::Body(_) | Record::Lock(_) | Record::Decided(_) => return,
        };
        let highest = self.mark.as_ref().and_then(|mark| mark.position);
        if position.is_none() || position >= highest {
            let is_signed = matches!(record, Record::Signed(_) | Record::Vouched(..));
            self.mark = Some(Mark {
                position,
                is_signed,
                entry,
            });
        }
    }
}

/// Makes a log in `dir` that begins with `record`: it appears with it, or not at all, so that it is
/// never taken for the log of a new key. Gives the record's entry too.
///
/// # Errors
/// [`NodeError::Wal`].
pub(super) fn create(dir: &Path, record: &Record) -> Result<(Wal, wal::Record), NodeError> {
    let entry = encoded(dir, record)?;
    let wal = Wal::create_on(
        std::sync::Arc::new(crate::storage::disk::RealDisk),
        dir,
        WalOptions::default(),
        std::slice::from_ref(&entry),
    )?;
    Ok((wal, entry))
}

/// Makes `record` durable in `wal`.
///
/// # Errors
/// [`NodeError::Wal`].
pub(super) fn append(wal: &mut Wal, record: &Record) -> Result<(), NodeError> {
    let entry = encoded(wal.dir(), record)?;
    wal.append(entry.kind, entry.height, entry.payload)?;
    wal.sync()?;
    Ok(())
}

fn encoded(dir: &Path, record: &Record) -> Result<wal::Record, NodeError> {
    codec::to_log(record).map_err(|reason| NodeError::Record {
        dir: dir.to_owned(),
        height: record.height().get(),
        reason: reason.to_string(),
    })
}
