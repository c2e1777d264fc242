//! The excerpt of a line that a finding shows, safe to print.
//!
//! A bundle may come from anywhere. Its content must not send control sequences to the reader's terminal, and a
//! line of a megabyte must not fill the terminal.

/// The maximum length of a line that is shown whole; a longer line is cut to a window around the place.
const WIDTH: usize = 160;
/// The number of characters of a long line that are shown before the place.
const BEFORE: usize = 60;
/// The maximum length of a message: some messages repeat a name that may be as long as a file.
const MESSAGE: usize = 1_000;

/// A line, or a part of it, with a marked place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) text: String,
    /// The marked character of `text`, from 1; 0 for none.
    pub(super) caret: usize,
}

impl Excerpt {
    /// Returns the excerpt of `line` for a place in `column`, from 1. Column 0 means the whole line.
    pub(super) fn of(line: &str, column: usize) -> Self {
        let line = line.trim_end_matches('\r');
        let long = line.chars().nth(WIDTH).is_some();
        let skipped = if long { column.saturating_sub(BEFORE) } else { 0 };
        let mut shown = Self::default();
        if skipped > 0 {
            shown.text.push('…');
        }
        let mut length = shown.text.chars().count();
        let mut rest = line.chars().skip(skipped);
        for (index, char) in rest.by_ref().take(WIDTH).enumerate() {
            if skipped + index + 1 == column {
                shown.caret = length + 1;
            }
            length += push(&mut shown.text, char);
        }
        if column > 0 && shown.caret == 0 {
            shown.caret = length + 1;
        }
        if rest.next().is_some() {
            shown.text.push('…');
        }
        shown
    }

    /// Returns the text before the caret in the line below the excerpt. Tabs stay tabs, so that the caret is in
    /// its place whatever their width.
    pub(super) fn margin(text: &str, caret: usize) -> String {
        let before = text.chars().take(caret.saturating_sub(1));
        before.map(|char| if char == '\t' { '\t' } else { ' ' }).collect()
    }
}

/// Escapes control characters of a text and cuts the text to the maximum length of a message. Line ends stay.
pub(super) fn tame(text: &str) -> String {
    match text.char_indices().nth(MESSAGE) {
        Some((end, _)) => printable(text.get(..end).unwrap_or_default()) + "…",
        None => printable(text),
    }
}

/// Escapes the control characters of a text. Line ends and tabs stay.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for char in text.chars() {
        if char == '\n' {
            printable.push(char);
        } else {
            push(&mut printable, char);
        }
    }
    printable
}

/// Appends a character, escaped if it is a control character, invisible, or changes the direction of text.
/// Returns the number of characters appended.
fn push(text: &mut String, char: char) -> usize {
    let turns = matches!(
        char,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    if turns || (char.is_control() && char != '\t') {
        let before = text.len();
        text.extend(char.escape_unicode());
        text.len() - before
    } else {
        text.push(char);
        1
    }
}

#[cfg(test)]
mod tests {
    use super::{Excerpt, tame};

    fn check(line: &str, column: usize, text: &str, marked: &str) {
        let found = Excerpt::of(line, column);
        assert_eq!(found.text, text);
        let rest: String = found.text.chars().skip(found.caret - 1).collect();
        assert!(rest.starts_with(marked), "{rest}");
    }

    #[test]
    fn a_short_line_is_shown_whole() {
        check("permit;", 1, "permit;", "permit");
        check("é\tpermit;\r", 3, "é\tpermit;", "permit");
        check("permit", 7, "permit", "");
        assert_eq!(Excerpt::of("", 0), Excerpt::default());
        assert_eq!(Excerpt::margin("é\tpermit;", 3), " \t");
    }

    #[test]
    fn a_long_line_is_cut_to_a_window() {
        let line = format!("{}here{}", "a".repeat(100_000), "b".repeat(100_000));
        let found = Excerpt::of(&line, 100_001);
        assert_eq!(found.text.chars().count(), 162);
        assert!(found.text.starts_with("…a") && found.text.ends_with("b…"), "{}", found.text);
        assert_eq!(found.text.chars().nth(found.caret - 1), Some('h'));
        let first = Excerpt::of(&line, 1);
        assert_eq!(first.caret, 1);
        assert!(first.text.starts_with('a'));
    }

    #[test]
    fn nothing_drives_the_terminal() {
        check("\u{1b}[2Jpermit \u{202e}x", 5, "\\u{1b}[2Jpermit \\u{202e}x", "permit");
        assert_eq!(tame("a\u{7}\nb"), "a\\u{7}\nb");
        assert_eq!(tame(&"x".repeat(9_999)).chars().count(), 1_001);
    }
}
