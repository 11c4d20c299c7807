//! Durations in bounded memory: 1 % wide buckets, exact minimum of work per sample.

use std::time::Duration;

use serde::Serialize;

/// Buckets per doubling: a bucket is at most 1/64 wide, so a percentile is off by less than 1.6 %.
const STEPS: u64 = 64;
/// Values below this many microseconds have a bucket each.
const EXACT: u64 = 2 * STEPS;

/// Counts durations, in microseconds up to centuries, and answers percentiles.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max_us: u64,
}

/// The percentiles that reports show, in milliseconds; 0 if nothing was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50: f64,
    /// 95 of 100 are at most this.
    pub p95: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The longest, exactly.
    pub max: f64,
}

impl Histogram {
    /// Counts one duration.
    pub fn add(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = bucket_of(us);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The duration that `share` of all do not exceed, in milliseconds; 0 if nothing was counted.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let wanted = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return ms(upper_end(bucket).min(self.max_us));
            }
        }
        0.0
    }

    /// What reports show.
    pub fn percentiles(&self) -> Percentiles {
        Percentiles {
            p50: self.quantile_ms(0.50),
            p95: self.quantile_ms(0.95),
            p99: self.quantile_ms(0.99),
            max: ms(self.max_us),
        }
    }
}

/// Microseconds as milliseconds with two decimals: finer would claim more than was measured.
fn ms(us: u64) -> f64 {
    (us as f64 / 10.0).round() / 100.0
}

fn bucket_of(us: u64) -> usize {
    if us < EXACT {
        return us as usize;
    }
    let shift = us.ilog2() - EXACT.ilog2() + 1;
    (u64::from(shift) * STEPS + (us >> shift)) as usize
}

/// The largest value of a bucket.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    let step = bucket - shift * STEPS;
    ((step + 1) << shift) - 1
}
