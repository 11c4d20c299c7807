//! The kinds of metric: the library's, with labels made safe.
//!
//! A metric "by" a label holds one cell for each value of an enum, made at start and found by index:
//! no lock, no hashing, and no series that was not known at compile time.

use std::{marker::PhantomData, sync::atomic::AtomicU64, time::Duration};

use prometheus_client::metrics::{counter, family::Family, gauge, histogram};

use super::labels::Label;

/// Only goes up.
pub type Counter = counter::Counter<u64, AtomicU64>;
/// A whole number that goes up and down.
pub type Gauge = gauge::Gauge<u64, AtomicU64>;
/// A fraction that goes up and down, negative included.
pub type FloatGauge = gauge::Gauge<f64, AtomicU64>;
/// A distribution over fixed buckets.
pub type Histogram = histogram::Histogram;

/// The label set of one series: exactly one name and value.
pub(super) type Labels = [(&'static str, &'static str); 1];

/// A yes-or-no as a gauge value.
pub const fn flag(yes: bool) -> u64 {
    yes as u64
}

/// One counter for each value of `L`.
#[derive(Debug)]
pub struct CounterBy<L> {
    cells: Vec<Counter>,
    label: PhantomData<L>,
}

impl<L: Label> CounterBy<L> {
    pub(super) fn new() -> (Self, Family<Labels, Counter>) {
        let family = Family::<Labels, Counter>::default();
        let cells = cells::<L, _>(|labels| family.get_or_create_owned(labels));
        (
            Self {
                cells,
                label: PhantomData,
            },
            family,
        )
    }

    /// One more of `value`.
    pub fn inc(&self, value: L) {
        self.cells[value.index()].inc();
    }

    /// `by` more of `value`.
    pub fn inc_by(&self, value: L, by: u64) {
        self.cells[value.index()].inc_by(by);
    }

    /// Brings the counter of `value` up to a total that is kept elsewhere.
    pub fn raise_to(&self, value: L, total: u64) {
        let cell = self.cells[value.index()].inner();
        cell.fetch_max(total, std::sync::atomic::Ordering::Relaxed);
    }

    /// How many of `value` so far.
    pub fn get(&self, value: L) -> u64 {
        self.cells[value.index()].get()
    }
}

/// One gauge for each value of `L`.
#[derive(Debug)]
pub struct GaugeBy<L> {
    cells: Vec<Gauge>,
    label: PhantomData<L>,
}

impl<L: Label> GaugeBy<L> {
    pub(super) fn new() -> (Self, Family<Labels, Gauge>) {
        let family = Family::<Labels, Gauge>::default();
        let cells = cells::<L, _>(|labels| family.get_or_create_owned(labels));
        (
            Self {
                cells,
                label: PhantomData,
            },
            family,
        )
    }

    /// Sets the gauge of `value`.
    pub fn set(&self, value: L, to: u64) {
        self.cells[value.index()].set(to);
    }

    /// A state set: 1 for `value`, 0 for all others; `None` sets all to 0.
    pub fn set_only(&self, value: Option<L>) {
        let chosen = value.map(Label::index);
        for (index, cell) in self.cells.iter().enumerate() {
            cell.set(flag(Some(index) == chosen));
        }
    }

    /// The gauge of `value`.
    pub fn get(&self, value: L) -> u64 {
        self.cells[value.index()].get()
    }
}

/// One histogram for each value of `L`.
#[derive(Debug)]
pub struct HistogramBy<L> {
    cells: Vec<Histogram>,
    label: PhantomData<L>,
}

/// Builds the histograms of a family over one list of buckets.
#[derive(Debug, Clone)]
pub(super) struct Buckets(pub(super) &'static [f64]);

impl prometheus_client::metrics::family::MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

impl<L: Label> HistogramBy<L> {
    pub(super) fn new(buckets: &'static [f64]) -> (Self, Family<Labels, Histogram, Buckets>) {
        let family = Family::<Labels, Histogram, Buckets>::new_with_constructor(Buckets(buckets));
        let cells = cells::<L, _>(|labels| family.get_or_create_owned(labels));
        (
            Self {
                cells,
                label: PhantomData,
            },
            family,
        )
    }

    /// Adds one observed duration under `value`.
    pub fn observe(&self, value: L, took: Duration) {
        self.cells[value.index()].observe(took.as_secs_f64());
    }
}

fn cells<L: Label, M>(mut make: impl FnMut(&Labels) -> M) -> Vec<M> {
    L::ALL
        .iter()
        .map(|value| make(&[(L::NAME, value.as_str())]))
        .collect()
}
