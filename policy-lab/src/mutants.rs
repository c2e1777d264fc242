//! A bundle changed one step at a time, each time so that it decides something else: tests that
//! cannot tell it from the bundle do not hold what was changed.
//!
//! Changes are made in the text, so that they can be shown as diffs. Pure.

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

/// A bundle with one thing changed.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// File, policy or route, and what was changed: no two have the same, and the same bundle gives
    /// the same.
    pub id: String,
    /// What kind of change it is.
    pub kind: Change,
    /// The file that was changed.
    pub file: String,
    /// The line of the change there.
    pub line: usize,
    /// Which questions can have another answer.
    pub touches: Touched,
    original: Arc<Sources>,
    edits: Vec<Edit>,
}

/// The kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A policy is gone.
    PolicyDropped,
    /// A `permit` is a `forbid`, or the other way round.
    EffectSwapped,
    /// An action is gone from the list of those that a policy is about.
    ActionDropped,
    /// A role is gone from an allowlist.
    RoleDropped,
    /// A role was added to an allowlist.
    RoleAdded,
    /// An element is gone from another set.
    ElementDropped,
    /// A condition is the opposite of itself.
    ConditionNegated,
    /// A `when` is an `unless`, or the other way round.
    ConditionFlipped,
    /// An operand of `&&` or `||` is gone.
    OperandDropped,
    /// A pattern or a path fits more paths.
    PathWidened,
    /// A route asks for no feature.
    FeatureDropped,
    /// A route's tenant, object or workflow is not looked for.
    ScopeWidened,
    /// The roles that a body hands out are not looked at.
    RolesInDropped,
    /// A body is forwarded unread.
    BodyUnread,
}

/// Which questions can have another answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// Those that a policy is asked.
    Policy {
        /// Its `@id`.
        id: Arc<str>,
        /// The actions that it can have a say about, sorted. [`policy_store::bundle::ACT_IN`] is asked
        /// with every request that names or touches a tenant.
        actions: Vec<Arc<str>>,
    },
    /// Those of the route of this action.
    Route(Arc<str>),
}

/// Why a bundle cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MutantError {
    /// A policy cannot be taken apart.
    #[error(transparent)]
    Anatomy(#[from] AnatomyError),
    /// A member of a route is not where it can be changed.
    #[error(
        "routes.yaml:{line}: cannot change `{member}`: write the route as a list of its own lines, `{member}: …`"
    )]
    Route {
        /// The line of the route.
        line: usize,
        /// The member.
        member: &'static str,
    },
    /// A policy of a file that the bundle does not have.
    #[error("policy `{policy}` is of no file of the bundle")]
    NoFile {
        /// Its `@id`.
        policy: Arc<str>,
    },
}

/// Puts `text` in the place of `range`.
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

/// A policy or route, as it stands in its file.
#[derive(Debug)]
struct Part<'a> {
    file: &'a File,
    /// The id of the policy, or the action of the route.
    name: &'a str,
    /// The line of the file on which it begins.
    line: usize,
    /// Where it begins there, in bytes.
    offset: usize,
    /// It, to the end of its line.
    text: &'a str,
}

/// A change of a part; the edits are in its text.
#[derive(Debug)]
struct Step {
    kind: Change,
    what: String,
    edits: Vec<Edit>,
}

impl Mutant {
    /// The files of the changed bundle. They can be loaded with
    /// [`policy_store::bundle::Loader::unproven`]; that they would be accepted is not said.
    pub fn sources(&self) -> Sources {
        let mut sources = Sources::clone(&self.original);
        let files = sources.policies.iter_mut().chain([&mut sources.routes]);
        for file in files.filter(|file| file.name == self.file) {
            file.text = Arc::from(edited(&file.text, &self.edits));
        }
        sources
    }

    /// The change as a unified diff with three lines around it.
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

/// All mutants of a bundle, policies first, each in the order of the text.
///
/// # Errors
///
/// When a policy or route is written so that it cannot be changed: then no list would be whole.
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

/// The actions that each policy can have a say about.
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

/// The mutants so far.
struct Herd<'a> {
    original: &'a Arc<Sources>,
    mutants: Vec<Mutant>,
    /// How often each id was wanted.
    ids: HashMap<String, usize>,
}

impl Herd<'_> {
    /// Adds what can be made of `part`. What says the same as the part, or as another change of it,
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

    /// `wanted`, or with a number if it was given away.
    fn id(&mut self, wanted: String) -> String {
        let count = self.ids.entry(wanted.clone()).or_default();
        *count += 1;
        if *count == 1 { wanted } else { format!("{wanted} ({count})") }
    }
}

/// `text` with all edits made; they do not overlap.
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
