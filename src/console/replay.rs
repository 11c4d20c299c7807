//! What a console that looks at a recording knows of it: where it is, how fast it goes, and what the
//! recording spans. Kept by [`super::source`], shown by the time bar.

use std::sync::Arc;

use crate::recorder::Moments;

/// How fast a recording can be played.
pub(super) const SPEEDS: [u32; 6] = [1, 2, 5, 10, 30, 60];

/// A recording on show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Replay {
    pub(super) moments: Arc<Moments>,
    /// The moment on show.
    pub(super) at_ms: u64,
    pub(super) playing: bool,
    /// Times real time.
    pub(super) speed: u32,
    /// Why the last jump did not come about.
    pub(super) trouble: Option<String>,
}

/// What can be asked of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplayAct {
    PlayPause,
    Faster,
    Slower,
    StepOn,
    StepBack,
    MinuteOn,
    MinuteBack,
    HourOn,
    HourBack,
    /// To a moment, in ms since 1970.
    At(u64),
    NextAlarm,
    PreviousAlarm,
    Start,
    End,
}
