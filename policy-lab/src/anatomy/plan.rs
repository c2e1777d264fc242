//! The parts of policies, and the probes: small policies that each ask about one part.
//!
//! A probe is a `permit` of anything whose only condition is one expression of a policy: it applies if the
//! expression is true, and fails if the expression fails. Equal expressions share one probe.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet};
use policy_store::bundle::{Bundle, Rule, Slice};

use super::lists::{Question, lists};
use super::statement::{Kind, Part, Statement};
use super::{Anatomy, AnatomyError};

/// A policy split into parts.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) rule: Arc<Rule>,
    /// The number of the probe for the scope.
    pub(super) scope: usize,
    pub(super) clauses: Vec<ClausePlan>,
    pub(super) lists: Vec<ListPlan>,
}

/// A `when` or `unless` clause.
#[derive(Debug)]
pub(super) struct ClausePlan {
    pub(super) unless: bool,
    pub(super) node: NodePlan,
}

/// An expression.
#[derive(Debug)]
pub(super) struct NodePlan {
    pub(super) kind: Kind,
    pub(super) text: Arc<str>,
    pub(super) line: usize,
    pub(super) place: usize,
    /// The number of the probe, for a leaf.
    pub(super) probe: Option<usize>,
    pub(super) parts: Vec<NodePlan>,
}

/// An allowlist.
#[derive(Debug)]
pub(super) struct ListPlan {
    pub(super) text: Arc<str>,
    pub(super) line: usize,
    /// The number of the leaf that contains the list.
    pub(super) leaf: usize,
    pub(super) roles: Vec<RolePlan>,
}

/// A role of the vocabulary, or of the list.
#[derive(Debug)]
pub(super) struct RolePlan {
    pub(super) name: Arc<str>,
    pub(super) listed: bool,
    pub(super) probe: usize,
}

/// Splits the policies of a bundle into parts, each policy once.
#[derive(Debug)]
pub(super) struct Workshop<'a> {
    bundle: &'a Bundle,
    probes: Vec<Policy>,
    by_text: HashMap<String, usize>,
    bodies: HashMap<Arc<str>, Arc<Body>>,
}

impl<'a> Workshop<'a> {
    pub(super) fn new(bundle: &'a Bundle) -> Self {
        Self { bundle, probes: Vec::new(), by_text: HashMap::new(), bodies: HashMap::new() }
    }

    /// Returns the policies of `slice`, in the order in which they are reported.
    pub(super) fn anatomy(&mut self, slice: &Slice) -> Result<Anatomy, AnatomyError> {
        let sets = [&slice.permits, &slice.early, &slice.late];
        let mut bodies = Vec::new();
        for policy in sets.into_iter().flat_map(PolicySet::policies) {
            let id = policy.id();
            let unknown = || AnatomyError::Unknown { policy: Arc::from(id.as_ref()) };
            let rule = self.bundle.rule(id).ok_or_else(unknown)?;
            bodies.push(self.body(rule)?);
        }
        bodies.sort_by_key(|body| (body.rule.layer, body.rule.order));
        let wanted: BTreeSet<usize> = bodies.iter().flat_map(|body| body.probes()).collect();
        let probes = wanted.into_iter().filter_map(|index| self.probes.get(index)).cloned();
        let set = PolicySet::from_policies(probes)
            .map_err(|error| AnatomyError::Probes(error.to_string()))?;
        Ok(Anatomy { bodies, set })
    }

    /// Returns the parts of a policy.
    pub(super) fn body(&mut self, rule: &Arc<Rule>) -> Result<Arc<Body>, AnatomyError> {
        if let Some(known) = self.bodies.get(&rule.id) {
            return Ok(Arc::clone(known));
        }
        let statement = taken_apart(rule)?;
        let scope = statement.tokens.source(&statement.scope).unwrap_or_default();
        let scope = self.probe(rule, format!("permit ({scope}\n);"))?;
        let (mut places, mut found) = (0, Vec::new());
        let mut clauses = Vec::new();
        for condition in &statement.conditions {
            let mut builder =
                Builder { shop: self, rule, statement: &statement, places, lists: Vec::new() };
            let node = builder.node(&condition.body)?;
            places = builder.places;
            found.append(&mut builder.lists);
            clauses.push(ClausePlan { unless: condition.unless, node });
        }
        let body = Arc::new(Body { rule: Arc::clone(rule), scope, clauses, lists: found });
        self.bodies.insert(Arc::clone(&rule.id), Arc::clone(&body));
        Ok(body)
    }

    /// Returns the number of the probe with this text.
    fn probe(&mut self, rule: &Rule, text: String) -> Result<usize, AnatomyError> {
        if let Some(known) = self.by_text.get(&text) {
            return Ok(*known);
        }
        let number = self.probes.len();
        let probe = Policy::parse(Some(PolicyId::new(number.to_string())), &text)
            .map_err(|error| AnatomyError::probe(rule, &error))?;
        self.probes.push(probe);
        self.by_text.insert(text, number);
        Ok(number)
    }
}

