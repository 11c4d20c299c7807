//! Why a recording cannot be written or read.

use std::{io, path::PathBuf};

/// What goes wrong with a recording.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// There is none.
    #[error("no recording at {}; name a file, or a data directory whose node has recorder.enabled", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It holds no snapshot.
    #[error("the recording at {} holds no moment yet; let the node run for some seconds", path.display())]
    Empty {
        /// Where.
        path: PathBuf,
    },
    /// No moment lies in the span asked for.
    #[error("the recording holds nothing in that span; see its beginning and end with `timed replay --info`")]
    NothingThere,
    /// The file is something else.
    #[error("{} is no recording of timed", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// Another version wrote it in another layout.
    #[error(
        "{} was recorded by timed {version}, which kept it in another form than timed {}; use that version to look at it",
        path.display(),
        env!("CARGO_PKG_VERSION")
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Who wrote it.
        version: String,
    },
    /// The disk refused.
    #[error("{}: {source}; check the disk and who owns the file", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("no thread for the recorder: {0}; check `ulimit -u`")]
    Thread(io::Error),
}

impl RecorderError {
    /// For `map_err` with the path at hand.
    pub(super) fn io(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
