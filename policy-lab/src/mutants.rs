//! Mutants: a bundle with one change each, so that it decides differently. If the tests of the bundle cannot
//! distinguish a mutant from the bundle, they do not cover what was changed.
//!
//! Changes are made in the text, so that they can be shown as diffs. This module does no I/O.

mod policy;
mod route;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use cedar_policy::PolicySet;
use policy_store::bundle::{Bundle, File, Rule, Sources};
use serde::Serialize;
use similar::TextDiff;

use crate::anatomy::AnatomyError;

/// A bundle with one change.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// The file, the policy or route, and the change. Ids are unique, and the same bundle gives the same ids.
    pub id: String,
    /// The kind of the change.
    pub kind: Change,
    /// The file that was changed.
    pub file: String,
    /// The line of the change in the file.
    pub line: usize,
    /// The questions whose answers may differ.
    pub touches: Touched,
    original: Arc<Sources>,
    edits: Vec<Edit>,
}

/// The kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A policy was removed.
    PolicyDropped,
    /// A `permit` became a `forbid`, or the other way round.
    EffectSwapped,
    /// An action was removed from the list of a policy's actions.
    ActionDropped,
    /// A role was removed from an allowlist.
    RoleDropped,
    /// A role was added to an allowlist.
    RoleAdded,
    /// An element was removed from another set.
    ElementDropped,
    /// A condition was negated.
    ConditionNegated,
    /// A `when` became an `unless`, or the other way round.
    ConditionFlipped,
    /// An operand of `&&` or `||` was removed.
    OperandDropped,
    /// A pattern or a path was changed to match more paths.
    PathWidened,
    /// The feature of a route was removed.
    FeatureDropped,
    /// The scope of a route was changed, so that the gate no longer checks tenant, object or workflow.
    ScopeWidened,
    /// The gate no longer checks the roles that a body hands out.
    RolesInDropped,
    /// The gate forwards a body unread.
    BodyUnread,
}

/// The questions whose answers may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// The questions that a policy is asked.
    Policy {
        /// The `@id` of the policy.
        id: Arc<str>,
        /// The actions that the policy can apply to, sorted. [`policy_store::bundle::ACT_IN`] is asked with
        /// every request that names or touches a tenant.
        actions: Vec<Arc<str>>,
    },
    /// The questions about the route of this action.
    Route(Arc<str>),
}

/// Why a bundle cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MutantError {
    /// A policy cannot be split into parts.
    #[error(transparent)]
    Anatomy(#[from] AnatomyError),
    /// A member of a route is written so that it cannot be changed.
    #[error(
        "routes.yaml:{line}: cannot change `{member}`: write the route as a list of its own lines, `{member}: …`"
    )]
    Route {
        /// The line of the route.
        line: usize,
        /// The name of the member.
        member: &'static str,
    },
    /// The file of a policy is not part of the bundle.
    #[error("policy `{policy}` is of no file of the bundle")]
    NoFile {
        /// The `@id` of the policy.
        policy: Arc<str>,
    },
}

/// An edit of a text: replaces `range` by `text`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    range: Range<usize>,
    text: String,
}

impl Edit {
    fn new(range: Range<usize>, text: impl Into<String>) -> Self {
        Self { range, text: text.into() }
    }
}

/// A policy or route in its file.
#[derive(Debug)]
struct Part<'a> {
    file: &'a File,
    /// The id of the policy, or the action of the route.
    name: &'a str,
    /// The line of the file on which the part begins.
    line: usize,
    /// The offset in the file at which the part begins, in bytes.
    offset: usize,
    /// The text of the part, to the end of its last line.
    text: &'a str,
}

/// A change of a part. The ranges of the edits are relative to the part's text.
#[derive(Debug)]
struct Step {
    kind: Change,
    what: String,
    edits: Vec<Edit>,
}

impl Mutant {
    /// Returns the files of the changed bundle. [`policy_store::bundle::Loader::unproven`] can load them; they
    /// need not pass the checks of an accepted bundle.
    pub fn sources(&self) -> Sources {
        let mut sources = Sources::clone(&self.original);
        let files = sources.policies.iter_mut().chain([&mut sources.routes]);
        for file in files.filter(|file| file.name == self.file) {
            file.text = Arc::from(edited(&file.text, &self.edits));
        }
        sources
    }

