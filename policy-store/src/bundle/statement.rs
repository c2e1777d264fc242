//! Splits the text of a policy file into statements, one for each policy.
//!
//! A statement is parsed and validated by itself, and recognised by its text: an edit of one policy among ten
//! thousand costs only the work for that policy.

/// One statement of a file: a policy up to its semicolon, without the comments before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// The text from the first character that is neither blank nor part of a comment.
    pub(super) text: &'a str,
    /// The offset in the file at which `text` begins, in bytes.
    pub(super) offset: usize,
}

/// Returns the statements of `text`, in their order. Code after the last semicolon is a statement too: the
/// parser reports what is wrong with it.
pub(super) fn statements(text: &str) -> impl Iterator<Item = Statement<'_>> {
    let mut scan = Scan::of(text);
    std::iter::from_fn(move || {
        let (start, mut byte) = scan.next()?;
        let mut depth = 0_usize;
        loop {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                b';' if depth == 0 => return statement(text, start, scan.at),
                _ => {}
            }
            match scan.next() {
                Some((_, next)) => byte = next,
                None => return statement(text, start, text.len()),
            }
        }
    })
}

fn statement(text: &str, start: usize, end: usize) -> Option<Statement<'_>> {
    text.get(start..end).map(|text| Statement { text: text.trim_end(), offset: start })
}

/// An iterator over the bytes of a Cedar text that are code, with their offsets. It skips blanks, comments and
/// the insides of strings.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Iterator for Scan<'_> {
    type Item = (usize, u8);

    fn next(&mut self) -> Option<(usize, u8)> {
        loop {
            let at = self.at;
            let byte = *self.bytes.get(at)?;
            self.at += 1;
            match byte {
                b'"' => self.skip_string(),
                b'/' if self.bytes.get(self.at) == Some(&b'/') => {
                    self.skip_line();
                    continue;
                }
                blank if blank.is_ascii_whitespace() => continue,
                _ => {}
            }
            return Some((at, byte));
        }
    }
}

impl<'a> Scan<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0 }
    }

    /// Returns the offset at which the scan continues.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Continues the scan at the offset `at`.
    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    fn skip_string(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'"' => return,
                _ => {}
            }
        }
    }

    fn skip_line(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n');
        self.at += length.unwrap_or(rest.len());
    }
}

#[cfg(test)]
mod tests {
    use super::statements;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<_> = statements(text).collect();
        let texts: Vec<&str> = found.iter().map(|it| it.text).collect();
        assert_eq!(texts, expected);
        for it in found {
            assert_eq!(text.get(it.offset..it.offset + it.text.len()), Some(it.text));
        }
    }

    #[test]
    fn a_file_is_taken_apart_at_its_semicolons() {
        check("", &[]);
        check("// only ; a comment\n", &[]);
        check(
            "// a\npermit(a);\n// b;\n@id(\"x;\\\";\")\nforbid(b) when { c };",
            &["permit(a);", "@id(\"x;\\\";\")\nforbid(b) when { c };"],
        );
        check("permit(a; b); left over // and\n", &["permit(a; b);", "left over // and"]);
        check("é; \"ü", &["é;", "\"ü"]);
    }
}
