//! Text from clients, made safe to keep and to print.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `raw`, cut to at most `limit` bytes, with everything escaped that could forge a line, control a terminal or change
/// the direction of writing: `\u{9b}`.
///
/// JSON itself escapes what is below 0x20, but not the terminal controls above it; and a program that prints a field
/// has undone JSON's escapes. A backslash stays a backslash: the result is for reading.
#[must_use]
pub fn printable(raw: &str, limit: usize) -> Cow<'_, str> {
    if raw.len() <= limit && raw.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(raw);
    }
    let mut safe = String::with_capacity(raw.len().min(limit));
    for letter in raw.chars() {
        let before = safe.len();
        if is_dangerous(letter) {
            // Writing to a string cannot fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(letter));
        } else {
            safe.push(letter);
        }
        if safe.len() > limit {
            safe.truncate(before);
            break;
        }
    }
    Cow::Owned(safe)
}

/// Does the same as [`printable`] for bytes that may not be text; what is not UTF-8 becomes U+FFFD.
#[must_use]
pub fn printable_bytes(raw: &[u8], limit: usize) -> String {
    // Each byte gives at least one byte of text, so that nothing behind the limit matters.
    let seen = raw.get(..limit.saturating_add(4)).unwrap_or(raw);
    printable(&String::from_utf8_lossy(seen), limit).into_owned()
}

/// Whether a character is a control (C0, DEL, C1), a line separator, or a mark that reorders or hides text.
fn is_dangerous(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, limit: usize, expected: &str) {
        let safe = printable(raw, limit);
        assert_eq!(safe, expected);
        assert!(safe.len() <= limit);
    }

    #[test]
    fn harmless_text_stays_as_it_is() {
        check("curl/8.5.0", 256, "curl/8.5.0");
        check("Überweisung नमस्ते", 256, "Überweisung नमस्ते");
        check("a\\b", 256, "a\\b");
        assert!(matches!(printable("plain", 5), Cow::Borrowed(_)));
    }

    #[test]
    fn long_text_is_cut_between_letters() {
        check("abcdef", 3, "abc");
        check("aé", 2, "a");
        check("a\u{1b}", 5, "a");
    }

    #[test]
    fn what_drives_a_terminal_is_escaped() {
        check("\u{1b}[2J", 99, "\\u{1b}[2J");
        check("a\r\nb\u{7f}\u{9b}", 99, "a\\u{d}\\u{a}b\\u{7f}\\u{9b}");
        check("x\u{202e}y\u{2028}", 99, "x\\u{202e}y\\u{2028}");
    }

    #[test]
    fn bytes_are_text_afterwards() {
        assert_eq!(printable_bytes(b"/a\xff\x00", 99), "/a\u{fffd}\\u{0}");
        assert_eq!(printable_bytes("ééé".as_bytes(), 3), "é");
    }
}
