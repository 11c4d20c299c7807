//! The guard of a signer that has no node: what it signed is all that it knows.
//!
//! It signs only above everything it signed, gives the same signature for the very same statement, and
//! signs no VIEW-CHANGE that forgets a COMMIT. What justifies a proposal it cannot judge: that is the
//! node's (docs/security.md).

use std::{collections::BTreeMap, path::Path};

use crate::{
    chain::BlockHash,
    consensus::{ConsensusMessage, Position, Record, Round, Says, Statement, Step},
    crypto::{Hash256, SecretKey, Signature},
    storage::wal::{self, Wal},
};

use super::ServiceError;
use crate::node::{
    NodeError, codec,
    memory::{Mark, Memory},
};

/// Rounds of one height whose statements are kept, to answer again; older ones are below the mark.
const STATEMENTS_MAX: usize = 256;

/// Why a statement is not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// Another statement was signed at this position.
    #[error(
        "another message of this position was signed before; two would be punished, so nothing is signed"
    )]
    Conflict,
    /// Something at or above this position was signed.
    #[error("height {height} round {round} was signed already; nothing at or below is signed again")]
    Below {
        /// Of the mark.
        height: u64,
        /// Of the mark.
        round: u32,
    },
    /// It would deny a COMMIT.
    #[error(
        "this VIEW-CHANGE forgets the COMMIT of round {round}, which would be punished; the node's own log is behind the signer's"
    )]
    Forgets {
        /// Of the COMMIT.
        round: u32,
    },
    /// It is about another chain.
    #[error("the request is about another chain; correct --network or --genesis of node or signer")]
    OtherChain,
    /// No validator says such a thing.
    #[error("the request is not well-formed; node and signer may be of different versions")]
    Malformed,
    /// The log does not take it.
    #[error(
        "the signer's log cannot be written ({reason}), so nothing is signed; check its disk, then restart it"
    )]
    Broken {
        /// What the log says.
        reason: String,
    },
}

/// The guard and its log.
#[derive(Debug)]
pub(super) struct SignerGuard {
    wal: Wal,
    chain_id: Hash256,
    mark: Option<Position>,
    /// The log's entry of the mark; it outlives every pruning.
    mark_entry: Option<wal::Record>,
    /// Statements of the mark's height.
    said: BTreeMap<Position, (Statement, Signature)>,
    /// The COMMIT of the highest round at the mark's height.
    committed: Option<(Round, BlockHash)>,
    has_failed: bool,
}

impl SignerGuard {
    /// Reads the log in `dir`.
    ///
    /// # Errors
    /// [`ServiceError::Unknown`] if it is missing or was lost, [`ServiceError::Node`] if it is damaged.
    pub(super) fn open(dir: &Path, chain_id: Hash256) -> Result<Self, ServiceError> {
        let unknown = |why| ServiceError::Unknown {
            dir: dir.to_owned(),
            why,
        };
        let (wal, found) = match Wal::open(dir) {
            Ok(opened) => opened,
            Err(error) if error.is_missing() => return Err(unknown("there is no log")),
            Err(error) => return Err(NodeError::from(error).into()),
        };
        let Memory { records, mark } = Memory::read(dir, found.records)?;
        if mark.as_ref().is_some_and(Mark::is_lost) {
            return Err(unknown("its log was lost and began anew"));
        }
        let position = mark.as_ref().and_then(Mark::position);
        let mut guard = Self {
            wal,
            chain_id,
            mark: position,
            mark_entry: mark.map(Mark::into_entry),
            said: BTreeMap::new(),
            committed: None,
            has_failed: false,
        };
        for record in records {
            guard.restore(record);
        }
        Ok(guard)
    }

    fn restore(&mut self, record: Record) {
        let is_current = self.mark.is_some_and(|mark| mark.height == record.height());
        if !is_current {
            return;
        }
        match record {
            Record::Vouched(statement, signature) => self.keep(*statement, signature),
            // The directory was a node's before: it knows the choice, but not the whole statement.
            Record::Signed(ConsensusMessage::Vote(vote)) if vote.step == Step::Commit => {
                self.committed = self.committed.max(Some((vote.round, vote.digest)));
            }
            Record::Signed(_)
            | Record::Body(_)
            | Record::Lock(_)
            | Record::Decided(_)
            | Record::RaisedTo(_)
            | Record::Lost => {}
        }
    }

    fn keep(&mut self, statement: Statement, signature: Signature) {
        let position = statement.position();
        if let Says::Commit { digest } = statement.says {
            self.committed = self.committed.max(Some((statement.round, digest)));
        }
        self.said.insert(position, (statement, signature));
        while self.said.len() > STATEMENTS_MAX {
            self.said.pop_first();
        }
    }

    /// The highest position signed, or of what stands in for it.
    pub(super) fn mark(&self) -> Option<Position> {
        self.mark
    }

    /// As if a write had failed.
    #[cfg(test)]
    pub(super) fn break_log(&mut self) {
        self.has_failed = true;
    }

    /// Signs, durably, or says why not.
    pub(super) fn sign(&mut self, key: &SecretKey, statement: &Statement) -> Result<Signature, Refused> {
        if statement.domain.chain_id != self.chain_id {
            return Err(Refused::OtherChain);
        }
        if !statement.is_well_formed() {
            return Err(Refused::Malformed);
        }
        if self.has_failed {
            return Err(Refused::Broken {
                reason: "it failed before".to_owned(),
            });
        }
        let position = statement.position();
        if let Some((known, signature)) = self.said.get(&position) {
            return match known == statement {
                true => Ok(*signature),
                false => Err(Refused::Conflict),
            };
        }
        if let Some(mark) = self.mark.filter(|mark| position <= *mark) {
            return Err(Refused::Below {
                height: mark.height.get(),
                round: mark.round.get(),
            });
        }
        let is_new_height = self.mark.is_none_or(|mark| mark.height < position.height);
        if let Some(committed) = self.committed.filter(|_| !is_new_height)
            && statement.forgets(committed)
        {
            return Err(Refused::Forgets {
                round: committed.0.get(),
            });
        }
        let signature = key.sign(&statement.bytes());
        self.remember(statement, signature, is_new_height)
            .map_err(|error| {
                // An fsync is never tried twice, and what is on the disk now nobody knows.
                self.has_failed = true;
                Refused::Broken {
                    reason: error.to_string(),
                }
            })?;
        if is_new_height {
            self.said.clear();
            self.committed = None;
        }
        self.keep(*statement, signature);
        self.mark = Some(position);
        Ok(signature)
    }

    /// Durable when it returns.
    fn remember(
        &mut self,
        statement: &Statement,
        signature: Signature,
        is_new_height: bool,
    ) -> Result<(), super::super::barrier::BarrierError> {
        let entry = codec::to_log(&Record::Vouched(Box::new(*statement), signature))?;
        self.wal.append(entry.kind, entry.height, entry.payload.clone())?;
        self.wal.sync()?;
        self.mark_entry = Some(entry);
        if is_new_height {
            let below = statement.height.get().saturating_sub(1);
            let carry: Vec<wal::Record> = self.mark_entry.iter().cloned().collect();
            self.wal.prune_through(below, &carry)?;
        }
        Ok(())
    }
}
