//! Turns the result of a search into steps, with who may take them and the request for each. Sets that differ
//! in only one word are merged.

mod sentence;

use std::collections::HashMap;

use policy_store::routes::FactKind;
use proxy::judge::decide::Denied;
use proxy::judge::refusal::Refusal;
use proxy::judge::workbench::{Ask, Verdict, WorkbenchError};
use serde_json::Value;

use super::Explainer;
use super::change::{Change, To};
use super::means::Means;
use super::report::{Changes, SetShown, StepShown};
use super::search::Search;

/// The maximum number of sets that are shown.
const SHOWN: usize = 8;
/// The note where a justification would let the request in.
const GLASS: &str =
    "or, in an emergency, a justification lets it in: X-Break-Glass, which is recorded";
/// The maximum number of sets for which the search finds who may make the changes.
const ASKED: usize = 60;

/// Who may make a change after other changes.
type Known = HashMap<(Change, Vec<Change>), Means>;

impl Explainer {
    /// Returns what would reverse the decision, and who can do that.
    pub(super) async fn remedies(
        &self,
        ask: &Ask,
        verdict: &Verdict,
        search: Search,
    ) -> Result<Changes, WorkbenchError> {
        let denying = verdict.allowed();
        let mut sets = search.sets;
        sets.sort_by_key(|set| (set.iter().map(|(it, _)| it.kind).max(), set.len()));
        let beyond = sets.len().saturating_sub(ASKED);
        sets.truncate(ASKED);
        let mut known = Known::new();
        let mut shown = Vec::new();
        for set in sets {
            let mut before: Vec<Change> = Vec::new();
            let mut steps = Vec::new();
            for (change, then) in set {
                let key = (change.clone(), before.clone());
                if !known.contains_key(&key) {
                    let means = self.means(&change, &before).await?;
                    known.insert(key.clone(), means);
                }
                let means = known.get(&key).cloned().unwrap_or_default();
                steps.push(step(&change, &then, means));
                before.push(change);
            }
            shown.push(steps);
        }
        self.scene.change(&[]);
        // A right that many callers may grant is the smaller one, so it comes first.
        shown.sort_by_key(|steps| {
            let last = steps.iter().map(|step| step.kind).max();
            let fewest = steps.iter().map(|step| step.shown.by.len()).min();
            (last, steps.len(), std::cmp::Reverse(fewest))
        });
        let mut groups: Vec<Vec<Step>> = Vec::new();
        for steps in shown {
            if !groups.iter_mut().any(|group| merge(group, &steps)) {
                groups.push(steps);
            }
        }
        let more = groups.len().saturating_sub(SHOWN) + beyond;
        groups.truncate(SHOWN);
        let mut notes = notes(ask, verdict, groups.is_empty());
        if self.glass_would_do(ask, verdict).await? {
            notes.push(GLASS.to_owned());
        }
        let caller = verdict.record.user_id.as_deref().unwrap_or_default();
        let sets = groups.into_iter().map(|steps| told(steps, denying, caller)).collect::<Vec<_>>();
        Ok(Changes {
            to: if denying { "deny" } else { "allow" },
            notes,
            sets,
            more,
            judged: search.judged,
            complete: search.complete,
        })
    }
}

impl Explainer {
    /// Whether the same request with a justification would be allowed.
    async fn glass_would_do(&self, ask: &Ask, verdict: &Verdict) -> Result<bool, WorkbenchError> {
        let by_default = matches!(verdict.refusal, Some(Refusal::Denied(Denied::ByDefault)));
        if !by_default || ask.break_glass.is_some() {
            return Ok(false);
        }
        let justification = Some("what would be if there were one".to_owned());
        let with = Ask { break_glass: justification, ..ask.clone() };
        Ok(self.trial.judge(&with).await?.allowed())
    }
}

/// A step, with the kind of the fact that it changes.
struct Step {
    kind: FactKind,
    shown: StepShown,
}

fn step(change: &Change, then: &str, means: Means) -> Step {
    let any_of = match &change.to {
        To::Set(so) => vec![Value::from(*so)],
        to => {
            to.name().filter(|it| !it.is_empty()).map(|it| Value::from(&**it)).into_iter().collect()
        }
    };
    let shown = StepShown {
        fact: change.kind.as_str(),
        of: change.of.to_string(),
        change: match change.to {
            To::With(_) => "add",
            To::Without(_) => "remove",
            To::Is(_) | To::Set(_) => "set",
        },
        any_of,
        then: then.to_owned(),
        by: means.by,
        with: means.with,
        text: String::new(),
    };
    Step { kind: change.kind, shown }
}

