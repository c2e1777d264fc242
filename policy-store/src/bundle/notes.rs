//! The values of the annotations of a policy, and the checks of them, which Cedar does not make.

use std::sync::Arc;

use cedar_policy::{Effect, Policy};

use super::NOT_FOUND;
use super::finding::Finding;
use super::kind::Kind;
use super::layer::Layer;
use super::policies::{Checked, Place, Rule};
use super::tokens::{Token, tokens};

/// The variables that a `@message` may contain.
const PLACEHOLDERS: [&str; 3] = ["{feature}", "{workflow}", "{action}"];
/// The annotations that only a `forbid` can have: they concern a request that is refused.
pub const OF_FORBIDS: [&str; 4] = ["layer", "reason", "status", "message"];
/// The annotations that only a `permit` can have.
pub const OF_PERMITS: [&str; 1] = ["break_glass"];
/// All known annotations.
pub(super) const ANNOTATIONS: [&str; 7] =
    ["id", "layer", "reason", "status", "message", "description", "break_glass"];

/// Returns where the annotation `name` begins in a statement.
pub(super) fn annotation(text: &str, name: &str) -> Option<usize> {
    let mut at_sign = None;
    tokens(text).find_map(|(at, token)| match token {
        Token::Word(word) if word == name => at_sign.take(),
        token => {
            at_sign = (token == Token::Mark(b'@')).then_some(at);
            None
        }
    })
}

/// What is wrong with an annotation.
pub(super) struct Fault {
    kind: Kind,
    /// The name of the annotation. The fault is reported at the whole statement if the policy has no such
    /// annotation.
    annotation: String,
    message: String,
    remedy: String,
}

impl Fault {
    pub(super) fn new(
        kind: Kind,
        annotation: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (message, remedy) = (message.into(), remedy.into());
        Self { kind, annotation: annotation.to_owned(), message, remedy }
    }

    pub(super) fn at(&self, place: &Place<'_>, text: &str) -> Finding {
        let inside = annotation(text, &self.annotation).unwrap_or(0);
        let finding = place.file.at(place.offset + inside, &self.message, &self.remedy);
        finding.of_kind(self.kind)
    }
}

/// The values of the annotations of a policy.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) id: Arc<str>,
    forbids: bool,
    pub(super) layer: Layer,
    reason: Arc<str>,
    status: u16,
    message: Arc<str>,
    description: Option<Arc<str>>,
    break_glass: bool,
}

impl Notes {
    pub(super) fn rule(&self, place: &Place<'_>, order: usize, checked: &Checked) -> Rule {
        Rule {
            id: Arc::clone(&self.id),
            forbids: self.forbids,
            layer: self.layer,
            reason: Arc::clone(&self.reason),
            status: self.status,
            message: Arc::clone(&self.message),
            description: self.description.clone(),
            break_glass: self.break_glass,
            order,
            file: place.file.name.clone(),
            line: place.line,
            offset: place.offset,
            text: Arc::clone(&checked.text),
            reads: Arc::clone(&checked.reads),
        }
    }
}

/// Returns the values of the annotations of a policy, or what is wrong with them.
pub(super) fn notes(policy: &Policy) -> Result<Notes, Fault> {
    let annotation = |name: &str| policy.annotation(name).filter(|value| !value.is_empty());
    let Some(id) = annotation("id") else {
        let remedy = "begin it with @id(\"a-name-of-its-own\")";
        return Err(Fault::new(Kind::MissingId, "id", "a policy has no `@id`", remedy));
    };
    if let Some((name, _)) = policy.annotations().find(|(name, _)| !ANNOTATIONS.contains(name)) {
        let remedy =
            format!("the annotations are {}", ANNOTATIONS.map(|it| format!("@{it}")).join(", "));
        let message = format!("policy `{id}` has an annotation `@{name}`, which nobody knows");
        return Err(Fault::new(Kind::UnknownAnnotation, name, message, remedy));
    }
    misplaced(policy, id)?;
    let mut notes = Notes {
        id: Arc::from(id),
        forbids: policy.effect() == Effect::Forbid,
        layer: Layer::Role,
        reason: Arc::from(annotation("reason").unwrap_or_default()),
        status: 403,
        message: Arc::from(annotation("message").unwrap_or_default()),
        description: annotation("description").map(Arc::from),
        break_glass: policy.annotation("break_glass").is_some(),
    };
    if notes.forbids {
        notes.layer = layer(id, annotation("layer"))?;
        notes.status = status(id, annotation("status"))?;
        complete(&notes)?;
    }
    Ok(notes)
}