    /// Returns the change as a unified diff with three lines of context.
    pub fn diff(&self) -> String {
        let files = self.original.policies.iter().chain([&self.original.routes]);
        let Some(file) = files.into_iter().find(|file| file.name == self.file) else {
            return String::new();
        };
        let new = edited(&file.text, &self.edits);
        let (a, b) = (format!("a/{}", file.name), format!("b/{}", file.name));
        let diff = TextDiff::from_lines(&*file.text, &*new);
        diff.unified_diff().context_radius(3).header(&a, &b).to_string()
    }
}

/// Returns all mutants of a bundle: first those of policies, then those of routes, each in the order of the
/// text.
///
/// # Errors
///
/// Fails if a policy or route is written so that it cannot be changed: the list would not be complete.
pub fn mutants(bundle: &Bundle) -> Result<Vec<Mutant>, MutantError> {
    let original = Arc::new(bundle.sources().clone());
    let mut herd = Herd { original: &original, mutants: Vec::new(), ids: HashMap::new() };
    let actions = actions(bundle);
    let mut rules: Vec<&Arc<Rule>> = bundle.rules().collect();
    rules.sort_by_key(|rule| rule.order);
    for rule in rules {
        let part = policy::part(&original, rule)?;
        let touches = Touched::Policy {
            id: Arc::clone(&rule.id),
            actions: actions.get(&*rule.id).cloned().unwrap_or_default(),
        };
        herd.add(&part, &touches, policy::steps(bundle, rule, part.text)?);
    }
    for (part, route) in route::parts(&original.routes, bundle.routes().routes()) {
        let touches = Touched::Route(Arc::clone(&route.action));
        herd.add(&part, &touches, route::steps(&part, route)?);
    }
    Ok(herd.mutants)
}

/// Returns the actions that each policy can apply to.
fn actions(bundle: &Bundle) -> BTreeMap<String, Vec<Arc<str>>> {
    let routed = bundle.routes().routes().iter().filter_map(|it| bundle.slice(&it.action));
    let mut found: BTreeMap<String, Vec<Arc<str>>> = BTreeMap::new();
    for slice in routed.chain([bundle.act_in(), bundle.unmapped()]) {
        let sets = [&slice.permits, &slice.early, &slice.late];
        for policy in sets.into_iter().flat_map(PolicySet::policies) {
            let actions = found.entry(policy.id().to_string()).or_default();
            actions.push(Arc::from(slice.action.id().unescaped()));
        }
    }
    for actions in found.values_mut() {
        actions.sort();
        actions.dedup();
    }
    found
}

/// Collects mutants.
struct Herd<'a> {
    original: &'a Arc<Sources>,
    mutants: Vec<Mutant>,
    /// The number of times that each id was requested.
    ids: HashMap<String, usize>,
}

impl Herd<'_> {
    /// Adds the mutants of `part`. A change that gives the same text as the part, or as another change of it,
    /// is left out.
    fn add(&mut self, part: &Part<'_>, touches: &Touched, steps: Vec<Step>) {
        let mut texts = HashSet::from([part.text.to_owned()]);
        for mut step in steps {
            if !texts.insert(edited(part.text, &step.edits)) {
                continue;
            }
            let first = step.edits.iter().map(|edit| edit.range.start).min().unwrap_or_default();
            let before = part.text.get(..first).unwrap_or_default();
            for edit in &mut step.edits {
                edit.range = edit.range.start + part.offset..edit.range.end + part.offset;
            }
            let id = self.id(format!("{}/{}: {}", part.file.name, part.name, step.what));
            self.mutants.push(Mutant {
                id,
                kind: step.kind,
                file: part.file.name.clone(),
                line: part.line + before.matches('\n').count(),
                touches: touches.clone(),
                original: Arc::clone(self.original),
                edits: step.edits,
            });
        }
    }

    /// Returns `wanted`, followed by a number if that id is in use already.
    fn id(&mut self, wanted: String) -> String {
        let count = self.ids.entry(wanted.clone()).or_default();
        *count += 1;
        if *count == 1 { wanted } else { format!("{wanted} ({count})") }
    }
}

/// Returns `text` with all edits made. The edits must not overlap.
fn edited(text: &str, edits: &[Edit]) -> String {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.range.start);
    let (mut new, mut at) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        new.push_str(text.get(at..edit.range.start).unwrap_or_default());
        new.push_str(&edit.text);
        at = edit.range.end;
    }
    new.push_str(text.get(at..).unwrap_or_default());
    new
}

#[cfg(test)]
mod tests;