/// Merges a set into a group, if the two differ only in the word of one step.
fn merge(group: &mut [Step], steps: &[Step]) -> bool {
    let alike = |(one, other): (&Step, &Step)| {
        let (one, other) = (&one.shown, &other.shown);
        (one.fact, &one.of, one.change, &one.then, &one.by, &one.with)
            == (other.fact, &other.of, other.change, &other.then, &other.by, &other.with)
    };
    if group.len() != steps.len() || !group.iter().zip(steps).all(alike) {
        return false;
    }
    let differ = |(one, other): &(&mut Step, &Step)| one.shown.any_of != other.shown.any_of;
    let mut differing: Vec<_> = group.iter_mut().zip(steps).filter(differ).collect();
    // A group with several sets already differs in that step, and may differ in no other.
    let [(into, from)] = differing.as_mut_slice() else { return false };
    into.shown.any_of.extend(from.shown.any_of.iter().cloned());
    true
}

fn told(steps: Vec<Step>, denying: bool, caller: &str) -> SetShown {
    let told = |(index, mut step): (usize, Step)| {
        step.shown.text = if denying {
            sentence::denying(step.kind, &step.shown)
        } else {
            sentence::allowing(step.kind, &step.shown, index > 0, caller)
        };
        step.shown
    };
    SetShown { steps: steps.into_iter().enumerate().map(told).collect() }
}

fn path(ask: &Ask) -> &str {
    ask.target.split('?').next().unwrap_or_default()
}

/// Returns notes: on what no change of a fact can correct, and on what can correct it.
fn notes(ask: &Ask, verdict: &Verdict, nothing: bool) -> Vec<String> {
    let Some(refusal) = &verdict.refusal else {
        let public = verdict.record.user_id.is_none();
        let note = "no facts were looked at: the route is public".to_owned();
        return if public { vec![note] } else { Vec::new() };
    };
    let remedy = match refusal {
        Refusal::CrossTenant(name) if nothing => format!(
            "`{name}` is no organisation in which the user could act: name another, or none"
        ),
        Refusal::CrossTenant(_) => {
            "or the request names no tenant, and acts in the user's own".to_owned()
        }
        _ if !nothing => return Vec::new(),
        Refusal::Malformed(fault) => format!("the request itself has to change: {fault}"),
        Refusal::Unidentified(_) => "somebody has to sign in: the route is not public".to_owned(),
        Refusal::UnknownUser => format!(
            "no user has the id `{}`: somebody has to make the account",
            ask.user.as_deref().unwrap_or_default()
        ),
        Refusal::Justification => {
            "the justification has to have 10 to 500 characters, none of them a control character"
                .to_owned()
        }
        Refusal::Body(fault) => format!("the body has to change: {fault}"),
        Refusal::TenantConflict => "the request has to name one organisation, or none".to_owned(),
        Refusal::TenantRequired => {
            "the request has to name the organisation in which it acts".to_owned()
        }
        Refusal::NotFound => format!(
            "no {} has the id `{}`",
            verdict.record.resource_type.as_deref().unwrap_or("object"),
            verdict.record.resource_id.as_deref().unwrap_or_default()
        ),
        Refusal::Denied(Denied::ByRule(_)) if verdict.record.route.is_none() => {
            format!("no route answers {} {}", ask.method, path(ask))
        }
        Refusal::Denied(Denied::ByRule(_)) if verdict.record.organization_id.is_none() => {
            "the user belongs to no organisation, and no route can change that".to_owned()
        }
        Refusal::Denied(Denied::ByRule(rule)) => format!(
            "`{}` looks at the request itself, or at what no route changes: see its text",
            rule.id
        ),
        Refusal::Denied(Denied::ByDefault) => {
            "no role is in an allowlist of this action".to_owned()
        }
        other => format!("the gate could not decide: {other}"),
    };
    let only = if nothing { "no change of facts would let it through: " } else { "" };
    vec![format!("{only}{remedy}")]
}
