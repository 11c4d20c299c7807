//! How a node of a devnet learns that its devnet is gone: the parent holds the other end of its
//! standard input, and the kernel closes it however the parent ends, `kill -9` included.

use std::{
    io::{self, Read},
    thread,
};

/// The flag with which a devnet starts its nodes.
pub const DIE_WITH_PARENT: &str = "--die-with-parent";

/// Calls `gone` once when standard input ends.
///
/// # Errors
/// If the system gives no thread to wait on.
pub fn when_parent_ends(gone: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name("parent-watch".to_owned())
        .spawn(move || {
            let mut stdin = io::stdin().lock();
            let mut bytes = [0; 64];
            loop {
                match stdin.read(&mut bytes) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            gone();
        })
        .map(drop)
}
