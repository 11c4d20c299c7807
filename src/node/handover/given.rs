//! The mark in a directory whose signing state was given away. It is the state itself, so that a lost
//! export can be written again.

use std::{fs, io, path::Path};

use crate::storage::{
    atomic_file,
    disk::{Disk, RealDisk},
};

use super::{super::NodeError, HandoverError, StateFile, StateFileError};

/// Name of the mark, beside the log.
pub const GIVEN_FILE: &str = "given-away.json";

/// What was given away, if anything was.
pub(super) fn read(log_dir: &Path) -> Result<Option<StateFile>, HandoverError> {
    let path = log_dir.join(GIVEN_FILE);
    match path.try_exists() {
        Ok(true) => match StateFile::read(&path) {
            Ok(state) => Ok(Some(state)),
            // The advice for a file that travelled, to export it again, ends here.
            Err(StateFileError::Damaged { reason, .. }) => Err(HandoverError::MarkDamaged {
                dir: log_dir.to_owned(),
                path,
                reason,
            }),
            Err(error) => Err(error.into()),
        },
        Ok(false) => Ok(None),
        Err(source) => Err(mark_error(log_dir, source).into()),
    }
}

/// Durably marks the directory.
pub(super) fn keep(log_dir: &Path, state: &StateFile) -> Result<(), NodeError> {
    atomic_file::write(&log_dir.join(GIVEN_FILE), state.to_text().as_bytes())
        .map_err(|source| mark_error(log_dir, source))
}

/// Takes the mark away, durably.
pub(super) fn forget(log_dir: &Path) -> Result<(), NodeError> {
    match fs::remove_file(log_dir.join(GIVEN_FILE)) {
        Ok(()) => RealDisk
            .sync_dir(log_dir)
            .map_err(|source| mark_error(log_dir, source)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(mark_error(log_dir, source)),
    }
}

/// A node that would sign does not start where the state was given away; a mark that cannot be looked
/// for counts as there.
///
/// # Errors
/// [`NodeError::GivenAway`], [`NodeError::Mark`].
pub(in crate::node) fn refuse_given(log_dir: &Path) -> Result<(), NodeError> {
    let path = log_dir.join(GIVEN_FILE);
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(NodeError::GivenAway { path }),
        Err(source) => Err(mark_error(log_dir, source)),
    }
}

fn mark_error(log_dir: &Path, source: io::Error) -> NodeError {
    NodeError::Mark {
        path: log_dir.join(GIVEN_FILE),
        source,
    }
}
