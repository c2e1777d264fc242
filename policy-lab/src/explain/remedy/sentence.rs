//! Describes a step in a sentence.

use policy_store::routes::FactKind;
use serde_json::Value;

use crate::explain::report::{StepShown, Who};

/// Describes what is missing, and who can correct it. `afterwards` is set for a step after other steps.
pub(super) fn allowing(kind: FactKind, step: &StepShown, afterwards: bool, caller: &str) -> String {
    let (lacks, deed) = if afterwards {
        (still(kind, step, caller), String::new())
    } else {
        let (lacks, deed) = lack(kind, step);
        (lacks, format!(" {deed}"))
    };
    format!("{lacks}: {}", who(step, &deed))
}

/// Describes what would take the permission away, and the reason that is given then.
pub(super) fn denying(kind: FactKind, step: &StepShown) -> String {
    let of = named(kind, &step.of);
    let loss = match (kind, step.change) {
        (FactKind::UserRoles, "add") => format!("{of} gets {}", roles(&step.any_of)),
        (FactKind::UserRoles, _) => format!("{of} loses {}", roles(&step.any_of)),
        (FactKind::UserStatus | FactKind::OrganizationStatus, _) => {
            format!("{of} gets a status that no policy names")
        }
        (FactKind::OrganizationDeleted, _) if step.any_of.contains(&Value::Bool(true)) => {
            format!("{of} is deleted")
        }
        (FactKind::OrganizationDeleted, _) => format!("{of} is restored"),
        (_, "add") => format!("{of} gets {}", any(&step.any_of)),
        _ => format!("{of} loses {}", any(&step.any_of)),
    };
    format!("{loss}, then {}: {}", step.then, who(step, ""))
}

fn lack(kind: FactKind, step: &StepShown) -> (String, &'static str) {
    let (of, words) = (named(kind, &step.of), &step.any_of);
    let removes = step.change == "remove";
    match kind {
        FactKind::UserRoles if removes => (format!("{of} has {}", roles(words)), "take it away"),
        FactKind::UserRoles if words.len() > 1 => {
            (format!("{of} has none of the roles {}", any(words)), "grant one")
        }
        FactKind::UserRoles => (format!("{of} lacks {}", roles(words)), "grant it"),
        FactKind::UserStatus | FactKind::OrganizationStatus => {
            (format!("{of} is not {}", any(words)), "set that")
        }
        FactKind::OrganizationDeleted if words.contains(&Value::Bool(true)) => {
            (format!("{of} is not deleted"), "delete it")
        }
        FactKind::OrganizationDeleted => (format!("{of} is deleted"), "restore it"),
        FactKind::OrganizationWorkflows if removes => {
            (format!("{of} has the workflow {}", any(words)), "disable it")
        }
        FactKind::OrganizationWorkflows => {
            (format!("{of} has no workflow {}", any(words)), "enable it")
        }
        _ if removes => (format!("{of} has {}", any(words)), "take it away"),
        _ => (format!("{of} has no {}", any(words)), "grant it"),
    }
}

fn still(kind: FactKind, step: &StepShown, caller: &str) -> String {
    let of = match (kind.is_of_user(), step.of == caller) {
        (true, true) => "the user".to_owned(),
        (true, false) => format!("user `{}`", step.of),
        (false, _) => format!("organisation `{}`", step.of),
    };
    let words = &step.any_of;
    let need = match (kind, step.change) {
        (FactKind::UserRoles, "add") => format!("needs {}", roles(words)),
        (FactKind::UserRoles, _) => format!("has to lose {}", roles(words)),
        (FactKind::UserStatus | FactKind::OrganizationStatus, _) => {
            format!("has to be {}", any(words))
        }
        (FactKind::OrganizationDeleted, _) if words.contains(&Value::Bool(true)) => {
            "has to be deleted".to_owned()
        }
        (FactKind::OrganizationDeleted, _) => "has to be restored".to_owned(),
        (FactKind::OrganizationWorkflows, "add") => format!("needs the workflow {}", any(words)),
        (_, "add") => format!("needs {}", any(words)),
        _ => format!("has to lose {}", any(words)),
    };
    format!("afterwards {of} still {need}")
}

/// Describes who can make the change: the least powerful role that may.
fn who(step: &StepShown, deed: &str) -> String {
    match (step.by.first(), &step.with) {
        (Some(who), _) => format!("{} can{deed}", somebody(who)),
        (None, Some(_)) => "no role alone may change it by a request".to_owned(),
        (None, None) => "no route changes it, the database has to".to_owned(),
    }
}

fn somebody(who: &Who) -> String {
    let article = if who.role.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
    let role = &who.role;
    match (&who.of, &who.of_group_of) {
        (Some(of), _) => format!("{article} {role} of `{of}`"),
        (None, Some(of)) => format!("{article} {role} of the group of `{of}`"),
        (None, None) => format!("{article} {role}"),
    }
}

fn named(kind: FactKind, of: &str) -> String {
    if kind.is_of_user() { format!("user `{of}`") } else { format!("organisation `{of}`") }
}

fn roles(words: &[Value]) -> String {
    let what = if words.len() > 1 { "one of the roles" } else { "the role" };
    format!("{what} {}", any(words))
}

/// `A`, `B` or `C`
fn any(words: &[Value]) -> String {
    let word = |word: &Value| match word {
        Value::String(text) => format!("`{text}`"),
        other => other.to_string(),
    };
    let words: Vec<String> = words.iter().map(word).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
