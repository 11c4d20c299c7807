//! One clock for everything that is shown: wall time for people, monotonic time for ages.
//!
//! Every age on a screen is a difference of monotonic stamps, so a step of the wall clock can never
//! make a vote look late or a peer look silent.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A moment on both clocks of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since 1970 UTC, as the wall clock said.
    pub unix_ms: u64,
    /// Milliseconds since this process began, never going back.
    pub mono_ms: u64,
}

impl Moment {
    /// Milliseconds from `earlier` to this moment by the monotonic clock; 0 if it lies ahead.
    pub fn since_ms(&self, earlier: Moment) -> u64 {
        self.mono_ms.saturating_sub(earlier.mono_ms)
    }
}

/// The origin that all [`Moment`]s of a process share. Make one at start and copy it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose monotonic zero is now.
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// This moment.
    pub fn now(&self) -> Moment {
        let unix_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
        Moment {
            unix_ms,
            mono_ms: self.mono_ms(Instant::now()),
        }
    }

    /// The monotonic stamp of an instant; 0 for instants before the origin.
    pub fn mono_ms(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.origin).as_millis() as u64
    }
}
