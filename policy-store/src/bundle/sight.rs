//! What a bundle's policies can see of circumstances that change by themselves.

use super::policies::Parsed;
use super::read::File;
use super::room::breathe;

/// What the policies may look at: what they cannot see is not put to them, and need not be equal
/// for two questions to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// The client's address: the schema asks for it.
    pub client_address: bool,
    /// The age of the token: a policy mentions it, or looks at the context as a whole.
    pub token_age: bool,
}

impl Sight {
    /// Looks for the names in the text: whatever has the name may use it.
    pub(super) fn of(schema: &File, parsed: &Parsed) -> Self {
        let mut policies = parsed.policies.iter().inspect(|_| breathe());
        Self {
            client_address: schema.text.contains("client_address"),
            token_age: policies.any(|it| it.may_see_age),
        }
    }
}

/// Whether a policy may look at the age of the token. A name can be written with escapes: `"token\u{5f}age"`.
pub(super) fn may_see_age(text: &str) -> bool {
    ["token_age", r"\u", r"\x"].iter().any(|it| text.contains(it)) || takes_context_whole(text)
}

/// Whether `context` stands anywhere but before `.name`, `["name"]` or `has`.
fn takes_context_whole(text: &str) -> bool {
    text.match_indices("context").any(|(at, word)| {
        let rest = text.get(at + word.len()..).unwrap_or_default().trim_start();
        !(rest.starts_with(['.', '[']) || rest.starts_with("has ") || rest.starts_with("has\n"))
    })
}

#[cfg(test)]
mod tests {
    use super::{may_see_age, takes_context_whole};

    #[test]
    fn a_name_is_seen_however_it_is_spelled() {
        assert!(may_see_age("when { context has token_age }"));
        assert!(may_see_age(r#"when { context["token\u{5f}age"] > 1 }"#));
        assert!(may_see_age(r#"when { context["token\x5fage"] > 1 }"#));
        assert!(!may_see_age(r#"when { context.path like "/a\*" }"#));
    }

    #[test]
    fn a_context_that_is_taken_whole_is_seen() {
        assert!(!takes_context_whole("when { context.path like \"/a/*\" && context has feature }"));
        assert!(!takes_context_whole("context [\"path\"]"));
        assert!(takes_context_whole("when { context == {} }"));
        assert!(takes_context_whole("when { [context].contains(context) }"));
    }
}
