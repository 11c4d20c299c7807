//! Rates from counters that only grow: differences over whole seconds of the monotonic clock.

use std::collections::VecDeque;

/// Seconds that are remembered.
const SECONDS_MAX: usize = 60;

/// One counter's totals at the beginnings of the last seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    /// (second, total), ascending; one more than [`SECONDS_MAX`] at most.
    samples: VecDeque<(u64, u64)>,
}

impl Meter {
    /// Takes note of the total; of each second only the first one counts.
    pub(super) fn observe(&mut self, mono_ms: u64, total: u64) {
        let second = mono_ms / 1000;
        if self.samples.back().is_some_and(|(last, _)| *last >= second) {
            return;
        }
        self.samples.push_back((second, total));
        while self
            .samples
            .front()
            .is_some_and(|(first, _)| second - first > SECONDS_MAX as u64)
        {
            self.samples.pop_front();
        }
    }

    /// Growth per second over the last `seconds`; `None` before two samples.
    pub(super) fn per_s(&self, seconds: u64) -> Option<f64> {
        let (end, total) = *self.samples.back()?;
        let (start, before) = *self
            .samples
            .iter()
            .rev()
            .skip(1)
            .find(|(second, _)| end - second >= seconds)
            .or_else(|| self.samples.front().filter(|(second, _)| *second < end))?;
        Some(total.saturating_sub(before) as f64 / (end - start) as f64)
    }

    /// Growth in the last minute, or since the first sample if that is later.
    pub(super) fn per_min(&self) -> u64 {
        match (self.samples.front(), self.samples.back()) {
            (Some((_, before)), Some((_, total))) => total.saturating_sub(*before),
            _ => 0,
        }
    }

    /// Growth in each of the last seconds, oldest first, at most [`SECONDS_MAX`]. Where nobody
    /// looked for some seconds, each of them gets its share.
    pub(super) fn history(&self) -> Vec<u32> {
        let mut rates = Vec::with_capacity(SECONDS_MAX);
        for ((start, before), (end, total)) in self.samples.iter().zip(self.samples.iter().skip(1)) {
            let seconds = end - start;
            let rate = total.saturating_sub(*before) / seconds.max(1);
            let rate = u32::try_from(rate).unwrap_or(u32::MAX);
            rates.extend(std::iter::repeat_n(rate, seconds as usize));
        }
        let surplus = rates.len().saturating_sub(SECONDS_MAX);
        rates.drain(..surplus);
        rates
    }
}
