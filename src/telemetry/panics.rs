//! Panics become log lines. The terminal is not touched here: the console restores it on its own
//! thread when it catches a panic of its own, and a panic of any other thread must leave the screen
//! as it is.

use std::{
    io::Write,
    panic::{self, PanicHookInfo},
};

use super::StderrGate;

/// Installs the process-wide hook: every panic is logged with its thread and place, and shown on
/// stderr only while nobody draws there.
pub(super) fn install(gate: StderrGate) {
    panic::set_hook(Box::new(move |info| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed").to_owned();
        let place = info.location().map_or_else(String::new, ToString::to_string);
        let cause = cause(info);
        tracing::error!(thread = %name, at = %place, cause = %cause, "a thread panicked");
        if gate.is_open() {
            // Logging may be the very thing that broke, so stderr hears it without the log.
            let _ = writeln!(std::io::stderr(), "thread {name} panicked at {place}: {cause}");
        }
    }));
}

fn cause(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
