//! Consensus records as the log stores them: one kind number each, and the record's own bytes.

use bincode::config;

use crate::{consensus::Record, storage::wal};

/// Bytes that are not what the log or the database should hold.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct RecordError {
    reason: String,
}

impl RecordError {
    fn new(reason: impl ToString) -> Self {
        Self {
            reason: reason.to_string(),
        }
    }
}

const SIGNED: u8 = 1;
const BODY: u8 = 2;
const LOCK: u8 = 3;
const DECIDED: u8 = 4;
const RAISED: u8 = 5;
const LOST: u8 = 6;
const VOUCHED: u8 = 7;

/// Decoding a record never takes more memory than this: a body at its limit and its lists.
const RECORD_DECODED_MAX: usize = 64 << 20;

fn layout() -> impl config::Config {
    config::standard()
        .with_fixed_int_encoding()
        .with_limit::<RECORD_DECODED_MAX>()
}

/// The log's form of `record`.
///
/// # Errors
/// [`RecordError`] if it does not encode, which a record within its limits always does.
pub(super) fn to_log(record: &Record) -> Result<wal::Record, RecordError> {
    let kind = match record {
        Record::Signed(_) => SIGNED,
        Record::Body(_) => BODY,
        Record::Lock(_) => LOCK,
        Record::Decided(_) => DECIDED,
        Record::RaisedTo(_) => RAISED,
        Record::Lost => LOST,
        Record::Vouched(..) => VOUCHED,
    };
    let payload = bincode::encode_to_vec(record, layout()).map_err(RecordError::new)?;
    Ok(wal::Record {
        kind,
        height: record.height().get(),
        payload,
    })
}

/// The record in one entry of the log; its checksum held already.
///
/// # Errors
/// [`RecordError`] if the bytes are no record: written by a newer version, or a bug.
pub(super) fn from_log(entry: &wal::Record) -> Result<Record, RecordError> {
    let (record, used) =
        bincode::decode_from_slice::<Record, _>(&entry.payload, layout()).map_err(RecordError::new)?;
    if used != entry.payload.len() || record.height().get() != entry.height {
        return Err(RecordError::new("record and its envelope differ"));
    }
    Ok(record)
}
