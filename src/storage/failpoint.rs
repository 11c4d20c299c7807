//! Where a test may end this process, or fail its disk: at any write, sync, rename or removal of the
//! consensus log and the chain database.
//!
//! This exists only in builds with debug assertions or the test-only feature `failpoints`; the binary
//! that people run has none of it, and tests/it looks. A test writes what shall happen into the file
//! [`PLAN_FILE`] of a data directory; opening the directory reads the plan and removes it, so that the
//! next start is a healthy one.

#[cfg(any(debug_assertions, feature = "failpoints"))]
pub use armed::{PLAN_FILE, STALL_FILE};
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub(crate) use armed::{arm, begins, pass, pass_write, stop_if_asked};

#[cfg(not(any(debug_assertions, feature = "failpoints")))]
pub(crate) use absent::{arm, begins, pass, pass_write, stop_if_asked};

#[cfg(any(debug_assertions, feature = "failpoints"))]
mod armed {
    use std::{
        fs, io,
        path::{Path, PathBuf},
        sync::{Mutex, OnceLock, PoisonError},
    };

    use rustix::process::{Signal, getpid, kill_process};

    /// `kill HEIGHT POINT`, `tear HEIGHT POINT` or `fail HEIGHT POINT`: when the log has come to the
    /// height, operations are counted from 1; at that one the process is killed before it, or, if it
    /// writes, in the middle of it; or it and nothing else fails. `stall` and `panic`: the engine stands
    /// still for ever, or its thread panics, once the directory holds [`STALL_FILE`].
    pub const PLAN_FILE: &str = "FAILPOINT";

    /// What a test makes when the engine shall stand still, or panic.
    pub const STALL_FILE: &str = "STALL";

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Deed {
        Kill,
        Tear,
        Fail,
    }

    #[derive(Debug, Clone, Copy)]
    struct Plan {
        deed: Deed,
        height: u64,
        /// Operations until it happens; counted down once the height has begun.
        left: u64,
        has_begun: bool,
    }

    static PLAN: Mutex<Option<Plan>> = Mutex::new(None);
    /// Where to look for the wish that the engine stands still, and whether it shall panic instead; set only
    /// by such a plan.
    static STALL: OnceLock<(PathBuf, bool)> = OnceLock::new();

    fn parsed(text: &str) -> Option<Plan> {
        let mut words = text.split_whitespace();
        let deed = match words.next()? {
            "kill" => Deed::Kill,
            "tear" => Deed::Tear,
            "fail" => Deed::Fail,
            _ => return None,
        };
        Some(Plan {
            deed,
            height: words.next()?.parse().ok()?,
            left: words.next()?.parse().ok()?,
            has_begun: false,
        })
    }

    /// Takes the plan of a data directory, if there is one.
    pub(crate) fn arm(data_dir: &Path) {
        let path = data_dir.join(PLAN_FILE);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let is_panic = text.trim() == "panic";
        if (is_panic || text.trim() == "stall") && fs::remove_file(&path).is_ok() {
            tracing::warn!(is_panic, "a test is going to stop this node's engine");
            let _ = STALL.set((data_dir.join(STALL_FILE), is_panic));
            return;
        }
        let Some(plan) = parsed(&text) else {
            return;
        };
        if fs::remove_file(&path).is_ok() {
            tracing::warn!(?plan, "a test is going to break this node");
            *PLAN.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
        }
    }

    /// The engine goes round once more, or never again.
    pub(crate) fn stop_if_asked() {
        while let Some((_, is_panic)) = STALL.get().filter(|(path, _)| path.exists()) {
            assert!(!is_panic, "a test asked for it");
            std::thread::park();
        }
    }

    /// The log takes a record of `height`.
    pub(crate) fn begins(height: u64) {
        let mut plan = PLAN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plan.as_mut() {
            plan.has_begun |= height >= plan.height;
        }
    }

    /// Counts one operation, and says what it shall come to.
    fn reached() -> Option<Deed> {
        let mut place = PLAN.lock().unwrap_or_else(PoisonError::into_inner);
        let plan = place.as_mut().filter(|plan| plan.has_begun)?;
        plan.left = plan.left.saturating_sub(1);
        if plan.left > 0 {
            return None;
        }
        let deed = plan.deed;
        *place = None;
        Some(deed)
    }

    fn end() -> ! {
        // Nothing of this process runs on, as in a power cut; what the kernel has it keeps.
        let _ = kill_process(getpid(), Signal::KILL);
        loop {
            std::thread::park();
        }
    }

    fn broken() -> io::Error {
        io::Error::other("a test broke this disk")
    }

    /// Before an operation that happens whole or not at all.
    pub(crate) fn pass() -> io::Result<()> {
        match reached() {
            None => Ok(()),
            Some(Deed::Kill | Deed::Tear) => end(),
            Some(Deed::Fail) => Err(broken()),
        }
    }

    /// Before a write, which can also end half way: `write_half` then does half of it.
    pub(crate) fn pass_write(write_half: impl FnOnce()) -> io::Result<()> {
        match reached() {
            None => Ok(()),
            Some(Deed::Kill) => end(),
            Some(Deed::Tear) => {
                write_half();
                end()
            }
            Some(Deed::Fail) => Err(broken()),
        }
    }
}

#[cfg(not(any(debug_assertions, feature = "failpoints")))]
mod absent {
    use std::{io, path::Path};

    pub(crate) const fn arm(_data_dir: &Path) {}

    pub(crate) const fn begins(_height: u64) {}

    pub(crate) const fn stop_if_asked() {}

    pub(crate) const fn pass() -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn pass_write(_write_half: impl FnOnce()) -> io::Result<()> {
        Ok(())
    }
}
