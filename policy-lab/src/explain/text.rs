//! Explanations as text for people: short, in the order in which a reader asks.

mod reach;
mod wrap;

use serde_json::{Map, Value};

use super::past::{Past, PolicyThen, Recorded};
use super::report::{
    Allowlist, Changes, Deciding, FactShown, Guard, LayerShown, Outcome, Report, SetShown,
    StepShown,
};
pub use reach::{what_can, who_can};
use wrap::{Page, listed};

/// Returns an explanation as text.
pub fn report(report: &Report) -> String {
    let mut page = Page::default();
    head(&mut page, report);
    page.title("Layers");
    report.layers.iter().for_each(|shown| layer(&mut page, shown));
    allowlists(&mut page, report);
    for deciding in &report.decided_by {
        decided(&mut page, deciding);
    }
    if !report.facts.is_empty() {
        page.title("Facts");
        report.facts.iter().for_each(|shown| fact(&mut page, shown));
    }
    changes(&mut page, &report.changes);
    page.text()
}

/// Returns the text about a past decision, and about the decision that the same request would get now.
pub fn past(past: &Past) -> String {
    let mut page = Page::default();
    recorded(&mut page, &past.recorded);
    past.notes.iter().for_each(|note| page.line(2, &format!("note: {note}")));
    page.title("Judged now");
    page.blank();
    format!("{}{}", page.text(), report(&past.now))
}

fn head(page: &mut Page, report: &Report) {
    let answer = &report.answer;
    let verdict = match (answer.decision, answer.broke_glass) {
        ("allow", false) => "ALLOWED",
        ("allow", true) => "ALLOWED by break-glass",
        ("deny", _) => "DENIED",
        _ => "NOT DECIDED",
    };
    let status = answer.status.map(|status| format!("  {status} {}", answer.reason));
    let detail = answer.detail.as_ref().map(|detail| format!(": {detail}"));
    let (status, detail) = (status.unwrap_or_default(), detail.unwrap_or_default());
    page.line(0, &format!("{verdict}{status}{detail}"));
    page.blank();
    let asked = &report.request;
    let who = match &asked.user {
        None => "nobody".to_owned(),
        Some(user) => format!("{user}{}", standing(&asked.roles, asked.organization.as_deref())),
    };
    let named = [
        asked.host.as_ref().map(|it| format!("host {it}")),
        asked.tenant.as_ref().map(|it| format!("X-Tenant {it}")),
        asked.break_glass.as_ref().map(|it| format!("X-Break-Glass \"{it}\"")),
        asked.body.then(|| "a body".to_owned()),
    ];
    let named: Vec<String> = named.into_iter().flatten().collect();
    let with =
        if named.is_empty() { String::new() } else { format!(", with {}", named.join(", ")) };
    page.field("who", &who);
    page.field("asks", &format!("{} {}{with}", asked.method, asked.target));
    let place = report.route.as_ref().map(|it| format!(" ({}:{})", it.file, it.line));
    page.field("action", &format!("{}{}", answer.action, place.unwrap_or_default()));
    page.field("policies", &short(&report.policy_digest));
}

fn standing(roles: &[String], organization: Option<&str>) -> String {
    let of = organization.map(|it| format!(" of {it}")).unwrap_or_default();
    match roles {
        [] if of.is_empty() => String::new(),
        [] => format!(", no role{of}"),
        roles => format!(", {}{of}", roles.join(" ")),
    }
}

/// Returns the beginning of a digest, long enough to distinguish digests.
fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

fn layer(page: &mut Page, shown: &LayerShown) {
    let name = shown.layer.name();
    let outcome = match shown.outcome {
        Outcome::Passed => "passed",
        Outcome::Refused => "REFUSED",
        Outcome::NotReached => "not reached",
    };
    let said = shown.note.iter().cloned().chain(guards(shown)).collect::<Vec<_>>().join("; ");
    page.row(&format!("{name:<15} {outcome:<11}"), &said);
}

/// Returns the results of a layer's policies: those that apply, or the statement that none does.
fn guards(layer: &LayerShown) -> Vec<String> {
    let mut said = Vec::new();
    for guard in &layer.guards {
        let about = guard.tenant.as_ref().map(|it| format!(" acting in `{it}`"));
        let already = layer.outcome == Outcome::Refused && !said.is_empty();
        let said_so = match (guard.applies, guard.forbids) {
            (Some(true), true) if already => format!("so would {}", place(guard)),
            (Some(true), true) => format!("{} forbids", place(guard)),
            (Some(true), false) => format!("{} permits", place(guard)),
            (None, _) => format!("{} fails to evaluate", place(guard)),
            (Some(false), _) => continue,
        };
        said.push(format!("{said_so}{}", about.unwrap_or_default()));
    }
    let idle: Vec<&Guard> =
        layer.guards.iter().filter(|it| it.forbids && it.applies == Some(false)).collect();
    if layer.outcome == Outcome::Passed && !idle.is_empty() {
        let verb = if idle.len() == 1 { "does" } else { "do" };
        said.push(format!("{} {verb} not apply", together(&idle)));
    }
    said
}

fn place(guard: &Guard) -> String {
    format!("{} ({}:{})", guard.policy, guard.file, guard.line)
}

