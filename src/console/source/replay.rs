//! A recording as a source: snapshots and events of the moment it is at, and that moment goes on
//! while it plays.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::Feed;
use crate::{
    console::{
        model::EVENTS_MAX,
        replay::{Replay, ReplayAct, SPEEDS},
        update::Msg,
    },
    control::{Batch, Command, CommandError, Moment, Status},
    recorder::{Moments, Recording},
};

/// How far before an alarm a jump lands: what led to it is worth seeing.
const BEFORE_ALARM_MS: u64 = 2_000;
/// How long after a snapshot its timers and ages run on.
const RUNS_ON_MS: u64 = 1_500;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// A recording and the moment it is at.
pub(super) struct ReplayFeed {
    recording: Recording,
    moments: Arc<Moments>,
    at_ms: u64,
    playing: bool,
    speed: usize,
    /// When the moment was last moved on.
    moved: Instant,
    /// The snapshot on show.
    shown: Option<(usize, Arc<Status>)>,
    /// Up to when events have been told; `None` after a jump.
    told_ms: Option<u64>,
    trouble: Option<String>,
    told: Option<Replay>,
}

impl ReplayFeed {
    /// Opens at a moment; without one, at the end.
    pub(super) fn open(recording: Recording, at_ms: Option<u64>) -> Self {
        let moments = Arc::new(recording.moments().clone());
        let at_ms = at_ms.unwrap_or(moments.to_ms);
        Self {
            at_ms: at_ms.clamp(moments.from_ms, moments.to_ms),
            moments,
            recording,
            playing: false,
            speed: 0,
            moved: Instant::now(),
            shown: None,
            told_ms: None,
            trouble: None,
            told: None,
        }
    }

    fn jump(&mut self, to_ms: u64) {
        self.at_ms = to_ms.clamp(self.moments.from_ms, self.moments.to_ms);
        self.told_ms = None;
    }

    fn step(&mut self, on: bool) {
        self.playing = false;
        let index = self.recording.index_at(self.at_ms);
        let index = match on {
            true => (index + 1).min(self.recording.snapshots() - 1),
            false => index.saturating_sub(1),
        };
        let to = self.recording.time_of(index);
        match on {
            // Going on by a step tells what happened in it, as playing does.
            true => self.at_ms = to.max(self.at_ms),
            false => self.jump(to),
        }
    }

    fn go_on(&mut self) {
        let since = self.moved.elapsed();
        self.moved = Instant::now();
        if !self.playing {
            return;
        }
        let ms = since.min(Duration::from_secs(1)).as_millis() as u64 * u64::from(SPEEDS[self.speed]);
        self.at_ms = (self.at_ms + ms).min(self.moments.to_ms);
        self.playing = self.at_ms < self.moments.to_ms;
    }

    fn state(&self) -> Replay {
        Replay {
            moments: Arc::clone(&self.moments),
            at_ms: self.at_ms,
            playing: self.playing,
            speed: SPEEDS[self.speed],
            trouble: self.trouble.clone(),
        }
    }
}

impl Feed for ReplayFeed {
    fn now(&mut self) -> Moment {
        self.go_on();
        // The clock is asked for before the first news, and the first frame needs it already.
        let at = match &self.shown {
            Some((_, status)) => Some(status.at),
            None => self
                .recording
                .status(self.recording.index_at(self.at_ms))
                .ok()
                .map(|status| status.at),
        };
        let mono_ms = at.map_or(0, |at| {
            // Between two snapshots both clocks of the node went on alike. Where snapshots are far apart,
            // ages stop: what would have ended them was not recorded.
            at.mono_ms + self.at_ms.saturating_sub(at.unix_ms).min(RUNS_ON_MS)
        });
        Moment {
            unix_ms: self.at_ms,
            mono_ms,
        }
    }

    fn is_over(&self) -> bool {
        false
    }