impl Body {
    /// Returns the numbers of the probes for this policy.
    fn probes(&self) -> Vec<usize> {
        let mut found = vec![self.scope];
        for clause in &self.clauses {
            clause.node.probes(&mut found);
        }
        found.extend(self.lists.iter().flat_map(|list| &list.roles).map(|role| role.probe));
        found
    }
}

impl NodePlan {
    fn probes(&self, found: &mut Vec<usize>) {
        found.extend(self.probe);
        for part in &self.parts {
            part.probes(found);
        }
    }

    /// Returns the leaves of the expression, in the order of the text.
    pub(super) fn leaves(&self) -> Vec<&NodePlan> {
        if self.kind == Kind::Leaf {
            return vec![self];
        }
        self.parts.iter().flat_map(Self::leaves).collect()
    }
}

/// Splits the text of a policy into parts. Returns an error if Cedar parses other parts.
pub(crate) fn taken_apart(rule: &Rule) -> Result<Statement<'_>, AnatomyError> {
    let unreadable = || AnatomyError::Unreadable { policy: Arc::clone(&rule.id) };
    let tree = |text: &str| {
        let policy =
            Policy::parse(None, text).map_err(|error| AnatomyError::probe(rule, &error))?;
        policy.to_pst().map_err(|error| AnatomyError::probe(rule, &error))
    };
    let statement = Statement::read(&rule.text).ok_or_else(unreadable)?;
    let anew = statement.in_brackets().ok_or_else(unreadable)?;
    if tree(&rule.text)? == tree(&anew)? { Ok(statement) } else { Err(unreadable()) }
}

/// Builds the parts of one condition.
struct Builder<'a, 'b> {
    shop: &'a mut Workshop<'b>,
    rule: &'a Arc<Rule>,
    statement: &'a Statement<'a>,
    /// The number of nodes so far.
    places: usize,
    lists: Vec<ListPlan>,
}

impl<'a> Builder<'a, '_> {
    fn node(&mut self, part: &Part) -> Result<NodePlan, AnatomyError> {
        let place = self.places;
        self.places += 1;
        let text = self.source(&part.span)?;
        let probe = match part.kind {
            Kind::Leaf => {
                self.allowlists(part, place)?;
                Some(self.probe(text)?)
            }
            _ => None,
        };
        let parts = part.parts.iter().map(|inner| self.node(inner)).collect::<Result<_, _>>()?;
        let line = self.line(part.span.start);
        Ok(NodePlan { kind: part.kind, text: Arc::from(text), line, place, probe, parts })
    }

    fn allowlists(&mut self, part: &Part, leaf: usize) -> Result<(), AnatomyError> {
        let statement = self.statement;
        let tokens = &statement.tokens;
        let kind = self.shop.bundle.types().role.clone();
        for list in lists(tokens, &part.tokens) {
            let Some(listed) = list.names(tokens, &kind) else { continue };
            let Some(question) = list.question(tokens, &part.tokens) else { continue };
            let text = Arc::from(self.source(&list.span)?);
            let roles = self.roles(&kind, &listed, question)?;
            self.lists.push(ListPlan { text, line: self.line(list.span.start), leaf, roles });
        }
        Ok(())
    }

    /// Returns all roles that exist, each with the probe whether the caller has the role.
    fn roles(
        &mut self,
        kind: &EntityTypeName,
        listed: &[String],
        question: Question<'_>,
    ) -> Result<Vec<RolePlan>, AnatomyError> {
        let mut names: BTreeSet<Arc<str>> =
            self.shop.bundle.vocabulary().roles().cloned().collect();
        names.extend(listed.iter().map(|name| Arc::from(name.as_str())));
        let plan = |name: Arc<str>| {
            let uid = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(&name));
            let probe = self.probe(&question.of(&uid))?;
            Ok(RolePlan { listed: listed.iter().any(|it| **it == *name), name, probe })
        };
        names.into_iter().map(plan).collect()
    }

    fn probe(&mut self, expression: &str) -> Result<usize, AnatomyError> {
        // The line break ends a comment inside the expression.
        let text = format!("permit (principal, action, resource) when {{ {expression}\n}};");
        self.shop.probe(self.rule, text)
    }

    fn source(&self, span: &Range<usize>) -> Result<&'a str, AnatomyError> {
        let unreadable = || AnatomyError::Unreadable { policy: Arc::clone(&self.rule.id) };
        self.statement.source(span).ok_or_else(unreadable)
    }

    /// Returns the line in the policy's file of an offset in the policy.
    fn line(&self, offset: usize) -> usize {
        let before = self.rule.text.get(..offset).unwrap_or_default();
        self.rule.line + before.matches('\n').count()
    }
}
