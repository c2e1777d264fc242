//! Generates the reference page about metrics from the registry.

use std::fmt::Write as _;

use prometheus::Error;

use super::Metrics;

const HEAD: &str = "# Every metric

<!-- Generated from `proxy/src/metrics/`. A test compares this page with the code; `UPDATE_EXPECTED=1` writes it anew. -->

`GET /metrics` at the admin listener (`listen.admin`) answers in the text format of Prometheus. No label has a value that a client can make up: no user, no
organization, no path, no token. [Capacity](../capacity.md) and [operate a gate](../how-to/operations.md) say what to watch.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
";

/// The reference page, in Markdown.
///
/// # Errors
///
/// Fails if two metrics have the same name, which is a bug in this program.
pub fn page() -> Result<String, Error> {
    let (_, mut described) = Metrics::described("", "")?;
    described.sort_by(|a, b| a.name.cmp(&b.name));
    let mut page = HEAD.to_owned();
    for metric in described {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (labels, help) = (labels.join(", "), metric.help.trim_end_matches('.'));
        // Writing to a string cannot fail.
        let _ok = writeln!(page, "| `{}` | {} | {labels} | {help} |", metric.name, metric.kind);
    }
    Ok(page)
}