    fn news(&mut self) -> Vec<Msg> {
        let mut news = Vec::new();
        let index = self.recording.index_at(self.at_ms);
        let is_new = self.shown.as_ref().is_none_or(|(shown, _)| *shown != index);
        if is_new {
            match self.recording.status(index) {
                Ok(status) => {
                    let status = Arc::new(status);
                    self.shown = Some((index, Arc::clone(&status)));
                    self.trouble = None;
                    news.push(Msg::Status(status));
                }
                Err(error) => {
                    self.playing = false;
                    self.trouble = Some(error.to_string());
                }
            }
        }
        if self.told_ms.is_none() {
            news.push(Msg::Fresh);
        }
        if self.told_ms != Some(self.at_ms) {
            let after = self.told_ms.unwrap_or(0);
            match self.recording.events(after, self.at_ms, EVENTS_MAX) {
                Ok(items) => {
                    if !items.is_empty() {
                        news.push(Msg::Events(Batch {
                            next: items.last().map_or(0, |event| event.seq + 1),
                            missed: 0,
                            items,
                        }));
                    }
                }
                Err(error) => self.trouble = Some(error.to_string()),
            }
            self.told_ms = Some(self.at_ms);
        }
        let state = self.state();
        if self.told.as_ref() != Some(&state) {
            self.told = Some(state.clone());
            news.push(Msg::Replay(state));
        }
        news
    }

    fn answers(&mut self) -> Vec<Msg> {
        Vec::new()
    }

    fn send(&mut self, id: u64, _: Command) -> Option<Msg> {
        let reason = "this is a recording: nothing can be changed in it".to_owned();
        Some(Msg::Answer(id, Err(CommandError::Invalid { reason })))
    }

    fn replay(&mut self, act: ReplayAct) {
        self.go_on();
        match act {
            ReplayAct::PlayPause => {
                // At the end there is nothing to play: begin again.
                if !self.playing && self.at_ms >= self.moments.to_ms {
                    self.jump(self.moments.from_ms);
                }
                self.playing = !self.playing;
            }
            ReplayAct::Faster => self.speed = (self.speed + 1).min(SPEEDS.len() - 1),
            ReplayAct::Slower => self.speed = self.speed.saturating_sub(1),
            ReplayAct::StepOn => self.step(true),
            ReplayAct::StepBack => self.step(false),
            ReplayAct::MinuteOn => self.jump(self.at_ms + MINUTE_MS),
            ReplayAct::MinuteBack => self.jump(self.at_ms.saturating_sub(MINUTE_MS)),
            ReplayAct::HourOn => self.jump(self.at_ms + HOUR_MS),
            ReplayAct::HourBack => self.jump(self.at_ms.saturating_sub(HOUR_MS)),
            ReplayAct::At(to_ms) => {
                let (from_ms, end_ms) = (self.moments.from_ms, self.moments.to_ms);
                self.jump(to_ms);
                if !(from_ms..=end_ms).contains(&to_ms) {
                    self.trouble = Some("not in this recording: its nearest end".to_owned());
                }
            }
            ReplayAct::NextAlarm => {
                // Where a jump landed, its own alarm is still ahead.
                let next = self.recording.mark_after(self.at_ms + BEFORE_ALARM_MS);
                match next.map(|mark| mark.unix_ms) {
                    Some(at) => self.jump(at.saturating_sub(BEFORE_ALARM_MS)),
                    None => self.trouble = Some("no later alarm in this recording".to_owned()),
                }
            }
            ReplayAct::PreviousAlarm => {
                let before = self.recording.mark_before(self.at_ms);
                match before.map(|mark| mark.unix_ms) {
                    Some(at) => self.jump(at.saturating_sub(BEFORE_ALARM_MS)),
                    None => self.trouble = Some("no earlier alarm in this recording".to_owned()),
                }
            }
            ReplayAct::Start => self.jump(self.moments.from_ms),
            ReplayAct::End => {
                self.playing = false;
                self.jump(self.moments.to_ms);
            }
        }
    }
}
