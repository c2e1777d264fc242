//! The text of one policy, split at the words and signs that decide what is evaluated: `when`, `unless`, `&&`,
//! `||`, `!` and `if`.
//!
//! Parts keep their places in the text, so that they can be shown and changed as written.

use std::ops::Range;

use super::tokens::{Kind as TokenKind, Tokens};

/// The kind of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Operands with `&&` between them.
    And,
    /// Operands with `||` between them.
    Or,
    /// `!` and its operand.
    Not,
    /// `if`, with condition, `then` and `else`.
    If,
    /// Anything else, evaluated as a whole.
    Leaf,
}

/// The maximum number of characters that are shown of an expression.
const SHOWN: usize = 100;

/// A policy's text and its parts.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    pub tokens: Tokens<'a>,
    pub annotations: Vec<Annotation<'a>>,
    /// The range of bytes of `permit` or `forbid`.
    pub effect: Range<usize>,
    /// The range of tokens between the brackets after it.
    pub scope: Range<usize>,
    /// The conditions in their order, which is the order of evaluation.
    pub conditions: Vec<Condition>,
}

/// The name of an annotation, and its range of bytes.
type Annotation<'a> = (&'a str, Range<usize>);

/// A `when` or `unless` clause.
#[derive(Debug)]
pub(crate) struct Condition {
    pub unless: bool,
    /// The range of bytes of the word.
    pub word: Range<usize>,
    pub body: Part,
}

/// An expression.
#[derive(Debug)]
pub(crate) struct Part {
    pub kind: Kind,
    /// The range of bytes, without surrounding brackets.
    pub span: Range<usize>,
    /// The range of bytes, with surrounding brackets.
    pub outer: Range<usize>,
    /// The range of tokens, without surrounding brackets.
    pub tokens: Range<usize>,
    pub parts: Vec<Part>,
}

impl<'a> Statement<'a> {
    /// Splits a policy into parts; `None` if the text is not a policy.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let tokens = Tokens::of(text);
        let (annotations, at) = annotations(&tokens)?;
        let effect = tokens.get(at).filter(|it| it.is("permit") || it.is("forbid"))?;
        let effect = effect.at..effect.end();
        let close = tokens.partner(at + 1).filter(|_| tokens.is(at + 1, "("))?;
        let (conditions, end) = conditions(&tokens, close + 1)?;
        let whole = tokens.is(end, ";") && end + 1 == tokens.len();
        let scope = at + 2..close;
        whole.then_some(Self { tokens, annotations, effect, scope, conditions })
    }

    /// Returns the text at `span`.
    pub(crate) fn source(&self, span: &Range<usize>) -> Option<&'a str> {
        self.tokens.text().get(span.clone())
    }

    /// Returns the policy with brackets around each part: Cedar parses it to the same tree as the policy, if
    /// the parts are right.
    pub(crate) fn in_brackets(&self) -> Option<String> {
        let head = self.tokens.get(self.scope.end)?;
        let mut text = self.source(&(0..head.end()))?.to_owned();
        for condition in &self.conditions {
            text.push_str(if condition.unless { "\nunless {" } else { "\nwhen {" });
            self.write(&condition.body, &mut text)?;
            text.push('}');
        }
        text.push(';');
        Some(text)
    }

    fn write(&self, part: &Part, text: &mut String) -> Option<()> {
        text.push('(');
        for (index, inner) in part.parts.iter().enumerate() {
            text.push_str(match (part.kind, index) {
                (Kind::And, 1..) => " && ",
                (Kind::Or, 1..) => " || ",
                (Kind::Not, _) => "!",
                (Kind::If, 0) => "if ",
                (Kind::If, 1) => " then ",
                (Kind::If, _) => " else ",
                _ => "",
            });
            self.write(inner, text)?;
        }
        if part.kind == Kind::Leaf {
            // The line break ends a comment inside the expression.
            text.push_str(self.source(&part.span)?);
            text.push('\n');
        }
        text.push(')');
        Some(())
    }
}

/// Returns the annotations, and the index of the token after them.
fn annotations<'a>(tokens: &Tokens<'a>) -> Option<(Vec<Annotation<'a>>, usize)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while tokens.is(at, "@") {
        let name = tokens.get(at + 1)?.text;
        let value = tokens.partner(at + 2).filter(|_| tokens.is(at + 2, "("));
        let end = value.map_or(at + 2, |close| close + 1);
        found.push((name, tokens.span(&(at..end))?));
        at = end;
    }
    Some((found, at))
}

