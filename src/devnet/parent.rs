//! How a node of a devnet learns that its devnet is gone: the parent holds the other end of its
//! standard input, and the kernel closes it however the parent ends, `kill -9` included.

use std::{
    io::{self, Read},
    thread,
};

use rustix::process::{Signal, getpid, kill_process};

/// The flag with which a devnet starts its nodes.
pub const DIE_WITH_PARENT: &str = "--die-with-parent";

/// From now on, the end of standard input stops this process as SIGTERM does: in order, and within
/// the same time.
///
/// # Errors
/// If the system gives no thread to wait on.
pub fn stop_with_parent() -> io::Result<()> {
    thread::Builder::new()
        .name("parent-watch".to_owned())
        .spawn(|| {
            wait_for_the_end_of(io::stdin().lock());
            // Nothing but a missing process could make it fail, and this one is here.
            let _ = kill_process(getpid(), Signal::TERM);
        })
        .map(drop)
}

fn wait_for_the_end_of(mut input: impl Read) {
    let mut bytes = [0; 64];
    loop {
        match input.read(&mut bytes) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
