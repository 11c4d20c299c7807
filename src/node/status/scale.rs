//! From the engine's clock to the faces' stamps.

use crate::{consensus::Mono, control::Moment};

use super::super::clock::NodeClock;

/// Stamps engine instants relative to one moment that was read on both clocks. One scale serves a
/// whole height, so that the stamp of an instant does not flicker from look to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    clock: NodeClock,
    anchor: Moment,
}

impl Scale {
    /// A scale that takes the wall clock's word at `anchor`.
    pub(super) fn new(clock: NodeClock, anchor: Moment) -> Self {
        Self { clock, anchor }
    }

    /// Milliseconds on the faces' monotonic clock.
    pub(super) fn mono_ms(&self, at: Mono) -> u64 {
        self.clock.face_ms(at)
    }

    /// The stamp of an instant.
    pub(super) fn moment(&self, at: Mono) -> Moment {
        let mono_ms = self.mono_ms(at);
        let unix_ms = (self.anchor.unix_ms + mono_ms).saturating_sub(self.anchor.mono_ms);
        Moment { unix_ms, mono_ms }
    }
}
