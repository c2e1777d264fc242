//! Creates and registers a metric in one step.

use std::cell::RefCell;

use prometheus::core::Collector;
use prometheus::{
    Error, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// A registry of metrics, which also keeps their descriptions.
pub(super) struct Register<'a> {
    registry: &'a Registry,
    described: RefCell<Vec<Described>>,
}

/// The description of a metric, for the reference page.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) name: String,
    /// `counter`, `gauge` or `histogram`.
    pub(super) kind: &'static str,
    pub(super) labels: Vec<String>,
    pub(super) help: String,
}

impl<'a> Register<'a> {
    pub(super) fn new(registry: &'a Registry) -> Self {
        Self { registry, described: RefCell::default() }
    }

    /// The descriptions of all registered metrics, in the order of registration.
    pub(super) fn described(self) -> Vec<Described> {
        self.described.into_inner()
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.known("counter", IntCounter::new(name, help)?)
    }

    pub(super) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, Error> {
        self.known("counter", IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.known("gauge", IntGauge::new(name, help)?)
    }

    pub(super) fn float_gauge(&self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.known("gauge", Gauge::new(name, help)?)
    }

    pub(super) fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, Error> {
        self.known("gauge", IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    pub(super) fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, Error> {
        self.known("histogram", Histogram::with_opts(options(name, help, buckets))?)
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, Error> {
        self.known("histogram", HistogramVec::new(options(name, help, buckets), labels)?)
    }

    fn known<M: Collector + Clone + 'static>(
        &self,
        kind: &'static str,
        metric: M,
    ) -> Result<M, Error> {
        self.registry.register(Box::new(metric.clone()))?;
        let described = metric.desc().into_iter().map(|it| Described {
            name: it.fq_name.clone(),
            kind,
            labels: it.variable_labels.clone(),
            help: it.help.clone(),
        });
        self.described.borrow_mut().extend(described);
        Ok(metric)
    }
}

fn options(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::new(name, help).buckets(buckets.to_vec())
}
