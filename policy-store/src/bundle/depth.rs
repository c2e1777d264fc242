//! The nesting depth of code, found without parsing it.

use super::room::breathe;
use super::tokens::{Token, tokens};

/// The maximum depths of code. Cedar's parser recurses, and so does much of what handles its result; a stack
/// that overflows ends the process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The maximum number of brackets and `if`s around one place.
    pub(super) nesting: usize,
    /// The maximum number of links of the chains around one place: `a.b.c`, `a::b`, `a + b + c`, consecutive
    /// `when`s.
    pub(super) links: usize,
    /// The maximum number of operators `&&` and `||` around one place. Cedar's parser does not recurse for
    /// them, but its evaluator does, and fails when the stack runs short: that would deny every request.
    pub(super) joins: usize,
    /// Whether `Set<…>` counts as a bracket, as in a schema.
    pub(super) angles: bool,
}

/// Returns the first place where code is deeper than `limits`. Strings and comments do not count.
///
/// This knows no grammar and counts too much rather than too little: for example, the `if`s in both arms of
/// another `if`.
pub(super) fn too_deep(text: &str, limits: Limits) -> Option<usize> {
    let mut depth = Depth::default();
    tokens(text).find_map(|(at, token)| {
        depth.take(token, limits.angles);
        let nested = depth.outer.len() + depth.all.ifs;
        let Frame { links, joins, .. } = depth.all;
        // Each of these operators is two characters.
        let many = links > limits.links || joins > limits.joins * 2;
        (nested > limits.nesting || many).then_some(at)
    })
}

/// The counts since a bracket was opened, of what is still around the current place.
#[derive(Debug, Default)]
struct Frame {
    ifs: usize,
    links: usize,
    joins: usize,
}

#[derive(Debug, Default)]
struct Depth {
    /// The counts outside each open bracket.
    outer: Vec<Frame>,
    /// The counts inside the innermost open bracket.
    inner: Frame,
    /// The sums of all frames.
    all: Frame,
}

impl Depth {
    fn take(&mut self, token: Token<'_>, angles: bool) {
        match token {
            Token::Mark(b'(' | b'[' | b'{') => self.open(),
            Token::Mark(b')' | b']' | b'}') => self.close(),
            Token::Mark(b'<') if angles => self.open(),
            Token::Mark(b'>') if angles => self.close(),
            Token::Word("if") => {
                self.inner.ifs += 1;
                self.all.ifs += 1;
            }
            Token::Mark(b'.' | b':' | b'+' | b'-' | b'*') => self.link(),
            // The next policy begins, or the next member of a list.
            Token::Mark(b';') => {
                breathe();
                self.leave();
            }
            Token::Mark(b',') => self.leave(),
            Token::Mark(b'&' | b'|') => {
                self.inner.joins += 1;
                self.all.joins += 1;
                self.unlink();
            }
            Token::Mark(b'=' | b'<' | b'>') => self.unlink(),
            _ => {}
        }
    }

    fn link(&mut self) {
        self.inner.links += 1;
        self.all.links += 1;
    }

    /// Ends a chain: the next operand does not continue it.
    fn unlink(&mut self) {
        self.all.links -= std::mem::take(&mut self.inner.links);
    }

    fn open(&mut self) {
        self.link();
        self.outer.push(std::mem::take(&mut self.inner));
    }

    fn close(&mut self) {
        self.leave();
        self.inner = self.outer.pop().unwrap_or_default();
    }

    fn leave(&mut self) {
        let left = std::mem::take(&mut self.inner);
        self.all.ifs -= left.ifs;
        self.all.links -= left.links;
        self.all.joins -= left.joins;
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, too_deep};

    fn check(text: &str, expected: Option<usize>) {
        let limits = Limits { nesting: 2, links: 4, joins: 4, angles: false };
        assert_eq!(too_deep(text, limits), expected, "{text}");
    }

    #[test]
    fn brackets_and_ifs_are_nested() {
        check("((\"(((\" // (((\n))", None);
        check("(([", Some(2));
        check("(if (", Some(4));
        check("if if if", Some(6));
        check("(if), (if), [if, if; if]", None);
        check(")))(())", None);
    }

    #[test]
    fn chains_are_counted_as_far_as_they_reach() {
        check("a.b.c.d.e", None);
        check("a.b.c.d.e.f", Some(9));
        check("1 + 1 - 1 * 1 + 1", None);
        check("1 + 1 - 1 * 1 + 1 + 1", Some(18));
        check("a.b.c.d && a.b.c.d || a.b.c.d == a.b.c.d, a.b.c.d; a.b.c.d", None);
        check("a && a || a && a || a, a && a && a", None);
        check("a && a || (a && a) || (a) && a", None);
        check("a && a || (a && a && a && a)", Some(23));
        check("a.b.c[d.e].f", None);
        check("a.b.c[d.e.f]", Some(9));
        check("when {} when {} when {} when {} when {}", Some(37));
    }

    #[test]
    fn angles_are_brackets_of_a_schema() {
        let limits = Limits { nesting: 2, links: 4, joins: 4, angles: true };
        assert_eq!(too_deep("Set<Set<Set<", limits), Some(11));
        assert_eq!(too_deep("Set<Set<A>>, Set<Set<A>>", limits), None);
    }
}