/// Returns the names of several policies, with the lines of one file together.
fn together(guards: &[&Guard]) -> String {
    let same = |one: &&Guard, other: &&Guard| one.file == other.file;
    let of_file = |guards: &[&Guard]| {
        let names: Vec<&str> = guards.iter().map(|it| it.policy.as_str()).collect();
        let lines: Vec<String> = guards.iter().map(|it| format!(":{}", it.line)).collect();
        let file = guards.first().map_or("", |it| it.file.as_str());
        format!("{} ({file}{})", names.join(", "), lines.join(", "))
    };
    guards.chunk_by(same).map(of_file).collect::<Vec<_>>().join(", ")
}

/// Adds the allowlists of the action, if none of them permits it.
fn allowlists(page: &mut Page, report: &Report) {
    if report.allowlists.is_empty() {
        return;
    }
    page.title("Allowlists that could permit it, and do not");
    for list in &report.allowlists {
        page.line(2, &allowlist(list));
    }
}

/// Returns an allowlist with the roles that it lets in.
pub fn allowlist(list: &Allowlist) -> String {
    let glass = if list.break_glass { ", with a justification" } else { "" };
    let about = list.tenant.as_ref().map(|it| format!(", acting in `{it}`")).unwrap_or_default();
    let roles = listed(list.roles.iter().cloned(), "or");
    let roles = if roles.is_empty() { roles } else { format!(" for {roles}") };
    format!("{} ({}:{}){roles}{glass}{about}", list.policy, list.file, list.line)
}

fn decided(page: &mut Page, deciding: &Deciding) {
    page.title(&format!("Decided by {} ({}:{})", deciding.policy, deciding.file, deciding.line));
    if deciding.clauses.is_empty() {
        deciding.text.lines().for_each(|line| page.verbatim(2, line));
    }
    for clause in &deciding.clauses {
        for (word, value, part) in clause.rows() {
            page.row(&format!("{word:<7} {value:<6}"), part);
        }
    }
}

fn fact(page: &mut Page, shown: &FactShown) {
    let is =
        if shown.is.is_empty() { String::new() } else { format!(" ({})", shown.is.join(", ")) };
    let kind = if shown.kind == "organization" { "organisation" } else { &shown.kind };
    page.line(2, &format!("{kind} {}{is}, {} ms old", shown.id, shown.age_ms));
    let values = if shown.found { values(&shown.values) } else { "does not exist".to_owned() };
    page.line(4, &values);
}

fn values(values: &Map<String, Value>) -> String {
    let value = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    };
    let told = values.iter().map(|(name, it)| format!("{name}: {}", value(it)));
    told.collect::<Vec<_>>().join(", ")
}

fn changes(page: &mut Page, changes: &Changes) {
    let denying = changes.to == "deny";
    page.title(if denying { "What would deny it" } else { "What would change it" });
    for (index, set) in changes.sets.iter().enumerate() {
        let number = format!("{}.", index + 1);
        steps(page, &number, set);
    }
    for note in &changes.notes {
        page.line(2, note);
    }
    if changes.sets.is_empty() && changes.notes.is_empty() {
        page.line(2, "no change of a fact that was looked up");
    }
    if changes.more > 0 {
        page.line(2, &format!("and {} more ways", changes.more));
    }
    if !changes.complete {
        let judged = changes.judged;
        page.line(2, &format!("the search ended at its bound, after {judged} changed worlds"));
    }
}

fn steps(page: &mut Page, number: &str, set: &SetShown) {
    let mut number = number;
    for step in &set.steps {
        page.hanging(&format!("  {number:<3}"), &step.text);
        request(page, step);
        number = "";
    }
}

fn request(page: &mut Page, step: &StepShown) {
    if let Some(with) = &step.with {
        page.line(7, &format!("{} {} ({})", with.method, with.path, with.action));
    }
}

fn recorded(page: &mut Page, past: &Recorded) {
    let status = past.status.map(|status| format!(", answered {status}")).unwrap_or_default();
    page.line(0, &format!("Recorded: {} {}{status}", past.decision, past.reason));
    page.blank();
    page.field("record", &format!("{}, {}", past.id, past.phases.join(" and ")));
    page.field("when", &past.timestamp);
    let who = past.user.clone().unwrap_or_else(|| "nobody".to_owned());
    page.field("who", &format!("{who}{}", standing(&past.roles, None)));
    page.field("asked", &format!("{} {} ({})", past.method, past.endpoint, past.action));
    if let Some(tenant) = &past.tenant {
        page.field("tenant", tenant);
    }
    if let Some(justification) = &past.break_glass {
        page.field("glass", &format!("\"{justification}\""));
    }
    if let Some(age) = past.facts_age_ms {
        page.field("facts", &format!("the oldest was {age} ms old"));
    }
    if !past.policies.is_empty() {
        let policy = |it: &PolicyThen| {
            let place = it.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
            format!("{}{place}", it.policy)
        };
        page.field("decided", &past.policies.iter().map(policy).collect::<Vec<_>>().join(", "));
    }
    let digest = past.policy_digest.as_deref().unwrap_or_default();
    let same = if past.same_policies { "in force now too" } else { "others are in force now" };
    page.field("policies", &format!("{}, {same}", short(digest)));
}
