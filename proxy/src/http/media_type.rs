//! Strict reading of `Content-Type`: no upstream can read another type or another charset in an accepted value.

/// Whether `value` (RFC 9110, 8.3) names JSON in UTF-8: `application/json` or `application/*+json`, with
/// `charset=utf-8` once or not at all. Other parameters are allowed in the form of RFC 9110, 5.6.6.
pub(crate) fn is_json(value: &[u8]) -> bool {
    let (essence, parameters) = split(value);
    is_json_essence(trim(essence)) && charsets(parameters, &["utf-8"]) == Some(mentions(value))
}

/// Charsets in which every ASCII byte is its ASCII character.
const LIKE_ASCII: &[&str] =
    &["utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "iso-8859-15", "windows-1252"];

/// Whether the charset in `value` cannot change how a query is read. Django reads the query in the
/// charset of `Content-Type`, with or without a body, and so do other servers if configured to.
pub(crate) fn leaves_the_query_alone(value: &[u8]) -> bool {
    let mentions = mentions(value);
    mentions == 0 || charsets(split(value).1, LIKE_ASCII) == Some(mentions)
}

/// Splits a value into the text before the parameters and the parameters, each with its `;`.
fn split(value: &[u8]) -> (&[u8], &[u8]) {
    value.split_at(memchr::memchr(b';', value).unwrap_or(value.len()))
}

fn is_json_essence(essence: &[u8]) -> bool {
    let essence = essence.to_ascii_lowercase();
    let Some(subtype) = essence.strip_prefix(b"application/") else { return false };
    let structured = subtype.strip_suffix(b"+json").is_some_and(is_token);
    subtype == b"json" || structured
}

/// How often the word `charset` occurs. Anywhere but as the name of the one parameter, a lenient
/// reader could take it for that name, such as in `charset*` (RFC 8187) and `charset*0` (RFC 2231).
fn mentions(value: &[u8]) -> usize {
    let word = b"charset";
    value.windows(word.len()).filter(|window| window.eq_ignore_ascii_case(word)).count()
}

/// The number of `charset` parameters with one of the `known` values: 0 or 1. `None` if a parameter
/// is malformed, a charset is not known, or there are several.
fn charsets(parameters: &[u8], known: &[&str]) -> Option<usize> {
    let mut found = 0;
    let mut rest = parameters;
    while let Some(after) = rest.strip_prefix(b";") {
        let after = trim_start(after);
        if after.is_empty() || after.starts_with(b";") {
            rest = after;
            continue;
        }
        let equals = memchr::memchr(b'=', after)?;
        let (name, value) = (after.get(..equals)?, after.get(equals + 1..)?);
        let (value, left) = split_value(value)?;
        if !is_token(name) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"charset") {
            found += 1;
            let is = |known: &&str| value.eq_ignore_ascii_case(known.as_bytes());
            if found > 1 || !known.iter().any(is) {
                return None;
            }
        }
        rest = trim_start(left);
    }
    rest.is_empty().then_some(found)
}

/// Splits the value (a token or a quoted string, without its quotes) from the text that follows.
fn split_value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(quoted) = text.strip_prefix(b"\"") {
        // Readers disagree about the meaning of a backslash.
        let end = memchr::memchr2(b'"', b'\\', quoted)?;
        let value = quoted.get(..end).filter(|_| quoted.get(end) == Some(&b'"'))?;
        return Some((value, quoted.get(end + 1..)?));
    }
    let end =
        text.iter().position(|byte| !crate::http::head::is_token(*byte)).unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    (!value.is_empty()).then_some((value, rest))
}

fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| crate::http::head::is_token(*byte))
}

fn trim(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    trim_start(text.get(..end).unwrap_or_default())
}

fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

/// Whether `byte` is white space in a field (RFC 9110, 5.6.3).
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::{is_json, leaves_the_query_alone};

    #[test]
    fn charsets_in_which_a_query_is_another() {
        for good in [
            "",
            "text/plain",
            "text/plain; charset=utf-8",
            "text/csv;charset=\"ISO-8859-1\"",
            "application/x-www-form-urlencoded; charset=UTF8",
            "multipart/form-data; boundary=----a:b(c)",
        ] {
            assert!(leaves_the_query_alone(good.as_bytes()), "{good}");
        }
        for bad in [
            "text/plain; charset=utf-7",
            "text/plain; charset=utf-16",
            "text/plain; charset=cp037",
            "charset=utf-7",
            "text/plain; charset*=''utf-7",
            "text/plain; charset=utf-8; charset=utf-7",
            "text/plain; a=\"; charset=utf-7\"",
        ] {
            assert!(!leaves_the_query_alone(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn json_in_utf_8() {
        for good in [
            "application/json",
            "Application/JSON",
            " application/json ",
            "application/json;",
            "application/json ;; ;",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            "application/json ;\tCharset=\"Utf-8\" ;",
            "application/json; v=1; charset=utf-8; a=\"b;c=d, e\"",
            "application/merge-patch+json",
            "application/ld+json; profile=\"https://example.com/a;b=c\"",
            "application/json; charse=utf-7",
        ] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
    }

    #[test]
    fn anything_that_some_reader_reads_otherwise() {
        for bad in [
            "",
            ";",
            "; charset=utf-8",
            "text/json",
            "application/jsonx",
            "application/+json",
            "application/a b+json",
            "application/json/json",
            "application/json, text/plain",
            "application/json charset=utf-8",
            "application/json, charset=utf-8",
            "application/json; charset=utf-7",
            "application/json; charset=utf8",
            "application/json; charset=utf-16",
            "application/json; charset=iso-8859-1",
            "application/json; charset=unicode_escape",
            "application/json; charset=",
            "application/json; charset",
            "application/json; charset=\"\"",
            "application/json; charset='utf-8'",
            "application/json; charset=utf-8,utf-7",
            "application/json; charset=utf-8, a=b",
            "application/json; charset=utf-8 utf-7",
            "application/json; charset=utf-8x",
            "application/json; charset=\"utf-8",
            "application/json; charset=\"utf-8\"x",
            "application/json; charset=\"utf\\-8\"",
            "application/json; charset=\"utf-8 \"",
            "application/json; charset =utf-8",
            "application/json; charset= utf-8",
            "application/json; charset=utf-8; charset=utf-8",
            "application/json; charset=utf-8; charset=utf-7",
            "application/json; charset=utf-8; CHARSET=utf-7",
            "application/json; charset*=utf-8''utf-7",
            "application/json; charset*=utf-8",
            "application/json; charset=utf-8; charset*=us-ascii'en'utf-7",
            "application/json; charset*0=utf; charset*1=-7",
            "application/json; x-charset=utf-7",
            "application/json; charset-a=utf-7",
            "application/json; a=\"; charset=utf-7\"",
            "application/json; a=charset",
            "application/json; a=\"\\\"; charset=utf-7",
            "application/json; a",
            "application/json; =b",
            "application/json; a=",
            "application/json; a==b",
            "application/json; a b=c",
            "application/json; a=b c=d",
            "application/json; a=\u{e9}",
            "application/json; charset=utf\u{2011}8",
            "application/charset+json",
        ] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
    }
}
