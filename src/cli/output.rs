//! Writing to the standard streams. A reader that went away (`timed status | head -1`) is no error.

use std::{
    io::{self, BufRead, IsTerminal, Read, Write},
    path::Path,
};

use serde::Serialize;

use super::failure::{Code, Failure};

/// One line to stdout.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    raw(&format!("{text}\n"))
}

/// Text to stdout as it is.
pub(super) fn raw(text: &str) -> Result<(), Failure> {
    is_taken(text).map(|_| ())
}

/// Text to stdout as it is; false if nobody reads there any more.
pub(super) fn is_taken(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(
            Code::Io,
            format!("standard output: {error}; check where it goes"),
        )),
    }
}

/// JSON to stdout, for people too. An object says which version of its shape it is.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let unexpected = |error| Failure::new(Code::Unexpected, format!("{error}; please report it"));
    let mut value = serde_json::to_value(value).map_err(unexpected)?;
    if let Some(object) = value.as_object_mut() {
        object.entry("schema").or_insert_with(|| 1.into());
    }
    line(&serde_json::to_string_pretty(&value).map_err(unexpected)?)
}

/// One line to stderr; if even that fails there is nobody left to tell.
pub(super) fn diagnostic(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Puts a question to the person at the terminal; the answer without its line end.
pub(super) fn ask(question: &str) -> Result<String, Failure> {
    /// Longest answer that is read.
    const ANSWER_BYTES_MAX: u64 = 1_024;
    raw(question)?;
    let mut answer = String::new();
    let read = io::stdin().lock().take(ANSWER_BYTES_MAX).read_line(&mut answer);
    let read = read.map_err(|error| Failure::io(Path::new("standard input"), &error))?;
    if read == 0 {
        // Enter is an answer; an end is none.
        return Err(Failure::new(Code::Refused, "the input ended; nothing was done"));
    }
    Ok(answer.trim().to_owned())
}

/// Whether a person sits at both ends, so that a console can be drawn and keys can be read.
pub(super) fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}
