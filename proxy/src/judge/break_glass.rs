//! The form of a break-glass justification (`domain.md`, "Break-glass").

use std::sync::Arc;

use audit::text::printable;

use crate::judge::refusal::Refusal;

/// Bytes of one in a record: room for 500 characters, each of them escaped.
const LONGEST: usize = 500 * "\\u{e0000}".len();

/// The justification, trimmed: 10 to 500 Unicode characters, UTF-8, no control characters.
///
/// # Errors
///
/// [`Refusal::Justification`] for one of another form. None at all is none.
pub(crate) fn justification(sent: Option<&[u8]>) -> Result<Option<Arc<str>>, Refusal> {
    let Some(sent) = sent else { return Ok(None) };
    let text = std::str::from_utf8(sent).map_err(|_| Refusal::Justification)?.trim();
    let fine = (10..=500).contains(&text.chars().count()) && !text.contains(char::is_control);
    if fine { Ok(Some(Arc::from(text))) } else { Err(Refusal::Justification) }
}

/// What is kept of one for the record, whatever its form.
pub(crate) fn for_the_record(sent: &[u8]) -> Arc<str> {
    let text = String::from_utf8_lossy(sent);
    let text: String = text.trim().chars().take(500).collect();
    Arc::from(printable(&text, LONGEST).as_ref())
}
