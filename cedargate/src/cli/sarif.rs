//! Findings as SARIF 2.1.0, which code forges and editors show in their places.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use policy_store::bundle::Kind;
use serde_json::{Value, json};

use super::check::Wrong;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The SARIF log of one run. `others` are the rules for faults outside the bundle, with their titles.
pub(super) fn log(findings: &[Wrong], others: &[(&str, &str)]) -> Value {
    let kinds = Kind::ALL.iter().map(|kind| (kind.name(), kind.title()));
    let rules: Vec<Value> = kinds
        .chain(others.iter().copied())
        .map(|(name, title)| json!({ "id": name, "shortDescription": { "text": title } }))
        .collect();
    let driver = json!({
        "name": "cedargate",
        "version": env!("CARGO_PKG_VERSION"),
        "rules": rules,
    });
    let results: Vec<Value> = findings.iter().map(result).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": driver },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(wrong: &Wrong) -> Value {
    let mut place = json!({ "artifactLocation": { "uri": uri(&wrong.file) } });
    if wrong.line > 0
        && let Some(place) = place.as_object_mut()
    {
        let mut region = json!({ "startLine": wrong.line, "snippet": { "text": wrong.source } });
        if let Some(region) = region.as_object_mut().filter(|_| wrong.column > 0) {
            region.insert("startColumn".to_owned(), json!(wrong.column));
        }
        place.insert("region".to_owned(), region);
    }
    let remedy =
        if wrong.remedy.is_empty() { String::new() } else { format!("\n{}", wrong.remedy) };
    json!({
        "ruleId": wrong.rule,
        "level": "error",
        "message": { "text": format!("{}{remedy}", wrong.message) },
        "locations": [{ "physicalLocation": place }],
    })
}

/// The characters that are escaped in a path: every byte that is not unreserved (RFC 3986, 2.3), except the slash.
const NOT_OF_PATHS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A path as a URI reference.
fn uri(path: &str) -> String {
    utf8_percent_encode(path, NOT_OF_PATHS).to_string()
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_becomes_a_reference() {
        assert_eq!(uri("policies/a b#1.cedar"), "policies/a%20b%231.cedar");
        assert_eq!(uri("/é"), "/%C3%A9");
    }
}
