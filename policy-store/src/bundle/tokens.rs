//! The tokens of a Cedar text, with their offsets: enough to find a name again, but no grammar.

use std::collections::HashMap;

use super::statement::Scan;

/// A word, a string without its quotes, or any other character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `context`
    Word(&'a str),
    /// `"…"`, with its escapes as written.
    Text(&'a str),
    /// `;`
    Mark(u8),
}

/// Returns the tokens of `text`, with their offsets in bytes.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = (usize, Token<'_>)> {
    let mut scan = Scan::of(text);
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    std::iter::from_fn(move || {
        let (at, byte) = scan.next()?;
        let token = if byte == b'"' {
            let inside = text.get(at + 1..scan.at()).unwrap_or_default();
            Token::Text(inside.strip_suffix('"').unwrap_or(inside))
        } else if word(byte) {
            let rest = text.get(at..).unwrap_or_default();
            let length = rest.bytes().take_while(|byte| word(*byte)).count();
            scan.skip_to(at + length);
            Token::Word(rest.get(..length).unwrap_or_default())
        } else {
            Token::Mark(byte)
        };
        Some((at, token))
    })
}

/// Returns where a schema declares the names after `keyword`: its actions, or its entities.
pub(super) fn declarations<'a>(schema: &'a str, keyword: &str) -> HashMap<&'a str, usize> {
    let mut found = HashMap::new();
    let (mut begins, mut naming) = (true, false);
    for (at, token) in tokens(schema) {
        match token {
            Token::Word(word) if begins && word == keyword => naming = true,
            Token::Word("in" | "appliesTo" | "attributes" | "enum" | "tags") => naming = false,
            Token::Word(name) | Token::Text(name) if naming => {
                found.entry(name).or_insert(at);
            }
            Token::Mark(b',') => {}
            _ => naming = false,
        }
        // An annotation may precede the declaration.
        begins = matches!(token, Token::Mark(b';' | b'{' | b'}' | b')'));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Token, declarations, tokens};

    #[test]
    fn a_text_is_taken_apart() {
        let found: Vec<_> = tokens("a_1 // x\n== \"b\\\"c\".d").collect();
        let expected = [
            (0, Token::Word("a_1")),
            (9, Token::Mark(b'=')),
            (10, Token::Mark(b'=')),
            (12, Token::Text("b\\\"c")),
            (18, Token::Mark(b'.')),
            (19, Token::Word("d")),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_action_is_found_where_it_is_declared() {
        let schema = "entity action = { action: String, action?: Long };\n\
                      @doc(\"x\") action read; action \"a.b\", \"a\" in [\"read\"] appliesTo {};\
                      // action z;\naction \"a.b.c\" in [read];";
        let found = declarations(schema, "action");
        let mut names: Vec<&str> = found.keys().copied().collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "a.b", "a.b.c", "read"]);
        for (name, at) in found {
            assert!(schema[at..].trim_start_matches('"').starts_with(name), "{name}");
        }
        let found =
            declarations("entity A, B = { entity: Long };\nentity C enum [\"c\"];", "entity");
        let mut names: Vec<&str> = found.keys().copied().collect();
        names.sort_unstable();
        assert_eq!(names, ["A", "B", "C"]);
    }
}
