//! The words, strings and signs of a Cedar text, each with its place.

use std::ops::Range;

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name, a keyword or a number.
    Word,
    /// A string, with its quotes.
    Text,
    /// Any other character, or a pair of them such as `&&`.
    Sign,
}

/// A word, string or sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// The offset at which the token begins, in bytes.
    pub at: usize,
}

/// The words that are not names.
const KEYWORDS: [&str; 7] = ["if", "then", "else", "in", "has", "like", "is"];
/// The signs of two characters.
const PAIRS: [&str; 7] = ["::", "&&", "||", "==", "!=", "<=", ">="];

impl Token<'_> {
    /// Returns the offset at which the token ends, in bytes.
    pub(crate) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// Whether the token is this word or sign.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.text == text
    }

    /// Whether the token is a name.
    pub(crate) fn is_name(&self) -> bool {
        self.kind == Kind::Word && !KEYWORDS.contains(&self.text)
    }

    fn opens(&self) -> bool {
        self.kind == Kind::Sign && matches!(self.text, "(" | "[" | "{")
    }

    fn closes(&self) -> bool {
        self.kind == Kind::Sign && matches!(self.text, ")" | "]" | "}")
    }
}

/// The tokens of a text, and the pairs of brackets.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    text: &'a str,
    list: Vec<Token<'a>>,
    partners: Vec<Option<usize>>,
}

impl<'a> Tokens<'a> {
    /// Splits `text` into tokens, without comments and blanks.
    pub(crate) fn of(text: &'a str) -> Self {
        let mut list = Vec::new();
        let mut rest = skip_blank(text);
        while !rest.is_empty() {
            let (kind, length) = first(rest);
            let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            list.push(Token { kind, text: token, at: text.len() - rest.len() });
            rest = skip_blank(after);
        }
        let mut partners = vec![None; list.len()];
        let mut open = Vec::new();
        for (index, token) in list.iter().enumerate() {
            if token.opens() {
                open.push(index);
            } else if token.closes()
                && let Some(start) = open.pop()
            {
                for (place, other) in [(start, index), (index, start)] {
                    if let Some(slot) = partners.get_mut(place) {
                        *slot = Some(other);
                    }
                }
            }
        }
        Self { text, list, partners }
    }

    /// Returns the whole text.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// Returns the number of tokens.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns the token at `index`.
    pub(crate) fn get(&self, index: usize) -> Option<&Token<'a>> {
        self.list.get(index)
    }

    /// Whether the token at `index` is this word or sign.
    pub(crate) fn is(&self, index: usize, text: &str) -> bool {
        self.get(index).is_some_and(|token| token.is(text))
    }

    /// Returns the index of the bracket that matches the one at `index`.
    pub(crate) fn partner(&self, index: usize) -> Option<usize> {
        self.partners.get(index).copied().flatten()
    }

    /// Returns the tokens of `range` that are not inside brackets opened in it. Of a pair of brackets, this
    /// includes the opening one.
    pub(crate) fn outside(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &Token<'a>)> {
        let mut at = range.start;
        std::iter::from_fn(move || {
            let index = (at < range.end).then_some(at)?;
            at = self.partner(index).filter(|end| *end > index).unwrap_or(index) + 1;
            Some((index, self.get(index)?))
        })
    }

    /// Splits `range` at the signs `sign` that are not inside brackets.
    pub(crate) fn split(&self, range: Range<usize>, sign: &str) -> Vec<Range<usize>> {
        let (mut pieces, mut start) = (Vec::new(), range.start);
        for (index, _) in self.outside(range.clone()).filter(|(_, token)| token.is(sign)) {
            pieces.push(start..index);
            start = index + 1;
        }
        pieces.push(start..range.end);
        pieces
    }

    /// Returns the range of bytes from the first token of `range` to the last.
    pub(crate) fn span(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let last = range.end.checked_sub(1).filter(|last| *last >= range.start)?;
        Some(self.get(range.start)?.at..self.get(last)?.end())
    }

    /// Returns the text of the tokens of `range`, with everything between them.
    pub(crate) fn source(&self, range: &Range<usize>) -> Option<&'a str> {
        self.text.get(self.span(range)?)
    }
}

fn skip_blank(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let Some(comment) = text.strip_prefix("//") else { return text };
        text = comment.split_once('\n').map_or("", |(_, after)| after);
    }
}

/// Returns the kind and the length of the token at the beginning of `text`, which is not empty.
fn first(text: &str) -> (Kind, usize) {
    let word = |it: char| it.is_alphanumeric() || it == '_';
    if text.starts_with('"') {
        return (Kind::Text, string(text));
    }
    if text.starts_with(word) {
        return (Kind::Word, text.find(|it| !word(it)).unwrap_or(text.len()));
    }
    let pair = PAIRS.iter().any(|pair| text.starts_with(pair));
    (Kind::Sign, if pair { 2 } else { text.chars().next().map_or(1, char::len_utf8) })
}

/// Returns the length of the string at the beginning of `text`.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::Tokens;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let tokens = Tokens::of(text);
        let texts: Vec<&str> = tokens.list.iter().map(|it| it.text).collect();
        assert_eq!(texts, expected);
        for token in &tokens.list {
            assert_eq!(text.get(token.at..token.end()), Some(token.text));
        }
    }

    #[test]
    fn a_text_is_taken_apart_into_words_strings_and_signs() {
        check("", &[]);
        check("a.b_1 // c \"\n!= d", &["a", ".", "b_1", "!=", "d"]);
        check("Role::\"A\\\"//\"]", &["Role", "::", "\"A\\\"//\"", "]"]);
        check("!!x<=-10||é", &["!", "!", "x", "<=", "-", "10", "||", "é"]);
        check("\"never closed", &["\"never closed"]);
    }

    #[test]
    fn what_is_inside_brackets_is_passed_over() {
        let tokens = Tokens::of("a, f(b, [c, d]), e");
        let pieces = tokens.split(0..tokens.len(), ",");
        let texts: Vec<_> = pieces.iter().filter_map(|it| tokens.source(it)).collect();
        assert_eq!(texts, ["a", "f(b, [c, d])", "e"]);
        assert_eq!(tokens.partner(3), Some(11));
        assert_eq!(Tokens::of(")(").partner(0), None);
    }
}
