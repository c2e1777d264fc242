//! The policies of a bundle with what their annotations say.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};

use super::NOT_FOUND;
use super::finding::{self, Finding, Findings};
use super::read::File;

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
    /// A `permit` that needs the justification.
    pub break_glass: bool,
    /// Which of two of one layer is reported: the one written first.
    pub order: usize,
    /// Its file.
    pub file: String,
    /// Its line there.
    pub line: usize,
}

/// The policies, renamed by their `@id`.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) policies: Vec<Policy>,
    pub(super) rules: HashMap<PolicyId, Arc<Rule>>,
}

/// What a `@message` may have filled in.
const PLACEHOLDERS: [&str; 3] = ["{feature}", "{workflow}", "{action}"];
/// The annotations that there are.
const ANNOTATIONS: [&str; 7] =
    ["id", "layer", "reason", "status", "message", "description", "break_glass"];

/// Parses all policies and checks their annotations, which Cedar does not.
pub(super) fn parse(files: &[File]) -> Result<Parsed, Findings> {
    let (mut parsed, mut findings) = (Parsed::default(), Vec::new());
    for file in files {
        match file.text.parse::<PolicySet>() {
            Ok(set) => add_file(file, &set, &mut parsed, &mut findings),
            Err(errors) => findings.extend(finding::of_file(file, &errors)),
        }
    }
    Findings::none_of(findings).map(|()| parsed)
}

fn add_file(file: &File, set: &PolicySet, parsed: &mut Parsed, findings: &mut Vec<Finding>) {
    for template in set.templates() {
        let message = format!("`{}` is a template, which nothing here fills in", template.id());
        findings.push(file.finding(0, 0, &message, "write the principal and resource out"));
    }
    let mut policies: Vec<&Policy> = set.policies().collect();
    policies.sort_by_key(|policy| ordinal(policy.id()));
    for policy in policies {
        let order = parsed.policies.len();
        match rule(file, policy, order) {
            Ok(rule) => add_policy(file, policy, rule, parsed, findings),
            Err(finding) => findings.push(*finding),
        }
    }
}

fn add_policy(
    file: &File,
    policy: &Policy,
    rule: Rule,
    parsed: &mut Parsed,
    findings: &mut Vec<Finding>,
) {
    let id = PolicyId::new(&rule.id);
    if let Some(other) = parsed.rules.get(&id) {
        let message = format!("`@id(\"{}\")` is taken by {}:{}", rule.id, other.file, other.line);
        findings.push(file.finding(rule.line, 0, &message, "give this policy an id of its own"));
        return;
    }
    parsed.policies.push(policy.new_id(id.clone()));
    parsed.rules.insert(id, Arc::new(rule));
}

/// Cedar numbers the policies of a text `policy0`, `policy1`, …
fn ordinal(id: &PolicyId) -> usize {
    let name: &str = id.as_ref();
    name.trim_start_matches("policy").parse().unwrap_or(usize::MAX)
}

/// What the annotations of a policy say, or what is wrong with them.
fn rule(file: &File, policy: &Policy, order: usize) -> Result<Rule, Box<Finding>> {
    let id = policy.annotation("id").filter(|id| !id.is_empty()).unwrap_or_default();
    let line = line_of(file, id, policy);
    let wrong = |message: &str, remedy: &str| Box::new(file.finding(line, 0, message, remedy));
    if id.is_empty() {
        return Err(wrong("a policy has no `@id`", "begin it with @id(\"a-name-of-its-own\")"));
    }
    if let Some((name, _)) = policy.annotations().find(|(name, _)| !ANNOTATIONS.contains(name)) {
        let remedy =
            format!("the annotations are {}", ANNOTATIONS.map(|it| format!("@{it}")).join(", "));
        return Err(wrong(
            &format!("policy `{id}` has an annotation `@{name}`, which nobody knows"),
            &remedy,
        ));
    }
    let forbids = policy.effect() == Effect::Forbid;
    let annotation = |name: &str| policy.annotation(name).filter(|value| !value.is_empty());
    let mut rule = Rule {
        id: Arc::from(id),
        forbids,
        layer: Layer::Role,
        reason: Arc::from(annotation("reason").unwrap_or_default()),
        status: 403,
        message: Arc::from(annotation("message").unwrap_or_default()),
        break_glass: policy.annotation("break_glass").is_some(),
        order,
        file: file.name.clone(),
        line,
    };
    if !forbids {
        return Ok(rule);
    }
    rule.layer =
        layer(id, annotation("layer")).map_err(|(message, remedy)| wrong(&message, &remedy))?;
    rule.status =
        status(id, annotation("status")).map_err(|(message, remedy)| wrong(&message, &remedy))?;
    complete(&rule).map_err(|(message, remedy)| wrong(&message, &remedy))?;
    Ok(rule)
}

type Fault = (String, String);

fn layer(id: &str, name: Option<&str>) -> Result<Layer, Fault> {
    let names = || Layer::ALL.map(|(name, _)| name).join(", ");
    let Some(name) = name else {
        return Err((format!("`forbid` `{id}` has no `@layer`"), format!("one of {}", names())));
    };
    let found = Layer::ALL.iter().find(|(known, _)| *known == name);
    found.map(|(_, layer)| *layer).ok_or_else(|| {
        (
            format!("`forbid` `{id}` is of layer `{name}`, which nobody knows"),
            format!("one of {}", names()),
        )
    })
}

fn status(id: &str, text: Option<&str>) -> Result<u16, Fault> {
    let Some(text) = text else { return Ok(403) };
    let known = [400, 401, 403, 404, 405, 409, 413, 415, 422, 423, 429, 451];
    text.parse().ok().filter(|status| known.contains(status)).ok_or_else(|| {
        let remedy = format!("one of {}", known.map(|status| status.to_string()).join(", "));
        (format!("`forbid` `{id}` has the status `{text}`, which no denial has"), remedy)
    })
}

fn complete(rule: &Rule) -> Result<(), Fault> {
    let id = &rule.id;
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if rule.reason.is_empty() || !rule.reason.bytes().all(word) {
        let remedy = "add @reason(\"a_fixed_word\"), in lower case".to_owned();
        return Err((format!("`forbid` `{id}` has no `@reason` that is a word"), remedy));
    }
    if rule.message.is_empty() {
        let remedy =
            "add @message(\"…\"): the client is told it, so it names nobody else".to_owned();
        return Err((format!("`forbid` `{id}` has no `@message`"), remedy));
    }
    let mut plain = rule.message.to_string();
    for placeholder in PLACEHOLDERS {
        plain = plain.replace(placeholder, "");
    }
    if plain.contains(['{', '}']) {
        let remedy = format!("the gate fills in {}", PLACEHOLDERS.join(", "));
        return Err((format!("the message of `{id}` has a variable that nobody fills in"), remedy));
    }
    if &*rule.reason == "not_found" && (rule.status != 404 || &*rule.message != NOT_FOUND) {
        let remedy = format!(
            "@status(\"404\") @message(\"{NOT_FOUND}\"), as for an object that does not exist"
        );
        return Err((format!("`{id}` would tell what is hidden from what is not there"), remedy));
    }
    Ok(())
}

/// The line of a policy: that of its `@id`, or of its first line when it has none.
fn line_of(file: &File, id: &str, policy: &Policy) -> usize {
    let mark = format!("@id(\"{id}\")");
    let text = policy.to_string();
    let wanted = if id.is_empty() { text.lines().next().unwrap_or_default() } else { &mark };
    file.text.lines().position(|line| line.contains(wanted)).map_or(0, |index| index + 1)
}
