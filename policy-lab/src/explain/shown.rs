//! Converts a verdict to the parts of a report.

use std::sync::Arc;

use policy_store::bundle::Bundle;
use policy_store::facts::{OrganizationFacts, OwnedFacts, UserFacts};
use proxy::judge::workbench::{Ask, Notes, Verdict};
use serde_json::{Map, Value, json};

use super::report::{AnswerShown, FactShown, RequestShown, RouteShown};

/// Returns the request.
pub(super) fn request(ask: &Ask, verdict: &Verdict) -> RequestShown {
    RequestShown {
        user: ask.user.as_ref().map(ToString::to_string),
        roles: verdict.record.roles.iter().map(ToString::to_string).collect(),
        organization: verdict.record.organization_id.as_ref().map(ToString::to_string),
        method: ask.method.clone(),
        target: ask.target.clone(),
        host: ask.host.clone(),
        tenant: ask.tenant.clone(),
        break_glass: ask.break_glass.clone(),
        body: ask.body.is_some(),
    }
}

/// Returns the answer.
pub(super) fn answer(verdict: &Verdict) -> AnswerShown {
    let record = &verdict.record;
    AnswerShown {
        decision: record.decision.as_str(),
        status: verdict.answer.as_ref().map(|answer| answer.status),
        reason: verdict.reason().to_owned(),
        detail: verdict.answer.as_ref().map(|answer| answer.detail.to_string()),
        action: record.action.as_deref().unwrap_or_default().to_owned(),
        tenant: record.tenant_id.as_ref().map(ToString::to_string),
        broke_glass: record.broke_glass,
    }
}

/// Returns the route, if one matched.
pub(super) fn route(bundle: &Bundle, verdict: &Verdict) -> Option<RouteShown> {
    let action = verdict.record.action.as_ref()?;
    let route = bundle.routes().routes().iter().find(|route| {
        route.action == *action && Some(&route.template) == verdict.record.route.as_ref()
    })?;
    Some(RouteShown {
        template: route.template.to_string(),
        file: bundle.sources().routes.name.clone(),
        line: route.line,
    })
}

/// Returns the facts: the caller, other users, organisations, objects.
pub(super) fn facts(notes: &Notes, verdict: &Verdict) -> Vec<FactShown> {
    let record = &verdict.record;
    let mut facts = Vec::new();
    for (id, (user, asked)) in &notes.users {
        let mut is = Vec::new();
        is.extend((record.user_id.as_ref() == Some(id)).then_some("caller"));
        is.extend((record.resource_id.as_ref() == Some(id)).then_some("object"));
        let values = user.as_ref().map(of_user);
        facts.push(shown("user", id, is, *asked, values));
    }
    // The caller comes first.
    facts.sort_by_key(|fact| !fact.is.contains(&"caller"));
    for (id, (organization, asked)) in &notes.organizations {
        let mut is = Vec::new();
        is.extend((record.organization_id.as_ref() == Some(id)).then_some("own organisation"));
        is.extend((record.tenant_id.as_ref() == Some(id)).then_some("tenant"));
        is.extend((record.resource_id.as_ref() == Some(id)).then_some("object"));
        facts.push(shown("organization", id, is, *asked, Some(of_organization(organization))));
    }
    for ((kind, id), (owned, asked)) in &notes.objects {
        facts.push(shown(kind, id, vec!["object"], *asked, owned.as_ref().map(of_owned)));
    }
    facts
}

fn shown(
    kind: &str,
    id: &str,
    is: Vec<&'static str>,
    asked: std::time::Instant,
    values: Option<Map<String, Value>>,
) -> FactShown {
    FactShown {
        kind: kind.to_owned(),
        id: id.to_owned(),
        is,
        found: values.is_some(),
        age_ms: u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX),
        values: values.unwrap_or_default(),
    }
}

fn of_user(user: &UserFacts) -> Map<String, Value> {
    members(json!({
        "status": *user.status, "roles": names(&user.roles), "features": names(&user.features),
        "organization": user.organization.as_deref(),
    }))
}

fn of_organization(it: &OrganizationFacts) -> Map<String, Value> {
    members(json!({
        "slug": *it.slug, "status": *it.status, "deleted": it.deleted, "features": names(&it.features),
        "workflows": names(&it.workflows), "group": it.group.as_deref(),
    }))
}

fn of_owned(owned: &OwnedFacts) -> Map<String, Value> {
    let mut values = members(json!({ "owner": owned.owner.as_deref() }));
    if let Some(workflow) = &owned.workflow {
        values.insert("workflow".to_owned(), json!(**workflow));
    }
    if let Some(roles) = &owned.roles {
        values.insert("roles".to_owned(), json!(names(roles)));
    }
    values
}

fn names(list: &[Arc<str>]) -> Vec<&str> {
    list.iter().map(|it| &**it).collect()
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
