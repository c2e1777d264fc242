//! The set literals of an expression, and which of them are allowlists of roles.

use std::ops::Range;

use cedar_policy::{EntityTypeName, EntityUid};

use super::tokens::Tokens;

/// A set literal with at least one element.
#[derive(Debug)]
pub(crate) struct List {
    /// The elements, as ranges of tokens.
    pub elements: Vec<Range<usize>>,
    /// The range of bytes of the list, including its brackets.
    pub span: Range<usize>,
    open: usize,
    close: usize,
}

impl List {
    /// Returns the names of the elements, if all are entities of the type `kind`.
    pub(crate) fn names(&self, tokens: &Tokens<'_>, kind: &EntityTypeName) -> Option<Vec<String>> {
        let name = |range| {
            let uid: EntityUid = tokens.source(range)?.parse().ok()?;
            (uid.type_name() == kind).then(|| uid.id().unescaped().to_owned())
        };
        self.elements.iter().map(name).collect()
    }

    /// Returns how to ask whether the caller has an element, if the list is an allowlist:
    /// `who.containsAny(list)`, `who in list`, `list.contains(who)`, `list.containsAny(who)` or
    /// `list.containsAll(who)`. `within` is the range of tokens of the surrounding expression.
    pub(crate) fn question<'a>(
        &self,
        tokens: &Tokens<'a>,
        within: &Range<usize>,
    ) -> Option<Question<'a>> {
        let before = |back: usize, text| {
            self.open.checked_sub(back).is_some_and(|index| tokens.is(index, text))
        };
        if before(1, "(") && before(2, "containsAny") && before(3, ".") {
            let who = member_before(tokens, self.open - 3, within.start)?;
            return Some(Question { who, many: true });
        }
        if before(1, "in") {
            let who = member_before(tokens, self.open - 1, within.start)?;
            return Some(Question { who, many: false });
        }
        let method = tokens.get(self.close + 2).filter(|_| tokens.is(self.close + 1, "."))?;
        let end = tokens.partner(self.close + 3).filter(|_| tokens.is(self.close + 3, "("))?;
        let who = tokens.source(&(self.close + 4..end))?;
        match method.text {
            "contains" => Some(Question { who, many: false }),
            "containsAny" | "containsAll" => Some(Question { who, many: true }),
            _ => None,
        }
    }
}

/// The expression that is compared with the elements of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question<'a> {
    /// The source of the expression.
    pub who: &'a str,
    /// Whether the expression is a set.
    many: bool,
}

impl Question<'_> {
    /// Returns an expression that is true if `element` is held.
    pub(crate) fn of(&self, element: &EntityUid) -> String {
        let who = self.who;
        if self.many {
            format!("({who}).contains({element})")
        } else {
            format!("({who}) == {element}")
        }
    }
}

/// Returns the set literals in `range`, in the order of the text, including nested ones.
pub(crate) fn lists(tokens: &Tokens<'_>, range: &Range<usize>) -> Vec<List> {
    range.clone().filter_map(|index| list(tokens, index)).collect()
}

fn list(tokens: &Tokens<'_>, open: usize) -> Option<List> {
    let close = tokens.partner(open).filter(|_| tokens.is(open, "["))?;
    // After a name or a bracket, `[` takes an attribute.
    let attribute = open
        .checked_sub(1)
        .and_then(|before| tokens.get(before))
        .is_some_and(|token| token.is_name() || token.is(")") || token.is("]"));
    if attribute {
        return None;
    }
    let mut elements = tokens.split(open + 1..close, ",");
    elements.retain(|element| !element.is_empty());
    let span = tokens.span(&(open..close + 1))?;
    (!elements.is_empty()).then_some(List { elements, span, open, close })
}

/// Returns the expression that ends before the token `end`: names, calls and literals, separated by dots.
fn member_before<'a>(tokens: &Tokens<'a>, end: usize, least: usize) -> Option<&'a str> {
    let mut start = end;
    while let Some(index) = start.checked_sub(1).filter(|index| *index >= least) {
        let token = tokens.get(index)?;
        let opened = tokens.partner(index).filter(|open| *open < index);
        let belongs = token.is_name()
            || token.is(".")
            || token.is("::")
            || token.kind == super::tokens::Kind::Text;
        match opened {
            Some(open) => start = open,
            None if belongs => start = index,
            None => break,
        }
    }
    tokens.source(&(start..end))
}
