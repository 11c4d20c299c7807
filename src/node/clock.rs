//! The node's clocks: one origin for every deadline, stamp and age of this process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::{
    chain::TimestampMs,
    consensus::{Mono, Now},
    control::Clock,
};

/// Both clocks with one origin, shared with the faces' [`Clock`] so that their stamps compare.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeClock {
    origin: Instant,
    faces: Clock,
}

impl NodeClock {
    /// Starts now.
    pub(super) fn start() -> Self {
        let faces = Clock::start();
        Self {
            origin: Instant::now(),
            faces,
        }
    }

    /// The moment as the engine takes it.
    pub(super) fn now(&self) -> Now {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Now {
            mono: self.mono(),
            wall: TimestampMs::new(wall),
        }
    }

    /// The monotonic half. It starts at one second, so that zero stays "never".
    pub(super) fn mono(&self) -> Mono {
        let micros = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        Mono::from_micros(micros.saturating_add(1_000_000))
    }

    /// The clock that faces stamp with.
    pub(super) fn faces(&self) -> Clock {
        self.faces
    }

    /// An engine stamp on the faces' monotonic scale, in milliseconds.
    pub(super) fn face_ms(&self, at: Mono) -> u64 {
        let at = self.origin + Duration::from_micros(at.micros().saturating_sub(1_000_000));
        self.faces.mono_ms(at)
    }
}
