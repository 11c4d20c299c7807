//! How far a start is, on the terminal that the console will take: one line per step, so that a database
//! that takes a minute to open does not look like a program that hangs. The lines stay above whatever
//! comes after, also above the reason why a start failed.

use std::{
    io::{self, Write},
    sync::Arc,
};

use crate::{control::words::duration, node::TellStart};

/// Tells a person who waits for the console.
pub(super) fn shown() -> TellStart {
    Arc::new(|step, took_ms| {
        let mut err = io::stderr().lock();
        // If even that fails there is nobody left to tell.
        let _ = match took_ms {
            None => write!(err, "  ..  {step}"),
            Some(ms) => writeln!(err, "\r  ok  {step}  {}", duration(ms)),
        };
        let _ = err.flush();
    })
}

/// Ends the line of a step that failed.
pub(super) fn broken_off() {
    let _ = writeln!(io::stderr().lock());
}

/// Tells nobody: the log has the same.
pub(super) fn silent() -> TellStart {
    Arc::new(|_, _| ())
}
