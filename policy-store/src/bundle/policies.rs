//! The policies of a bundle with the values of their annotations.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use cedar_policy::{EntityUid, Policy, PolicyId};

use super::finding::{Finding, Findings, MOST};
use super::kind::Kind;
use super::layer::Layer;
use super::notes::{Fault, Notes, notes};
use super::read::File;
use super::reads::Reads;
use super::room::breathe;
use super::statement::statements;
use super::syntax;
use super::tokens::{Token, tokens};
use super::view::Glance;

/// What is known about a policy besides its condition.
#[derive(Debug)]
pub struct Rule {
    /// The `@id` of the policy.
    pub id: Arc<str>,
    /// Whether the policy is a `forbid`.
    pub forbids: bool,
    /// The layer of the policy; a `permit` is part of the layer `role`.
    pub layer: Layer,
    /// The reason that the client reads when this `forbid` refuses; empty for a `permit`.
    pub reason: Arc<str>,
    /// The HTTP status that the client receives when this `forbid` refuses.
    pub status: u16,
    /// The message that the client reads when this `forbid` refuses; empty for a `permit`.
    pub message: Arc<str>,
    /// The purpose of the policy, in the words of its author.
    pub description: Option<Arc<str>>,
    /// Whether this `permit` needs the justification.
    pub break_glass: bool,
    /// The position of the policy in the bundle: of two policies in one layer, the first is reported.
    pub order: usize,
    /// The file of the policy.
    pub file: String,
    /// The line on which the policy begins.
    pub line: usize,
    /// The offset in the file at which the policy begins, in bytes.
    pub offset: usize,
    /// The policy as written, up to its semicolon.
    pub text: Arc<str>,
    /// What the policy reads.
    pub reads: Arc<Reads>,
}

impl Rule {
    /// Returns the policy as written, without its annotations.
    pub fn body(&self) -> &str {
        self.text.get(effect(&self.text)..).unwrap_or_default()
    }
}

/// Returns where `permit` or `forbid` stands in the text of a policy.
pub(super) fn effect(text: &str) -> usize {
    let is_effect = |token: &Token<'_>| matches!(token, Token::Word("permit" | "forbid"));
    tokens(text).find(|(_, token)| is_effect(token)).map_or(0, |(at, _)| at)
}

/// A statement that was parsed and whose annotations are valid. It depends on the text of the statement alone.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) policy: Policy,
    pub(super) text: Arc<str>,
    /// The actions, groups included, that the policy names anywhere.
    pub(super) actions: Vec<EntityUid>,
    /// What the policy reads, as far as views need it.
    pub(super) glance: Glance,
    /// What the policy reads.
    pub(super) reads: Arc<Reads>,
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

/// The checked statements, by their text.
pub(super) type Known = HashMap<Arc<str>, Arc<Checked>>;

/// The maximum number of policies: five times the largest bundle that we have measured.
const POLICIES: usize = 50_000;
/// Parses all policies and checks their annotations, which Cedar does not check. Statements in `known` are not
/// parsed again.
pub(super) fn parse(files: &[File], known: &Known) -> Result<Parsed, Findings> {
    // Room for about as many policies as before: tables that grow step by step take long.
    let rules = HashMap::with_capacity(known.len() + 1);
    let policies = Vec::with_capacity(known.len() + 1);
    let (mut parsed, mut findings) = (Parsed { policies, rules }, Vec::new());
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

/// Returns a finding for each file without any content, not even a comment: its author has begun to write it,
/// or could not.
pub(super) fn empty(files: &[File]) -> Vec<Finding> {
    let empty = files.iter().filter(|file| file.text.trim().is_empty());
    let remedy = "write it again, or remove it if nothing is to stand in it";
    empty.map(|file| file.at(0, "the file is empty", remedy).of_kind(Kind::EmptyFile)).collect()
}

/// The place of a statement.
pub(super) struct Place<'a> {
    pub(super) file: &'a File,
    pub(super) offset: usize,
    pub(super) line: usize,
}

/// Counts lines incrementally.
#[derive(Default)]
struct Lines {
    offset: usize,
    before: usize,
}

impl Lines {
    /// Returns the line, from 1, of a place that is not before the place of the last call.
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
    let reads = Reads::of(policy);
    Ok(Arc::new(Checked {
        glance: Glance::of(&reads),
        reads: Arc::new(reads),
        policy: policy.new_id(PolicyId::new(&notes.id)),
        text: Arc::from(text),
        actions,
        notes,
    }))
}

fn add(place: &Place<'_>, checked: Arc<Checked>, parsed: &mut Parsed, findings: &mut Vec<Finding>) {
    let id = checked.policy.id().clone();
    let rule = checked.notes.rule(place, parsed.policies.len(), &checked);
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
