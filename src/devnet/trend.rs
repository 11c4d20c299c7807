//! Whether nodes grow: memory, descriptors and threads of each, early and late in a run.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::figures::{ProcessFigures, descriptors, threads};

/// How often nodes are looked at.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Samples kept of a node; a longer run keeps every second one of them, then every fourth.
const SAMPLES_MAX: usize = 4_096;
/// A node is young after a start: its caches fill. Such samples do not count.
const YOUNG: Duration = Duration::from_secs(10);

/// A figure over a run: the medians of the thirds of its samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct EarlyLate {
    /// Median of the first third, in which caches fill.
    pub early: f64,
    /// Median of the second third.
    pub middle: f64,
    /// Median of the last third.
    pub late: f64,
}

impl EarlyLate {
    /// True if the last third is above the second by more than `allowed` and a tenth. The first does not
    /// count: what fills up then stays full.
    fn grows(self, allowed: f64) -> bool {
        self.late > self.middle * 1.1 + allowed
    }
}

/// Looks, a second apart at least, below which nothing is judged.
const SAMPLES_MIN: usize = 60;
/// Megabytes that a node's memory may differ by from one third of a run to the next: what allocator and
/// database take and give back with the load.
const MEMORY_ALLOWED_MB: f64 = 16.0;
/// Descriptors that come and go with the sessions and requests of a frozen or cut-off peer.
const DESCRIPTORS_ALLOWED: f64 = 40.0;
/// Threads that come and go with look-ups.
const THREADS_ALLOWED: f64 = 8.0;

/// How one node's use of the machine went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct NodeTrend {
    /// Memory (VmRSS), megabytes.
    pub rss_mb: EarlyLate,
    /// Open file descriptors.
    pub descriptors: EarlyLate,
    /// Threads.
    pub threads: EarlyLate,
    /// Looks that these are the medians of.
    pub samples: usize,
}

impl NodeTrend {
    /// What did not stay flat, in words. Nothing is said of a run that was too short to tell.
    pub fn growth(&self) -> Vec<String> {
        if self.samples < SAMPLES_MIN {
            return Vec::new();
        }
        let figures = [
            ("memory", self.rss_mb, MEMORY_ALLOWED_MB, " MB"),
            ("descriptors", self.descriptors, DESCRIPTORS_ALLOWED, ""),
            ("threads", self.threads, THREADS_ALLOWED, ""),
        ];
        let grown = figures
            .into_iter()
            .filter(|(_, figure, allowed, _)| figure.grows(*allowed));
        grown
            .map(|(what, figure, _, unit)| {
                format!("{what} grew from {} to {}{unit}", figure.middle, figure.late)
            })
            .collect()
    }
}

/// Samples of all nodes.
#[derive(Debug, Default)]
pub(super) struct Trends {
    nodes: Vec<Node>,
    last: Option<Instant>,
}

#[derive(Debug, Default)]
struct Node {
    /// Process, and since when it is looked at.
    since: Option<(u32, Instant)>,
    samples: Vec<[f64; 3]>,
    /// One of so many looks is kept.
    keep: usize,
    looks: usize,
}

impl Trends {
    /// Looks at the nodes, if it is time to.
    pub(super) fn look(&mut self, pids: &[Option<u32>], now: Instant) {
        if self.last.is_some_and(|last| now - last < SAMPLE_EVERY) {
            return;
        }
        self.last = Some(now);
        self.nodes.resize_with(pids.len(), Node::default);
        for (node, pid) in self.nodes.iter_mut().zip(pids) {
            let Some(pid) = *pid else {
                node.since = None;
                continue;
            };
            let since = match node.since {
                Some((known, since)) if known == pid => since,
                _ => now,
            };
            node.since = Some((pid, since));
            if now - since >= YOUNG {
                let memory = ProcessFigures::of(pid).resident_bytes as f64 / 1e6;
                node.add([memory, descriptors(pid) as f64, threads(pid) as f64]);
            }
        }
    }

