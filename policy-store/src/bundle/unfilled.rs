//! Findings about policies that rely on attributes that never exist, or do not exist yet.
//!
//! Cedar trusts the declarations in the schema; `filled.rs` lists what the gate really fills in. A guard that
//! reads anything else never applies, and a guard that reads an attribute too early never applies either.
//! Neither fails, so without these findings both would go unnoticed.

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy::ActionConstraint;

use super::Bundle;
use super::asked::{Asked, Questions, Since, judged_in};
use super::filled::{CONTEXT, Thing, circumstance_of};
use super::finding::{Finding, MOST};
use super::kind::Kind;
use super::layer::Layer;
use super::nearest::nearest;
use super::policies::{Checked, Rule, effect};
use super::reads::{Path, Read, Root};
use super::room::breathe;
use super::tokens::{Token, tokens};

const PAGE: &str = "docs/policies-see.md lists what policies see, and from which layer on";

/// Returns a finding for each read of an attribute that is never filled, or only filled later.
pub(super) fn findings(
    bundle: &Bundle,
    policies: &[Arc<Checked>],
    questions: &Questions,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for checked in policies {
        breathe();
        let Some(rule) = bundle.rule(checked.policy.id()) else { continue };
        let fitting = questions.fitting(&checked.policy);
        let reader = Reader { bundle, checked, rule, fitting };
        findings.extend(reader.faults().into_iter().filter_map(|fault| reader.finding(&fault)));
        if findings.len() >= MOST {
            break;
        }
    }
    findings.truncate(MOST);
    findings
}

/// A policy with the questions that it is asked.
struct Reader<'a> {
    bundle: &'a Bundle,
    checked: &'a Checked,
    rule: &'a Rule,
    fitting: Vec<&'a Asked>,
}

/// What is wrong with a read.
struct Fault<'a> {
    kind: Kind,
    /// The read with the fault, or `None` if the fault is in the scope.
    read: Option<&'a Read>,
    message: String,
    remedy: String,
}

impl Fault<'_> {
    /// Returns the path that exists only in a later layer, if that is the fault.
    fn too_early(&self) -> Option<Path> {
        match self.read {
            Some(Read::Attribute(of, name)) if self.kind == Kind::TooEarly => {
                Some(of.clone().then(name))
            }
            _ => None,
        }
    }
}

