//! Takes the text of a policy file apart into statements, one policy each.
//!
//! A statement is parsed and validated by itself, and known again by its text: an edit of one policy
//! among ten thousand costs what that one costs.

/// One statement of a file: a policy with the comments before it, up to its semicolon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// From the first character that is neither blank nor of a comment.
    pub(super) text: &'a str,
    /// Where `text` begins in the file, in bytes.
    pub(super) offset: usize,
}

/// The statements of `text`, in their order. What follows the last semicolon is one too, unless it
/// is blank: the parser says what is wrong with it.
pub(super) fn statements(text: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let mut from = None;
    let mut depth = 0_usize;
    let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
    while let Some((at, byte)) = scan.next() {
        let start = *from.get_or_insert(at);
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b';' if depth == 0 => {
                found.extend(statement(text, start, scan.at));
                from = None;
            }
            _ => {}
        }
    }
    found.extend(from.and_then(|start| statement(text, start, text.len())));
    found
}

fn statement(text: &str, start: usize, end: usize) -> Option<Statement<'_>> {
    text.get(start..end).map(|text| Statement { text: text.trim_end(), offset: start })
}

/// Where brackets are nested more than `most` deep; strings and comments do not count.
pub(super) fn too_deep(text: &str, most: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
    scan.find_map(|(at, byte)| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth > most).then_some(at)
    })
}

/// The bytes of a Cedar text that are code, with their places; blanks, comments and the insides of
/// strings are passed over.
struct Scan<'a> {
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

impl Scan<'_> {
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
    use super::{statements, too_deep};

    fn check(text: &str, expected: &[&str]) {
        let found = statements(text);
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

    #[test]
    fn depth_counts_code_alone() {
        assert_eq!(too_deep("((\"(((\" // (((\n))", 2), None);
        assert_eq!(too_deep("(([", 2), Some(2));
    }
}