    /// What came of it, by node.
    pub(super) fn trends(&self) -> Vec<NodeTrend> {
        self.nodes
            .iter()
            .map(|node| {
                let of = |index: usize| early_late(&node.samples, index);
                NodeTrend {
                    rss_mb: of(0),
                    descriptors: of(1),
                    threads: of(2),
                    samples: node.samples.len(),
                }
            })
            .collect()
    }
}

impl Node {
    fn add(&mut self, sample: [f64; 3]) {
        self.looks += 1;
        self.keep = self.keep.max(1);
        if !self.looks.is_multiple_of(self.keep) {
            return;
        }
        if self.samples.len() == SAMPLES_MAX {
            let mut index = 0;
            self.samples.retain(|_| {
                index += 1;
                index % 2 == 0
            });
            self.keep *= 2;
        }
        self.samples.push(sample);
    }
}

fn early_late(samples: &[[f64; 3]], index: usize) -> EarlyLate {
    let third = samples.len().div_ceil(3);
    let median = |part: &[[f64; 3]]| {
        let mut values: Vec<f64> = part.iter().map(|sample| sample[index]).collect();
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.get(values.len() / 2).copied().unwrap_or(0.0);
        (middle * 10.0).round() / 10.0
    };
    let last = samples.len() - third;
    EarlyLate {
        early: median(&samples[..third]),
        middle: median(&samples[third.min(last)..last.max(third)]),
        late: median(&samples[last..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_figure_is_told_from_a_flat_one() {
        let samples: Vec<[f64; 3]> = (0..300).map(|n| [100.0 + f64::from(n), 30.0, 20.0]).collect();
        let grown = early_late(&samples, 0);
        assert_eq!((grown.early, grown.middle, grown.late), (150.0, 250.0, 350.0));
        let flat = early_late(&samples, 1);
        assert_eq!((flat.early, flat.late), (30.0, 30.0));
        assert_eq!(early_late(&[], 0), EarlyLate::default());
        let trend = |rss_mb| NodeTrend {
            rss_mb,
            descriptors: flat,
            threads: flat,
            samples: SAMPLES_MIN,
        };
        assert_eq!(trend(grown).growth(), ["memory grew from 250 to 350 MB"]);
        assert!(trend(flat).growth().is_empty());
        let short = NodeTrend {
            samples: SAMPLES_MIN - 1,
            ..trend(grown)
        };
        assert!(short.growth().is_empty());
        // What fills up in the beginning and then stays is no growth.
        let filled = EarlyLate {
            early: 70.0,
            middle: 140.0,
            late: 145.0,
        };
        assert!(trend(filled).growth().is_empty());
        let leaking = NodeTrend {
            descriptors: EarlyLate {
                early: 30.0,
                middle: 80.0,
                late: 140.0,
            },
            ..trend(flat)
        };
        assert_eq!(leaking.growth(), ["descriptors grew from 80 to 140"]);
        for samples in [1, 2, 3, 4, 5] {
            let few: Vec<[f64; 3]> = vec![[7.0; 3]; samples];
            assert_eq!(early_late(&few, 0).late, 7.0);
        }
    }

    #[test]
    fn samples_of_a_long_run_stay_bounded_and_span_all_of_it() {
        let mut node = Node::default();
        for look in 0..50_000 {
            node.add([f64::from(look), 0.0, 0.0]);
        }
        assert!(node.samples.len() <= SAMPLES_MAX);
        assert!(node.samples.first().unwrap()[0] < 100.0);
        assert!(node.samples.last().unwrap()[0] > 49_900.0);
    }

    #[test]
    fn this_process_is_sampled_once_it_is_no_longer_young() {
        let mut trends = Trends::default();
        let now = Instant::now();
        let own = [Some(std::process::id()), None];
        trends.look(&own, now);
        trends.look(&own, now + YOUNG / 2);
        assert_eq!(trends.trends()[0], NodeTrend::default());
        trends.look(&own, now + YOUNG);
        let trend = trends.trends()[0];
        assert!(trend.rss_mb.late > 1.0 && trend.descriptors.late >= 3.0 && trend.threads.late >= 1.0);
        assert_eq!(trends.trends()[1], NodeTrend::default());
    }
}
