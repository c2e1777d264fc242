//! The answers to "who can" and "what can", as tables.

use std::collections::BTreeMap;

use super::standing;
use super::wrap::Page;
use crate::explain::reach::{PolicyPlace, WhatCan, WhoCan};

/// Returns the table of who can do something.
pub fn who_can(answer: &WhoCan) -> String {
    let mut page = Page::default();
    let object = answer.object.as_ref().map_or_else(String::new, |it| format!(", object {it}"));
    let tenant = tenant(answer.tenant.as_deref());
    let (of, all) = (answer.allowed.len(), answer.users);
    page.line(0, &format!("{of} of {all} users can do {}{object}{tenant}", answer.action));
    page.line(0, &format!("{} {}", answer.method, answer.template));
    let width = answer.allowed.iter().map(|it| it.user.chars().count()).max().unwrap_or_default();
    let mut last = None;
    for holder in &answer.allowed {
        if last.replace(&holder.organization) != Some(&holder.organization) {
            page.title(holder.organization.as_deref().unwrap_or("no organisation"));
        }
        let said = format!("{}, by {}", holder.roles.join(" "), places(&holder.policies));
        page.row(&format!("{:<width$} ", holder.user), &said);
    }
    refused(&mut page, &answer.refused);
    hint(&mut page, answer.tenant.is_none(), &answer.refused);
    page.text()
}

/// Returns the table of what a user can do.
pub fn what_can(answer: &WhatCan) -> String {
    let mut page = Page::default();
    let who = standing(&answer.roles, answer.organization.as_deref());
    let all = answer.allowed.len() + answer.refused.values().map(Vec::len).sum::<usize>();
    let (can, tenant) = (answer.allowed.len(), tenant(answer.tenant.as_deref()));
    page.line(0, &format!("{}{who} can do {can} of {all} actions{tenant}", answer.user));
    let width = answer.allowed.iter().map(|it| it.action.chars().count()).max().unwrap_or_default();
    let mut by: BTreeMap<&[PolicyPlace], Vec<_>> = BTreeMap::new();
    for doable in &answer.allowed {
        by.entry(&doable.policies).or_default().push(doable);
    }
    for (policies, doables) in by {
        page.title(&format!("by {}", places(policies)));
        for doable in doables {
            let said = format!("{} {}", doable.method, doable.template);
            page.row(&format!("{:<width$} ", doable.action), &said);
        }
    }
    refused(&mut page, &answer.refused);
    hint(&mut page, answer.tenant.is_none(), &answer.refused);
    page.text()
}

/// Adds a hint: users without an organisation need a named tenant.
fn hint(page: &mut Page, unnamed: bool, refused: &BTreeMap<String, Vec<String>>) {
    if unnamed && refused.contains_key("tenant_required") {
        page.line(2, "with --tenant SLUG, all are asked in that tenant");
    }
}

fn tenant(slug: Option<&str>) -> String {
    slug.map_or_else(String::new, |it| format!(" in {it}"))
}

fn places(policies: &[PolicyPlace]) -> String {
    let place = |it: &PolicyPlace| format!("{} ({}:{})", it.policy, it.file, it.line);
    policies.iter().map(place).collect::<Vec<_>>().join(", ")
}

fn refused(page: &mut Page, refused: &BTreeMap<String, Vec<String>>) {
    if refused.is_empty() {
        return;
    }
    page.title("Refused");
    let width = refused.keys().map(|reason| reason.chars().count()).max().unwrap_or_default();
    for (reason, whom) in refused {
        page.row(&format!("{:>4} {reason:<width$} ", whom.len()), &whom.join(", "));
    }
}
