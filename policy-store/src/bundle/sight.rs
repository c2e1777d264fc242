//! What a bundle's policies can see of circumstances that change by themselves.

use super::policies::Parsed;
use super::read::File;
use super::room::breathe;
use super::tokens::{Token, tokens};

/// The circumstances that policies may read although requests that differ in nothing else differ in them. A
/// circumstance that no policy reads is not put to the policies, and need not be equal for two questions to be
/// the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Whether the schema declares the client's address, and a policy may read it.
    pub client_address: bool,
    /// Whether a policy may read the age of the token.
    pub token_age: bool,
}

impl Sight {
    /// What the policies of a bundle can see.
    pub(super) fn of(schema: &File, parsed: &Parsed) -> Self {
        let read = |name| {
            let mut policies = parsed.policies.iter().inspect(|_| breathe());
            policies.any(|it| it.reads.circumstance(name))
        };
        Self {
            client_address: declares(&schema.text, "client_address") && read("client_address"),
            token_age: read("token_age"),
        }
    }
}

/// Whether a schema has this name anywhere but in a comment: a context that is read as a whole is not to have
/// members that its type does not have.
fn declares(schema: &str, name: &str) -> bool {
    tokens(schema)
        .any(|(_, token)| matches!(token, Token::Word(it) | Token::Text(it) if it == name))
}
