//! The form of a break-glass justification (`domain.md`, "Break-glass").

use std::sync::Arc;

use audit::text::printable;

use crate::judge::refusal::Refusal;

/// The maximum length in bytes of a justification in a record: 500 characters, each escaped.
const LONGEST: usize = 500 * "\\u{e0000}".len();

/// The justification, trimmed: 10 to 500 Unicode characters in UTF-8, no control characters. `None` if none was sent.
///
/// # Errors
///
/// Fails with [`Refusal::Justification`] if the justification has another form.
pub(crate) fn justification(sent: Option<&[u8]>) -> Result<Option<Arc<str>>, Refusal> {
    let Some(sent) = sent else { return Ok(None) };
    let text = std::str::from_utf8(sent).map_err(|_| Refusal::Justification)?.trim();
    let fine = (10..=500).contains(&text.chars().count()) && !text.contains(char::is_control);
    if fine { Ok(Some(Arc::from(text))) } else { Err(Refusal::Justification) }
}

/// A justification as kept in the record, whatever its form.
pub(crate) fn for_the_record(sent: &[u8]) -> Arc<str> {
    let text = String::from_utf8_lossy(sent);
    let text: String = text.trim().chars().take(500).collect();
    Arc::from(printable(&text, LONGEST).as_ref())
}