/// Rejects annotations that have no effect here: their author believes that they do.
fn misplaced(policy: &Policy, id: &str) -> Result<(), Fault> {
    let (effect, other, of_other) = match policy.effect() {
        Effect::Permit => ("permit", "forbid", &OF_FORBIDS[..]),
        Effect::Forbid => ("forbid", "permit", &OF_PERMITS[..]),
    };
    let found = policy.annotations().find(|(name, _)| of_other.contains(name));
    found.map_or(Ok(()), |(name, _)| {
        let message =
            format!("`{effect}` `{id}` has an annotation `@{name}`, which only a `{other}` has");
        let remedy = format!("remove it, or write a `{other}`");
        Err(Fault::new(Kind::MisplacedAnnotation, name, message, remedy))
    })
}

fn layer(id: &str, name: Option<&str>) -> Result<Layer, Fault> {
    let Some(name) = name else {
        let message = format!("`forbid` `{id}` has no `@layer`");
        let remedy = format!("add @layer(\"…\") with one of {}", Layer::names());
        return Err(Fault::new(Kind::ForbidWithoutLayer, "layer", message, remedy));
    };
    Layer::named(name).ok_or_else(|| {
        let message = format!("`forbid` `{id}` is of layer `{name}`, which nobody knows");
        Fault::new(Kind::UnknownLayer, "layer", message, format!("one of {}", Layer::names()))
    })
}

fn status(id: &str, text: Option<&str>) -> Result<u16, Fault> {
    let Some(text) = text else { return Ok(403) };
    let known = [400, 401, 403, 404, 405, 409, 413, 415, 422, 423, 429, 451];
    text.parse().ok().filter(|status| known.contains(status)).ok_or_else(|| {
        let remedy = format!("one of {}", known.map(|status| status.to_string()).join(", "));
        let message = format!("`forbid` `{id}` has the status `{text}`, which no denial has");
        Fault::new(Kind::UnknownStatus, "status", message, remedy)
    })
}

fn complete(rule: &Notes) -> Result<(), Fault> {
    let id = &rule.id;
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if rule.reason.is_empty() || !rule.reason.bytes().all(word) {
        let remedy = "add @reason(\"a_fixed_word\"), in lower case";
        let message = format!("`forbid` `{id}` has no `@reason` that is a word");
        return Err(Fault::new(Kind::ForbidWithoutReason, "reason", message, remedy));
    }
    if rule.message.is_empty() {
        let remedy = "add @message(\"…\"): the client is told it, so it names nobody else";
        let message = format!("`forbid` `{id}` has no `@message`");
        return Err(Fault::new(Kind::ForbidWithoutMessage, "message", message, remedy));
    }
    let mut plain = rule.message.to_string();
    for placeholder in PLACEHOLDERS {
        plain = plain.replace(placeholder, "");
    }
    if plain.contains(['{', '}']) {
        let remedy = format!("the gate fills in {}", PLACEHOLDERS.join(", "));
        let message = format!("the message of `{id}` has a variable that nobody fills in");
        return Err(Fault::new(Kind::UnknownVariable, "message", message, remedy));
    }
    if &*rule.reason == "not_found" && (rule.status != 404 || &*rule.message != NOT_FOUND) {
        let remedy = format!(
            "@status(\"404\") @message(\"{NOT_FOUND}\"), as for an object that does not exist"
        );
        let message = format!("`{id}` would tell what is hidden from what is not there");
        return Err(Fault::new(Kind::TellingNotFound, "message", message, remedy));
    }
    Ok(())
}
