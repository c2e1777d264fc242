//! The policies of a bundle with what their annotations say.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use cedar_policy::{Effect, EntityUid, Policy, PolicyId};

use super::finding::{Finding, Findings, MOST};
use super::kind::Kind;
use super::read::File;
use super::room::breathe;
use super::statement::statements;
use super::tokens::{Token, tokens};
use super::view::Glance;
use super::{NOT_FOUND, syntax};

/// The layers of a decision, in their order (`domain.md`, "The layers, in order").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The caller's own state.
    Authentication,
    /// How far the caller gets at all.
    Boundary,
    /// The allowlist of the route.
    Role,
    /// The tenant, and what it owns.
    Tenant,
    /// The paywall.
    Feature,
    /// The workflow.
    Workflow,
    /// What is handed out.
    Escalation,
}

impl Layer {
    const ALL: [(&'static str, Self); 7] = [
        ("authentication", Self::Authentication),
        ("boundary", Self::Boundary),
        ("role", Self::Role),
        ("tenant", Self::Tenant),
        ("feature", Self::Feature),
        ("workflow", Self::Workflow),
        ("escalation", Self::Escalation),
    ];

    /// Whether it is judged before a body is read and an object is looked up.
    pub fn is_early(self) -> bool {
        self <= Self::Role
    }
}

/// What is known about a policy besides its condition.
#[derive(Debug)]
pub struct Rule {
    /// Its `@id`.
    pub id: Arc<str>,
    /// Whether it forbids.
    pub forbids: bool,
    /// Its layer; a `permit` is of the role layer.
    pub layer: Layer,
    /// The word for the client, of a `forbid`.
    pub reason: Arc<str>,
    /// The status for the client, of a `forbid`.
    pub status: u16,
    /// The sentence for the client, of a `forbid`.
    pub message: Arc<str>,
    /// What it is for, in the words of its author.
    pub description: Option<Arc<str>>,
    /// A `permit` that needs the justification.
    pub break_glass: bool,
    /// Which of two of one layer is reported: the one written first.
    pub order: usize,
    /// Its file.
    pub file: String,
    /// The line there on which it begins.
    pub line: usize,
    /// Where it begins there, in bytes.
    pub offset: usize,
    /// The policy as written, from there to its semicolon.
    pub text: Arc<str>,
}

/// A statement that was parsed, and whose annotations are good. The same text gives the same.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) policy: Policy,
    pub(super) text: Arc<str>,
    /// The actions, groups included, that it names anywhere.
    pub(super) actions: Vec<EntityUid>,
    /// What it looks at.
    pub(super) glance: Glance,
    notes: Notes,
}

impl Checked {
    pub(super) fn layer(&self) -> Layer {
        self.notes.layer
    }
}

/// The policies of a bundle, in their order.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) policies: Vec<Arc<Checked>>,
    pub(super) rules: HashMap<PolicyId, Arc<Rule>>,
}

/// Statements by their text.
pub(super) type Known = HashMap<Arc<str>, Arc<Checked>>;

/// So many policies there may be: five times the largest bundle that we have measured.
const POLICIES: usize = 50_000;
/// What a `@message` may have filled in.
const PLACEHOLDERS: [&str; 3] = ["{feature}", "{workflow}", "{action}"];
/// The annotations that there are.
const ANNOTATIONS: [&str; 7] =
    ["id", "layer", "reason", "status", "message", "description", "break_glass"];

/// Parses all policies and checks their annotations, which Cedar does not. What is `known` is not
/// looked at again.
pub(super) fn parse(files: &[File], known: &Known) -> Result<Parsed, Findings> {
    let (mut parsed, mut findings) = (Parsed::default(), Vec::new());
    for file in files {
        let mut line = Lines::default();
        for statement in statements(&file.text) {
            breathe();
            let place = Place {
                file,
                offset: statement.offset,
                line: line.of(&file.text, statement.offset),
            };
            let checked = known
                .get(statement.text)
                .map_or_else(|| check(&place, statement.text), |it| Ok(Arc::clone(it)));
            match checked {
                Ok(checked) => add(&place, checked, &mut parsed, &mut findings),
                Err(faults) => findings.extend(faults),
            }
            if findings.len() >= MOST {
                return Err(Findings(findings));
            }
            if parsed.policies.len() > POLICIES {
                let message = format!("the bundle has more than {POLICIES} policies");
                let finding = file.at(statement.offset, &message, "join those that are alike");
                return Err(Findings(vec![finding.of_kind(Kind::TooMuch)]));
            }
        }
    }
    Findings::none_of(findings).map(|()| parsed)
}

