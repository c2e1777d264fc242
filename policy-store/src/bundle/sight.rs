//! What a bundle's policies can see of circumstances that change by themselves.

use super::policies::Parsed;
use super::read::File;
use super::room::breathe;
use super::tokens::{Token, tokens};

/// The circumstances that policies may read although requests that differ in nothing else differ in them. A
/// circumstance that policies cannot see is not put to them, and need not be equal for two questions to be the
/// same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Whether the schema declares the client's address.
    pub client_address: bool,
    /// Whether a policy may read the age of the token.
    pub token_age: bool,
}

impl Sight {
    /// What the policies of a bundle can see.
    pub(super) fn of(schema: &File, parsed: &Parsed) -> Self {
        let mut policies = parsed.policies.iter().inspect(|_| breathe());
        Self {
            client_address: declares(&schema.text, "client_address"),
            token_age: policies.any(|it| it.reads.circumstance("token_age")),
        }
    }
}

/// Whether a schema has this name anywhere but in a comment.
fn declares(schema: &str, name: &str) -> bool {
    tokens(schema)
        .any(|(_, token)| matches!(token, Token::Word(it) | Token::Text(it) if it == name))
}