impl<'a> Reader<'a> {
    fn faults(&self) -> Vec<Fault<'a>> {
        if self.fitting.is_empty() {
            return vec![self.never_asked()];
        }
        let all: Vec<Fault<'_>> =
            self.checked.reads.iter().filter_map(|read| self.fault(read)).collect();
        // In a chain, only the first step that is too early is reported.
        let early: HashSet<Path> = all.iter().filter_map(Fault::too_early).collect();
        let follows = |of: &Path| of.prefixes().any(|it| early.contains(&it));
        let first = |fault: &Fault<'_>| !fault.read.and_then(Read::of).is_some_and(follows);
        all.into_iter().filter(first).collect()
    }

    fn fault(&self, read: &'a Read) -> Option<Fault<'a>> {
        match read {
            Read::Attribute(of, name) => self.attribute(read, of, name),
            Read::Membership(left, right) => self.membership(read, left, right),
            Read::Kind(of, kind) => self.kind(read, of, kind),
            Read::Tags(of) => {
                let remedy = "ask for an attribute instead: the gate gives no entity tags";
                Some(never(read, format!("`{of}` has no tags"), remedy.to_owned()))
            }
            Read::Named(kind, id) => self.named(read, kind, id),
        }
    }

    /// `of.name`, or `of has name`.
    fn attribute(&self, read: &'a Read, of: &Path, name: &str) -> Option<Fault<'a>> {
        let since = |asked: &Asked| asked.since(of, name);
        let layer = judged_in(self.rule.forbids, self.rule.layer, of, name);
        match self.verdict(&since, layer)? {
            Verdict::TooEarly(since) => Some(self.too_early(read, since)),
            Verdict::Never => {
                let message = format!(
                    "`{of}.{name}` is filled by nothing: neither the gate nor a mapping of facts gives it"
                );
                Some(never(read, message, remedy(of, name)))
            }
            Verdict::OtherRoutes => {
                let (message, remedy) = not_on_the_route(of, name);
                Some(never(read, message, remedy))
            }
        }
    }

    fn membership(&self, read: &'a Read, left: &Path, right: &[Path]) -> Option<Fault<'a>> {
        if left.root == Root::Action && left.steps.is_empty() {
            return None;
        }
        let since = |asked: &Asked| {
            let kind = asked.kind(left)?;
            let kinds: Vec<&str> =
                right.iter().filter_map(|it| asked.kind(it)).map(member).collect();
            if kinds.len() < right.len() {
                return None;
            }
            if kinds.contains(&kind) {
                // Every entity is in itself.
                return Some(Since::Layer(Layer::Authentication));
            }
            if kind == "Organization" && kinds.contains(&"Group") {
                return asked.parents_since(left);
            }
            Some(Since::Never)
        };
        match self.verdict(&since, self.rule.layer)? {
            Verdict::TooEarly(since) => Some(self.too_early(read, since)),
            Verdict::Never | Verdict::OtherRoutes => {
                let kind =
                    self.fitting.iter().find_map(|asked| asked.kind(left)).unwrap_or("entity");
                let remedy = match right.first().map(|it| &it.root) {
                    Some(Root::Written(right)) if &**right == "Role" => {
                        "write `principal.roles.contains(Role::\"…\")`: roles are an attribute".to_owned()
                    }
                    _ => "compare attributes instead: an `Organization` is in its `Group`, and nothing else is in anything".to_owned(),
                };
                let message =
                    format!("`{read}` never holds: the gate gives a `{kind}` no such parents");
                Some(never(read, message, remedy))
            }
        }
    }

    /// `of is Kind`.
    fn kind(&self, read: &'a Read, of: &Path, kind: &str) -> Option<Fault<'a>> {
        let built_in = Thing::of(kind) != Thing::Object;
        let given = self.fitting.iter().any(|asked| asked.kind(of).is_none_or(|it| it == kind));
        if given || built_in {
            return None;
        }
        let message = format!(
            "`{of}` is never a `{kind}`: no route that this policy is asked about looks one up"
        );
        let remedy =
            format!("give a route `resource: {kind}` and `scope: lookup`, or leave the clause out");
        Some(never(read, message, remedy))
    }

    /// Checks an entity that is written out: the gate asks only about certain guests and endpoints.
    fn named(&self, read: &'a Read, kind: &str, id: &str) -> Option<Fault<'a>> {
        let (known, remedy) = match kind {
            "Guest" => (id == "guest", "write `principal is Guest`: all guests are one".to_owned()),
            "Endpoint" => (
                self.bundle.slice(id).is_some(),
                "name it as its action is named, or ask for the action instead".to_owned(),
            ),
            _ => return None,
        };
        let message = format!("the gate never asks about `{kind}::\"{id}\"`");
        (!known).then(|| never(read, message, remedy))
    }

    fn never_asked(&self) -> Fault<'a> {
        let id = &self.rule.id;
        let message = format!(
            "`{id}` is never asked: no route leads to an action, a caller and a resource that fit its scope"
        );
        let remedy = "correct its scope, add the route, or remove the policy".to_owned();
        Fault { kind: Kind::NeverFilled, read: None, message, remedy }
    }

    /// Returns what is wrong with a read in all questions together, or `None` if nothing is.
    fn verdict(&self, since: &dyn Fn(&Asked) -> Option<Since>, layer: Layer) -> Option<Verdict> {
        let (mut known, mut there, mut elsewhere, mut needed) = (false, false, false, None);
        for asked in &self.fitting {
            match since(asked) {
                None => continue,
                Some(Since::Never) => {}
                Some(Since::OtherRoutes) => elsewhere = true,
                Some(Since::Layer(from)) => {
                    there = true;
                    if !asked.act_in && from > layer {
                        needed = needed.max(Some(from));
                    }
                }
            }
            known = true;
        }
        match needed {
            Some(from) => Some(Verdict::TooEarly(from)),
            None if there || !known => None,
            // A guard for many actions may be written before the route that fills what it reads.
            None if elsewhere => self.names_one_action().then_some(Verdict::OtherRoutes),
            None => Some(Verdict::Never),
        }
    }

    fn names_one_action(&self) -> bool {
        match self.checked.policy.action_constraint() {
            ActionConstraint::Any => false,
            ActionConstraint::Eq(uid) => self.bundle.slice(uid.id().unescaped()).is_some(),
            ActionConstraint::In(uids) => {
                uids.iter().all(|uid| self.bundle.slice(uid.id().unescaped()).is_some())
            }
        }
    }

    fn too_early(&self, read: &'a Read, since: Layer) -> Fault<'a> {
        let Rule { id, layer, forbids, .. } = self.rule;
        let (layer, since) = (layer.name(), since.name());
        let (message, remedy) = if *forbids {
            (
                format!(
                    "`{id}` reads `{read}` in layer `{layer}`, where it does not exist yet; it exists from layer `{since}` on"
                ),
                format!("write @layer(\"{since}\"), or that of a later layer; {PAGE}"),
            )
        } else {
            (
                format!(
                    "`permit` `{id}` reads `{read}`, which exists from layer `{since}` on; a `permit` is asked in layer `{layer}`"
                ),
                format!("let a `forbid` of layer `{since}` refuse what is not to be; {PAGE}"),
            )
        };
        Fault { kind: Kind::TooEarly, read: Some(read), message, remedy }
    }

    fn finding(&self, fault: &Fault<'_>) -> Option<Finding> {
        let file = self.bundle.sources().policies.iter().find(|it| it.name == self.rule.file)?;
        let inside = fault.read.map_or(0, |read| place(&self.rule.text, read));
        let finding = file.at(self.rule.offset + inside, &fault.message, &fault.remedy);
        Some(finding.of_kind(fault.kind))
    }
}

/// What is wrong with a read.
enum Verdict {
    /// The attribute exists from this layer on, and the policy is judged before that layer.
    TooEarly(Layer),
    /// The attribute never exists.
    Never,
    /// The attribute exists on other routes than those of the actions that the policy names one by one.
    OtherRoutes,
}

fn never(read: &Read, message: String, remedy: String) -> Fault<'_> {
    Fault { kind: Kind::NeverFilled, read: Some(read), message, remedy }
}

/// Returns the type of the elements of a set, or the type itself if it is not a set.
fn member(kind: &str) -> &str {
    kind.strip_prefix("Set<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(kind)
}

/// Returns the remedy for a name that nothing fills. The remedy is never to declare the name: the declaration
/// in the schema is what made the guard look right.
fn remedy(of: &Path, name: &str) -> String {
    let known: Vec<&str> = if of.root == Root::Context && of.steps.is_empty() {
        CONTEXT.iter().map(|it| it.attribute.name).collect()
    } else {
        let things = [Thing::User, Thing::Organization, Thing::Object];
        things.iter().flat_map(|it| it.attributes()).map(|it| it.name).collect()
    };
    let meant = nearest(name, known.into_iter()).filter(|meant| *meant != name);
    let meant =
        meant.map_or_else(String::new, |meant| format!("did you mean `{meant}`? Otherwise "));
    format!("{meant}leave the clause out, and `{name}` out of the schema; {PAGE}")
}

/// Returns message and remedy for a circumstance that the routes of a policy do not provide.
fn not_on_the_route(of: &Path, name: &str) -> (String, String) {
    let known = circumstance_of(name).map(|it| it.need);
    let needed = match known {
        Some(super::filled::Need::Feature) => "`feature: …`",
        Some(super::filled::Need::Workflow) => "`{workflow}` in the path",
        Some(super::filled::Need::Roles) => "`body: json` and `roles_in: …`",
        _ => "`body: json`",
    };
    let message = format!("`{of}.{name}` is not there on the routes that this policy names");
    (message, format!("write {needed} at the route, or leave the clause out"))
}

/// Returns the offset of a read in the text of its policy.
fn place(text: &str, read: &Read) -> usize {
    let effect = effect(text);
    let all: Vec<(usize, Token<'_>)> = tokens(text).skip_while(|(at, _)| *at < effect).collect();
    let is = |token: Option<&(usize, Token<'_>)>, word: &str| {
        token.is_some_and(|(_, it)| matches!(it, Token::Word(it) | Token::Text(it) if *it == word))
    };
    let leads = |at: usize, of: &Path| {
        at.checked_sub(1).is_some_and(|at| of.last_word().is_none_or(|word| is(all.get(at), word)))
    };
    let fits = |at: usize, exact: bool| match read {
        Read::Attribute(of, name) => {
            let joined = |it: &(usize, Token<'_>)| {
                matches!(it.1, Token::Mark(b'.' | b'[') | Token::Word("has"))
            };
            is(all.get(at + 1), name)
                && all.get(at).is_some_and(joined)
                && (!exact || leads(at, of))
        }
        Read::Membership(left, _) => {
            is(all.get(at), "in")
                && (!exact
                    || leads(at, left)
                    || is(at.checked_sub(2).and_then(|it| all.get(it)), "is"))
        }
        Read::Kind(of, kind) => {
            is(all.get(at), "is") && is(all.get(at + 1), kind) && (!exact || leads(at, of))
        }
        Read::Tags(_) => is(all.get(at), "hasTag") || is(all.get(at), "getTag"),
        Read::Named(_, id) => is(all.get(at), id),
    };
    let find = |exact: bool| (0..all.len()).find(|at| fits(*at, exact));
    let found = find(true).or_else(|| find(false));
    // The finding marks the name, not the dot before it.
    let shown = match read {
        Read::Attribute(..) => found.map(|at| at + 1),
        _ => found,
    };
    shown.and_then(|at| all.get(at)).map_or(0, |(at, _)| *at)
}
