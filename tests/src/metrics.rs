//! What the gate tells Prometheus.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::client::{self, Request};
use crate::stand::Stand;

/// One reading of every sample.
#[derive(Clone, Debug)]
pub struct Metrics(Vec<(String, BTreeMap<String, String>, f64)>);

impl Metrics {
    /// Reads them from the admin listener.
    pub async fn of(stand: &Stand) -> Self {
        Self::at(stand.admin()).await
    }

    /// Reads them from the admin listener at `admin`.
    pub async fn at(admin: SocketAddr) -> Self {
        let answer = client::send(admin, &Request::get("/metrics")).await;
        assert_eq!(answer.status, 200);
        let text = String::from_utf8(answer.body).unwrap();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(sample).collect())
    }

    /// The sum of the samples of `name` that have all of `labels`.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |own: &BTreeMap<String, String>| {
            labels.iter().all(|(name, value)| own.get(*name).is_some_and(|own| own == value))
        };
        let named = self.0.iter().filter(|(own, _, _)| own == name);
        named.filter(|(_, own, _)| fits(own)).map(|(_, _, value)| value).sum()
    }

    /// Every value of a label, over all samples.
    #[must_use]
    pub fn label_values(&self) -> Vec<&str> {
        self.0.iter().flat_map(|(_, labels, _)| labels.values().map(String::as_str)).collect()
    }

    /// Whether there is any sample of that name, or of a histogram of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let count = format!("{name}_count");
        self.0.iter().any(|(own, _, _)| own == name || *own == count)
    }
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| {
        let (name, value) = label.split_once("=\"")?;
        Some((name.to_owned(), value.trim_end_matches('"').to_owned()))
    });
    (name.to_owned(), labels.collect(), value.parse().unwrap())
}
