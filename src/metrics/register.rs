//! Registration: each metric is made and described in one call, and remembered for the reference.

use prometheus_client::{collector::Collector, registry::Registry};

use super::{
    kinds::{Counter, CounterBy, FloatGauge, Gauge, GaugeBy, Histogram, HistogramBy},
    labels::Label,
};

/// What the reference says about one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The name as scraped, `_total` included.
    pub name: &'static str,
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: &'static str,
    /// One sentence, without its full stop.
    pub help: &'static str,
    /// Label name and all its values; empty when there is none.
    pub labels: Option<(&'static str, Vec<&'static str>)>,
}

/// Collects what the subjects register.
#[derive(Debug, Default)]
pub(super) struct Registrar {
    registry: Registry,
    definitions: Vec<Definition>,
}

/// The suffix that the library adds to a counter's name.
const COUNTER_SUFFIX: &str = "_total";

impl Registrar {
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str) -> Counter {
        let metric = Counter::default();
        self.registry.register(bare(name), help, metric.clone());
        self.define::<NoLabel>(name, "counter", help);
        metric
    }

    pub(super) fn counter_by<L: Label>(&mut self, name: &'static str, help: &'static str) -> CounterBy<L> {
        let (metric, family) = CounterBy::<L>::new();
        self.registry.register(bare(name), help, family);
        self.define::<L>(name, "counter", help);
        metric
    }

    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str) -> Gauge {
        let metric = Gauge::default();
        self.registry.register(name, help, metric.clone());
        self.define::<NoLabel>(name, "gauge", help);
        metric
    }

    pub(super) fn float_gauge(&mut self, name: &'static str, help: &'static str) -> FloatGauge {
        let metric = FloatGauge::default();
        self.registry.register(name, help, metric.clone());
        self.define::<NoLabel>(name, "gauge", help);
        metric
    }

    pub(super) fn gauge_by<L: Label>(&mut self, name: &'static str, help: &'static str) -> GaugeBy<L> {
        let (metric, family) = GaugeBy::<L>::new();
        self.registry.register(name, help, family);
        self.define::<L>(name, "gauge", help);
        metric
    }

    pub(super) fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        buckets: &'static [f64],
    ) -> Histogram {
        let metric = Histogram::new(buckets.iter().copied());
        self.registry.register(name, help, metric.clone());
        self.define::<NoLabel>(name, "histogram", help);
        metric
    }

    pub(super) fn histogram_by<L: Label>(
        &mut self,
        name: &'static str,
        help: &'static str,
        buckets: &'static [f64],
    ) -> HistogramBy<L> {
        let (metric, family) = HistogramBy::<L>::new(buckets);
        self.registry.register(name, help, family);
        self.define::<L>(name, "histogram", help);
        metric
    }

    /// A fact as a gauge that is always 1, its value in its labels.
    pub(super) fn info(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Vec<(&'static str, String)>,
    ) {
        let family =
            prometheus_client::metrics::family::Family::<Vec<(&'static str, String)>, Gauge>::default();
        family.get_or_create(&labels).set(1);
        self.registry.register(name, help, family);
        self.define::<NoLabel>(name, "gauge", help);
    }

    /// Figures that are read at each scrape.
    pub(super) fn collector(
        &mut self,
        collector: impl Collector,
        defined: &[(&'static str, &'static str, &'static str)],
    ) {
        self.registry.register_collector(Box::new(collector));
        for (name, kind, help) in defined {
            self.define::<NoLabel>(name, kind, help);
        }
    }

    pub(super) fn finish(self) -> (Registry, Vec<Definition>) {
        (self.registry, self.definitions)
    }

    fn define<L: Label>(&mut self, name: &'static str, kind: &'static str, help: &'static str) {
        let labels =
            (!L::ALL.is_empty()).then(|| (L::NAME, L::ALL.iter().map(|value| value.as_str()).collect()));
        self.definitions.push(Definition {
            name,
            kind,
            help,
            labels,
        });
    }
}

/// The name without the suffix that the library will add again.
fn bare(name: &'static str) -> &'static str {
    debug_assert!(name.ends_with(COUNTER_SUFFIX), "{name} is a counter");
    name.strip_suffix(COUNTER_SUFFIX).unwrap_or(name)
}

/// The label of a metric that has none.
#[derive(Debug, Clone, Copy)]
enum NoLabel {}

impl Label for NoLabel {
    const NAME: &'static str = "";
    const ALL: &'static [Self] = &[];

    fn as_str(self) -> &'static str {
        match self {}
    }

    fn index(self) -> usize {
        match self {}
    }
}
