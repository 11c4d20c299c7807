//! The durability barrier (docs/CONSENSUS.md §8): what follows a record leaves only once the record
//! is on disk.
//!
//! Groups of effects go through here on the performer's thread. Effects before the first record of
//! a group need no disk and pass at once; all records of the group share one fsync; what follows
//! passes after it, in order. The first error of the log is the last thing that it says: from then
//! on no effect that rests on a record passes, in this group or any later one. That matters beyond
//! the group that failed, because the machine keeps the messages it signed and sends them again.

use crate::{
    chain::Height,
    consensus::Record,
    engine::Effect,
    storage::wal::{self, Wal},
};

use super::codec;

/// Bytes of records after which a group is synced early: bounds what waits in memory, and one write.
const SYNC_BYTES_MAX: usize = 8 << 20;

/// Why records are not durable.
#[derive(Debug, thiserror::Error)]
pub(super) enum BarrierError {
    /// The disk, or a bound of the log.
    #[error(transparent)]
    Log(#[from] wal::WalError),
    /// A record does not encode.
    #[error(transparent)]
    Record(#[from] codec::RecordError),
    /// Something was signed by a node that cannot remember it.
    #[error("there is no consensus log to keep a signature in; this is a bug, please report it")]
    NoLog,
}

/// What one group made durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Durable {
    /// Records, bytes and time of the last sync.
    pub(super) synced: wal::Synced,
    /// The height of the last signature among the records, or up to which the mark was raised.
    pub(super) signed: Option<u64>,
}

/// The log, and whether it still works.
#[derive(Debug)]
pub(super) struct Barrier {
    log: Option<Wal>,
    /// The record of the highest position signed, or of what stands in for it; survives pruning.
    mark: Option<wal::Record>,
    has_failed: bool,
}

impl Barrier {
    /// A barrier before `log`, in which `mark` is the record of the highest position. Without a log
    /// a node observes: blocks pass, a signature never does.
    pub(super) fn new(log: Option<Wal>, mark: Option<wal::Record>) -> Self {
        Self {
            log,
            mark,
            has_failed: false,
        }
    }

    /// Hands `act` every effect of the group that may be performed, in order.
    ///
    /// # Errors
    /// The first [`BarrierError`] ever; afterwards the barrier stays down without a word.
    pub(super) fn pass(
        &mut self,
        mut group: Vec<Effect>,
        act: &mut dyn FnMut(Effect),
    ) -> Result<Durable, BarrierError> {
        let first = group
            .iter()
            .position(|effect| matches!(effect, Effect::Persist(_)))
            .unwrap_or(group.len());
        let dependent = group.split_off(first);
        self.let_through(group, act);
        let outcome = if dependent.is_empty() || self.has_failed {
            Ok(Durable::default())
        } else {
            self.persist(&dependent)
        };
        self.has_failed |= outcome.is_err();
        self.let_through(dependent, act);
        outcome
    }

    fn let_through(&self, effects: Vec<Effect>, act: &mut dyn FnMut(Effect)) {
        for effect in effects {
            if !self.has_failed || !rests_on_the_log(&effect) {
                act(effect);
            }
        }
    }

    fn persist(&mut self, effects: &[Effect]) -> Result<Durable, BarrierError> {
        let mut durable = Durable::default();
        let mut waiting = 0;
        for effect in effects {
            let Effect::Persist(record) = effect else { continue };
            let is_mark = matches!(
                record,
                Record::Signed(_) | Record::RaisedTo(_) | Record::Lost | Record::Vouched(..)
            );
            let Some(log) = &mut self.log else {
                if is_mark {
                    return Err(BarrierError::NoLog);
                }
                continue;
            };
            let entry = codec::to_log(record)?;
            if is_mark {
                durable.signed = durable.signed.max(Some(entry.height));
                self.mark = Some(entry.clone());
            }
            waiting += entry.payload.len();
            log.append(entry.kind, entry.height, entry.payload)?;
            if waiting > SYNC_BYTES_MAX {
                waiting = 0;
                log.sync()?;
            }
        }
        if let Some(log) = &mut self.log {
            durable.synced = log.sync()?;
        }
        Ok(durable)
    }

    /// Storage holds everything up to `height`: its records go, but never the high-water mark.
    ///
    /// # Errors
    /// [`BarrierError::Log`]; the barrier is down from then on.
    pub(super) fn prune(&mut self, height: Height) -> Result<(), BarrierError> {
        let Some(log) = self.log.as_mut().filter(|_| !self.has_failed) else {
            return Ok(());
        };
        let carry: Vec<wal::Record> = self
            .mark
            .iter()
            .filter(|mark| mark.height <= height.get())
            .cloned()
            .collect();
        let pruned = log.prune_through(height.get(), &carry);
        self.has_failed |= pruned.is_err();
        pruned?;
        Ok(())
    }
}

/// True for effects that a crash could make untrue: what others, or people, would know of us that
/// our own log does not.
fn rests_on_the_log(effect: &Effect) -> bool {
    match effect {
        Effect::Persist(_) | Effect::Broadcast { .. } | Effect::Commit(_) | Effect::SendDecided { .. } => {
            true
        }
        Effect::Sign { .. }
        | Effect::Forward { .. }
        | Effect::SetTimer { .. }
        | Effect::FetchBody { .. }
        | Effect::RequestBlocks(_)
        | Effect::AskStatus { .. }
        | Effect::CallForKey
        | Effect::Relay { .. }
        | Effect::Offer { .. }
        | Effect::FetchTransactions { .. }
        | Effect::Reply { .. }
        | Effect::Pooled(_)
        | Effect::Unpooled(_)
        | Effect::Evidence(_)
        | Effect::Held(_)
        | Effect::SafetyViolation { .. }
        | Effect::Blame { .. }
        | Effect::Note(_)
        | Effect::Happened(_) => false,
    }
}

#[cfg(test)]
mod tests;