/// Returns the conditions, and the index of the token after them.
fn conditions(tokens: &Tokens<'_>, start: usize) -> Option<(Vec<Condition>, usize)> {
    let (mut found, mut at) = (Vec::new(), start);
    while let Some(word) = tokens.get(at).filter(|it| it.is("when") || it.is("unless")) {
        let close = tokens.partner(at + 1).filter(|_| tokens.is(at + 1, "{"))?;
        let body = expression(tokens, at + 2..close)?;
        found.push(Condition { unless: word.is("unless"), word: word.at..word.end(), body });
        at = close + 1;
    }
    Some((found, at))
}

fn expression(tokens: &Tokens<'_>, range: Range<usize>) -> Option<Part> {
    if tokens.is(range.start, "if") {
        return choice(tokens, range);
    }
    for (kind, sign) in [(Kind::Or, "||"), (Kind::And, "&&")] {
        let pieces = tokens.split(range.clone(), sign);
        if pieces.len() > 1 {
            let parts = pieces.into_iter().map(|piece| expression(tokens, piece));
            return part(tokens, kind, range, parts.collect::<Option<_>>()?);
        }
    }
    operand(tokens, range)
}

/// Parses `if … then … else …`. The `then` and `else` of a nested `if` belong to the nested one.
fn choice(tokens: &Tokens<'_>, range: Range<usize>) -> Option<Part> {
    let (mut then, mut otherwise, mut inner) = (None, None, 0_usize);
    for (index, token) in tokens.outside(range.start + 1..range.end) {
        match token.text {
            "if" if token.is("if") => inner += 1,
            "else" if token.is("else") && inner > 0 => inner -= 1,
            "else" if token.is("else") => otherwise = otherwise.or(Some(index)),
            "then" if token.is("then") && inner == 0 => then = then.or(Some(index)),
            _ => {}
        }
    }
    let (then, otherwise) = (then?, otherwise?);
    let ranges = [range.start + 1..then, then + 1..otherwise, otherwise + 1..range.end];
    let parts = ranges.into_iter().map(|range| expression(tokens, range));
    part(tokens, Kind::If, range, parts.collect::<Option<_>>()?)
}

/// Parses an operand of `&&` or `||`.
fn operand(tokens: &Tokens<'_>, range: Range<usize>) -> Option<Part> {
    let inside = range.start + 1..range.end;
    if tokens.is(range.start, "!") && is_simple(tokens, &inside) {
        let negated = operand(tokens, inside)?;
        return part(tokens, Kind::Not, range, vec![negated]);
    }
    let whole = tokens.partner(range.start).is_some_and(|close| close + 1 == range.end);
    if whole && tokens.is(range.start, "(") {
        let mut inner = expression(tokens, range.start + 1..range.end - 1)?;
        inner.outer = tokens.span(&range)?;
        return Some(inner);
    }
    part(tokens, Kind::Leaf, range, Vec::new())
}

/// Whether `range` has no operator outside of brackets: a `!` before it then negates all of it.
pub(crate) fn is_simple(tokens: &Tokens<'_>, range: &Range<usize>) -> bool {
    let signs = ["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"];
    let words = ["in", "has", "like", "is"];
    tokens.outside(range.clone()).all(|(_, token)| match token.kind {
        TokenKind::Sign => !signs.contains(&token.text),
        TokenKind::Word => !words.contains(&token.text),
        TokenKind::Text => true,
    })
}

fn part(tokens: &Tokens<'_>, kind: Kind, range: Range<usize>, parts: Vec<Part>) -> Option<Part> {
    let span = tokens.span(&range)?;
    Some(Part { kind, outer: span.clone(), span, tokens: range, parts })
}

/// Returns an expression on one line, without the blanks that come from line breaks. Strings stay as they are.
#[must_use]
pub fn one_line(text: &str) -> String {
    let (mut line, mut quoted, mut escaped, mut broken) = (String::new(), false, false, None);
    for it in text.trim().chars() {
        if !quoted && it.is_whitespace() {
            broken = Some(broken.unwrap_or(false) || it == '\n');
            continue;
        }
        let inside = line.ends_with(['(', '[']) || [')', ']', '.'].contains(&it);
        if let Some(lines) = broken.take()
            && !(lines && inside)
        {
            line.push(' ');
        }
        line.push(it);
        quoted ^= it == '"' && !escaped;
        escaped = it == '\\' && !escaped;
    }
    line
}

/// Returns an expression on one line, cut to the maximum length that is shown.
pub(crate) fn shown(text: &str) -> String {
    let line = one_line(text);
    if line.chars().count() <= SHOWN {
        return line;
    }
    let short: String = line.chars().take(SHOWN).collect();
    format!("{short}…")
}

#[cfg(test)]
mod tests;
