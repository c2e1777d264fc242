//! The form of a text: Cedar's `like` with a literal pattern, or `==` with a literal.

use cedar_policy::pst::PatternElem;

/// Pieces of text, at least one, that follow one another with anything in between.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape(Vec<String>);

impl Shape {
    /// Returns the form that only `text` has.
    pub(super) fn exactly(text: &str) -> Self {
        Self(vec![text.to_owned()])
    }

    /// Returns the form of all texts that match a pattern of `like`.
    pub(super) fn like(pattern: &[PatternElem]) -> Self {
        let mut pieces = vec![String::new()];
        for element in pattern {
            match element {
                PatternElem::Wildcard => pieces.push(String::new()),
                PatternElem::Char(char) => {
                    if let Some(piece) = pieces.last_mut() {
                        piece.push(*char);
                    }
                }
            }
        }
        Self(pieces)
    }

    /// Whether `text` has this form.
    pub(super) fn fits(&self, text: &str) -> bool {
        let (first, rest) = match self.0.as_slice() {
            [] => return false,
            [only] => return text == only,
            [first, rest @ ..] => (first, rest),
        };
        let Some(mut text) = text.strip_prefix(first.as_str()) else { return false };
        let Some((last, between)) = rest.split_last() else { return false };
        // The leftmost match of a piece leaves the most room for the pieces after it.
        for piece in between {
            let Some(at) = text.find(piece.as_str()) else { return false };
            text = text.get(at + piece.len()..).unwrap_or_default();
        }
        text.ends_with(last.as_str())
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::pst::{Clause, Expr};
    use cedar_policy::{
        Context, Entities, EntityUid, EvalResult, Expression, Policy, Request, eval_expression,
    };

    use super::*;

    /// Returns what Cedar answers for `text like pattern`.
    fn by_cedar(text: &str, pattern: &str) -> bool {
        let expression: Expression = format!("{text:?} like \"{pattern}\"").parse().unwrap();
        let someone: EntityUid = "T::\"a\"".parse().unwrap();
        let (who, what, which) = (someone.clone(), someone.clone(), someone);
        let request = Request::new(who, what, which, Context::empty(), None).unwrap();
        let value = eval_expression(&request, &Entities::empty(), &expression).unwrap();
        value == EvalResult::Bool(true)
    }

    fn shape(pattern: &str) -> Shape {
        let text = format!(
            "permit (principal, action, resource) when {{ context.path like \"{pattern}\" }};"
        );
        let policy: Policy = text.parse().unwrap();
        let tree = policy.to_pst().unwrap();
        let [Clause::When(condition)] = tree.body().clauses().as_slice() else { panic!("{text}") };
        let Expr::Like { pattern, .. } = &**condition else { panic!("{text}") };
        Shape::like(pattern)
    }

    /// Returns all texts of at most `length` of these letters.
    fn texts(letters: &[&str], length: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..length {
            last = last
                .iter()
                .flat_map(|text| letters.iter().map(move |letter| format!("{text}{letter}")))
                .collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    #[test]
    fn it_fits_what_cedar_says_is_like_it() {
        let subjects = texts(&["a", "é", "*"], 4);
        let longer = ["a*a*a", "*aé*é*", "a*é*\\*", "*a*"].map(str::to_owned);
        for pattern in texts(&["a", "é", "*", "\\*"], 2).into_iter().chain(longer) {
            let shape = shape(&pattern);
            for text in &subjects {
                assert_eq!(shape.fits(text), by_cedar(text, &pattern), "{text} like {pattern}");
            }
        }
    }

    #[test]
    fn one_text_and_no_other() {
        let shape = Shape::exactly("/a*");
        assert!(shape.fits("/a*") && !shape.fits("/ab") && !shape.fits("/a"));
    }
}