/// Files that hold nothing at all, not even a comment: somebody has begun to write them, or could not.
pub(super) fn empty(files: &[File]) -> Vec<Finding> {
    let empty = files.iter().filter(|file| file.text.trim().is_empty());
    let remedy = "write it again, or remove it if nothing is to stand in it";
    empty.map(|file| file.at(0, "the file is empty", remedy).of_kind(Kind::EmptyFile)).collect()
}

/// Where a statement stands.
struct Place<'a> {
    file: &'a File,
    offset: usize,
    line: usize,
}

/// Counts lines as it goes.
#[derive(Default)]
struct Lines {
    offset: usize,
    before: usize,
}

impl Lines {
    /// The line, from 1, of a place that is not before the last one asked for.
    fn of(&mut self, text: &str, offset: usize) -> usize {
        let passed = text.get(self.offset..offset).unwrap_or_default();
        self.before += passed.bytes().filter(|byte| *byte == b'\n').count();
        self.offset = offset;
        self.before + 1
    }
}

fn check(place: &Place<'_>, text: &str) -> Result<Arc<Checked>, Vec<Finding>> {
    let set = syntax::parsed(place.file, place.offset, text)?;
    let mut policies = set.policies();
    let (Some(policy), None) = (policies.next(), policies.next()) else {
        let remedy = "write the principal and resource out, and end each policy with a semicolon";
        let message = "this is a template or no policy, which nothing here fills in";
        let finding = place.file.at(place.offset, message, remedy);
        return Err(vec![finding.of_kind(Kind::Template)]);
    };
    let notes = notes(policy).map_err(|fault| vec![fault.at(place, text)])?;
    let mut actions = policy.entity_literals();
    actions.retain(|uid| uid.type_name().basename() == "Action");
    Ok(Arc::new(Checked {
        glance: Glance::of(policy),
        policy: policy.new_id(PolicyId::new(&notes.id)),
        text: Arc::from(text),
        actions,
        notes,
    }))
}

fn add(place: &Place<'_>, checked: Arc<Checked>, parsed: &mut Parsed, findings: &mut Vec<Finding>) {
    let id = checked.policy.id().clone();
    let rule = checked.notes.rule(place, parsed.policies.len(), &checked.text);
    match parsed.rules.entry(id) {
        Entry::Occupied(other) => {
            let other = other.get();
            let message =
                format!("`@id(\"{}\")` is taken by {}:{}", rule.id, other.file, other.line);
            let fault =
                Fault::new(Kind::RepeatedId, "id", message, "give this policy an id of its own");
            findings.push(fault.at(place, &checked.text));
        }
        Entry::Vacant(free) => {
            free.insert(Arc::new(rule));
            parsed.policies.push(checked);
        }
    }
}

/// Where the annotation `name` begins in a statement.
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
struct Fault {
    kind: Kind,
    /// The annotation; the whole statement when it has none of this name.
    annotation: String,
    message: String,
    remedy: String,
}

impl Fault {
    fn new(
        kind: Kind,
        annotation: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (message, remedy) = (message.into(), remedy.into());
        Self { kind, annotation: annotation.to_owned(), message, remedy }
    }

    fn at(&self, place: &Place<'_>, text: &str) -> Finding {
        let inside = annotation(text, &self.annotation).unwrap_or(0);
        let finding = place.file.at(place.offset + inside, &self.message, &self.remedy);
        finding.of_kind(self.kind)
    }
}

/// What the annotations of a policy say.
#[derive(Debug)]
struct Notes {
    id: Arc<str>,
    forbids: bool,
    layer: Layer,
    reason: Arc<str>,
    status: u16,
    message: Arc<str>,
    description: Option<Arc<str>>,
    break_glass: bool,
}

impl Notes {
    fn rule(&self, place: &Place<'_>, order: usize, text: &Arc<str>) -> Rule {
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
            text: Arc::clone(text),
        }
    }
}

/// What the annotations of a policy say, or what is wrong with them.
fn notes(policy: &Policy) -> Result<Notes, Fault> {
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

fn layer(id: &str, name: Option<&str>) -> Result<Layer, Fault> {
    let names = || Layer::ALL.map(|(name, _)| name).join(", ");
    let Some(name) = name else {
        let message = format!("`forbid` `{id}` has no `@layer`");
        let remedy = format!("add @layer(\"…\") with one of {}", names());
        return Err(Fault::new(Kind::ForbidWithoutLayer, "layer", message, remedy));
    };
    let found = Layer::ALL.iter().find(|(known, _)| *known == name);
    found.map(|(_, layer)| *layer).ok_or_else(|| {
        let message = format!("`forbid` `{id}` is of layer `{name}`, which nobody knows");
        Fault::new(Kind::UnknownLayer, "layer", message, format!("one of {}", names()))
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
