//! What is on screen, written to files: the characters as they stand there, and the snapshot they come
//! from, for a report or for somebody else to look at.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::model::Model;

/// Files kept in the directory. Beyond that the operator has to make room: nothing is deleted here.
const FILES_MAX: usize = 1_000;

/// Writes both files below the node's data directory; the path of the text.
///
/// # Errors
/// Why not, ending with what to do.
pub(super) fn write(model: &Model, text: &str) -> Result<PathBuf, String> {
    let shown = model.shown();
    let data_dir = &shown.status.node.data_dir;
    if data_dir.as_os_str().is_empty() {
        return Err("the node has not told its data directory yet; try again".to_owned());
    }
    let dir = data_dir.join("exports");
    let stem = format!(
        "{}-{}",
        stamp(model.live.now.unix_ms),
        model.screen.name().to_lowercase()
    );
    let snapshot = serde_json::to_vec_pretty(&*shown.status).map_err(|error| error.to_string())?;
    let written = || -> io::Result<PathBuf> {
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        if fs::read_dir(&dir)?.take(FILES_MAX).count() >= FILES_MAX {
            return Err(io::Error::other(format!(
                "it holds {FILES_MAX} files; remove some"
            )));
        }
        put(&dir.join(format!("{stem}.json")), &snapshot)?;
        let path = dir.join(format!("{stem}.txt"));
        put(&path, text.as_bytes())?;
        Ok(path)
    };
    written().map_err(|error| format!("{}: {error}", dir.display()))
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(bytes)
}

/// `20261120-142207-300`: sorts by time.
fn stamp(unix_ms: u64) -> String {
    let (days, ms) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let (year, month, day) = super::format::date(days);
    let s = ms / 1_000;
    format!(
        "{year:04}{month:02}{day:02}-{:02}{:02}{:02}-{:03}",
        s / 3_600,
        s % 3_600 / 60,
        s % 60,
        ms % 1_000
    )
}
