//! Whether the policies of a bundle can see the client's address and the age of the token, which change by
//! themselves from request to request.

use super::policies::Parsed;
use super::read::File;
use super::room::breathe;
use super::tokens::{Token, tokens};

/// Whether policies can read circumstances that may differ between requests that are otherwise equal. The gate
/// leaves a circumstance that policies cannot see out of the question, so two requests that differ only there
/// are the same question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Whether the schema declares the client's address.
    pub client_address: bool,
    /// Whether a policy may read the age of the token.
    pub token_age: bool,
}

impl Sight {
    /// Returns what the policies of a bundle can see.
    pub(super) fn of(schema: &File, parsed: &Parsed) -> Self {
        let mut policies = parsed.policies.iter().inspect(|_| breathe());
        Self {
            client_address: declares(&schema.text, "client_address"),
            token_age: policies.any(|it| it.reads.circumstance("token_age")),
        }
    }
}

/// Whether a schema contains `name` outside of comments.
fn declares(schema: &str, name: &str) -> bool {
    tokens(schema)
        .any(|(_, token)| matches!(token, Token::Word(it) | Token::Text(it) if it == name))
}
