//! Reports as text for people. Texts from records are escaped and shortened before they are printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use audit::text::printable;

use super::access::{Access, Ending, Tally};
use super::columns::clock;

/// The maximum printed length of a value; that of a justification is 500 characters, all of them escaped.
const WORD: usize = 200;
const LONGEST: usize = 5_000;

/// A text from a record, escaped and shortened; `-` if there is none.
pub(super) fn word(text: Option<&str>) -> String {
    printable(text.unwrap_or("-"), WORD).into_owned()
}

/// An access in one line: time, ending, user, action, request, and address of the client.
pub(super) fn access(access: &Access) -> String {
    let it = &access.decided;
    let roles: Vec<String> = it.roles.iter().map(|role| word(Some(role))).collect();
    let mut line = format!(
        "{} {:<9} {} ({}; {}) {}/{} {} {}",
        clock(it.timestamp),
        access.ending().as_str(),
        word(access.user()),
        word(it.organization_id.as_deref()),
        if roles.is_empty() { "-".to_owned() } else { roles.join(",") },
        word(it.action.as_deref()),
        word(it.operation.as_deref()),
        word(it.method.as_deref()),
        word(it.endpoint.as_deref()),
    );
    let from = it.ip_address.map_or("-".to_owned(), |ip| ip.to_string());
    let status = access.status().map_or("-".to_owned(), |status| status.to_string());
    // Writing to a string cannot fail.
    let _ = write!(
        line,
        " tenant={} from={from} status={status} request={}",
        word(it.tenant_id.as_deref()),
        it.id
    );
    line
}

/// The justification of an access, escaped and shortened.
pub(super) fn justification(access: &Access) -> Option<String> {
    let told = access.decided.break_glass.as_deref()?;
    Some(printable(told, LONGEST).into_owned())
}

/// A table of the tallies, with one row per user.
pub(super) fn summary(users: &BTreeMap<String, Tally>) -> String {
    let mut rows = vec![
        ["user", "accesses", "succeeded", "failed", "unknown", "refused", "first", "last"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for (user, tally) in users {
        let user = Some(user.as_str()).filter(|user| !user.is_empty());
        let mut row = vec![word(user), tally.accesses.to_string()];
        for ending in [Ending::Succeeded, Ending::Failed, Ending::Unknown, Ending::Refused] {
            row.push(tally.ended(ending).to_string());
        }
        row.extend([clock(tally.first), clock(tally.last)]);
        rows.push(row);
    }
    table(&rows)
}

/// A table with aligned columns.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            let length = cell.chars().count();
            match widths.get_mut(at) {
                Some(width) => *width = length.max(*width),
                None => widths.push(length),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "  {}", line.trim_end());
    }
    text
}

/// The head of a report: names with their texts, at most 100 characters wide.
pub(super) fn head(lines: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (name, said) in lines {
        let (mut line, mut begun) = (format!("  {name:<12} "), false);
        for word in said.split(' ') {
            if begun && line.chars().count() + word.chars().count() >= 100 {
                let _ = writeln!(text, "{}", line.trim_end());
                line = " ".repeat(15);
            }
            line.push_str(word);
            line.push(' ');
            begun = true;
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
