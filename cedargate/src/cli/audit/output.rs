//! Output for the programs of auditors: lines of JSON, and CSV that a spreadsheet can open without harm.

use std::fmt::Write as _;
use std::io::{self, Write};

use audit::text::printable;
use serde_json::Value;

/// The maximum length of a cell. Spreadsheets accept 32,767 characters.
const CELL: usize = 32_000;

/// A number with its noun, in the singular or the plural.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The byte order mark, by which some spreadsheets detect UTF-8.
pub(super) const BOM: &[u8] = "\u{feff}".as_bytes();

/// The characters at which spreadsheets with other languages or settings split a line. They ignore a quotation mark
/// in the middle of a line, so a formula after a separator is defused even though the cell is quoted.
const SEPARATORS: [char; 3] = [';', '\t', '|'];

/// A writer of CSV (RFC 4180). [`row`] decides which cells are quoted.
pub(super) fn csv<W: Write>(out: W) -> csv::Writer<W> {
    csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .quote_style(csv::QuoteStyle::Never)
        .from_writer(out)
}

/// Writes a row of CSV.
pub(super) fn row<W: Write, C: AsRef<str>>(
    out: &mut csv::Writer<W>,
    cells: impl IntoIterator<Item = C>,
) -> io::Result<()> {
    let cells = cells.into_iter().map(|cell| quoted(cell.as_ref()));
    out.write_record(cells).map_err(|error| {
        let what = error.to_string();
        match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            _ => io::Error::other(what),
        }
    })
}

/// A cell between quotation marks, if it needs them.
fn quoted(cell: &str) -> String {
    let special =
        |letter: char| matches!(letter, ',' | '"' | '\r' | '\n') || SEPARATORS.contains(&letter);
    if cell.contains(special) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// A value as a cell. Lists are joined by `;`, null is empty. Characters that would control a terminal are escaped.
/// Text that a spreadsheet would read as a formula (OWASP, "CSV Injection"), also after one of [`SEPARATORS`], begins
/// with `'`.
pub(super) fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(";"),
        other => other.to_string(),
    };
    if value.is_number() {
        return text;
    }
    // Escaping comes first: it turns a tab into six characters, which separate nothing.
    let begins = text.starts_with(['\t', '\r', '\n']);
    let text = printable(&text, CELL);
    let safe = defused(&text);
    if begins { format!("'{safe}") } else { safe }
}

/// The text with `'` before each formula: at the beginning, and after a separator. Quotation marks and spaces before
/// the formula are ignored.
fn defused(text: &str) -> String {
    const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    let mut safe = String::with_capacity(text.len());
    let mut begins = true;
    for letter in text.chars() {
        if begins && FORMULA.contains(&letter) {
            safe.push('\'');
        }
        begins = SEPARATORS.contains(&letter) || (begins && matches!(letter, ' ' | '"'));
        safe.push(letter);
    }
    safe
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// The same JSON, with characters that would control a terminal written as `\u009b`: JSON leaves everything above
/// 0x1f as it is. Such characters occur only within strings.
pub(super) fn tame(json: &str) -> String {
    let mut tame = String::with_capacity(json.len());
    let mut buffer = [0; 4];
    for letter in json.chars() {
        // These occur between values only: within strings, JSON escapes them.
        if matches!(letter, '\t' | '\r') {
            tame.push(' ');
            continue;
        }
        let own: &str = letter.encode_utf8(&mut buffer);
        if matches!(letter, ' '..='~' | '\n') || printable(own, 16) == own {
            tame.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(tame, "\\u{unit:04x}");
        }
    }
    tame
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_cell_is_a_formula_or_drives_a_terminal() {
        for (value, expected) in [
            (json!(null), ""),
            (json!("plain, text"), "plain, text"),
            (json!(["a", "b"]), "a;b"),
            (json!(["=1", "b"]), "'=1;b"),
            (json!(["a", "=1"]), "a;'=1"),
            (json!("x;=cmd|' /C calc'!A0;y"), "x;'=cmd|' /C calc'!A0;y"),
            (json!({"n": [1, -2]}), "{\"n\":[1,-2]}"),
            (json!("a;\"@x"), "a;\"'@x"),
            (json!("a|+1"), "a|'+1"),
            (json!("a-b=c; d"), "a-b=c; d"),
            (json!({"n": 1}), "{\"n\":1}"),
            (json!("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0"),
            (json!("+1"), "'+1"),
            (json!("-1"), "'-1"),
            (json!(-1), "-1"),
            (json!("@x"), "'@x"),
            (json!("\t=1"), "'\\u{9}=1"),
            (json!("\r=1"), "'\\u{d}=1"),
            (json!("＝1"), "'＝1"),
            (json!("a\u{1b}[2J\u{9b}"), "a\\u{1b}[2J\\u{9b}"),
        ] {
            assert_eq!(cell(&value), expected, "{value}");
        }
    }

    #[test]
    fn tamed_json_says_the_same() {
        let value = json!({"a\u{9b}": "é\u{7f}\u{202e}\u{e0041}\u{1b}", "list": [1, null]});
        let raw = serde_json::to_string_pretty(&value).unwrap();
        let tamed = tame(&format!("\t{raw}\r"));
        assert_eq!(serde_json::from_str::<Value>(&tamed).unwrap(), value);
        assert!(
            tamed.contains('é') && !tamed.replace('\n', "").chars().any(char::is_control),
            "{tamed}"
        );
        assert!(!tamed.contains('\u{202e}') && !tamed.contains('\u{e0041}'), "{tamed}");
    }
}
