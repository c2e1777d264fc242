//! Workflows: each asks its own questions about its own patients, and calls them.

use axum::{
    extract::{self, Path},
    response::Response,
};
use serde_json::Value;

use crate::{
    body::Fields,
    caller::{Caller, Tenant},
    db::{Arg, Row, text_of},
    organizations,
    paging::Wanted,
    patients::{flat, register},
    problem::{Outcome, Problem},
    resource::{created, listed},
    server::State,
    tables::{CALLS, PATIENTS},
};

/// The organisation's workflows, each with its questions.
pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
) -> Outcome<Response> {
    let organization = own(&state, &tenant).await?;
    let workflows = organization.get("workflows").and_then(Value::as_object);
    let rows = workflows.into_iter().flatten().map(|(name, workflow)| {
        let mut row = workflow.as_object().cloned().unwrap_or_default();
        row.insert("name".to_owned(), Value::from(name.as_str()));
        row
    });
    Ok(listed(rows.collect()))
}

/// The patients of one workflow.
pub(crate) async fn patients(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(workflow): Path<String>,
    wanted: Wanted,
) -> Outcome<Response> {
    let fixed = [("workflow", workflow.as_str())];
    let rows = PATIENTS.list_where(&state.db, &tenant.0, &wanted, &fixed).await?;
    Ok(listed(rows.into_iter().map(flat).collect()))
}

/// Registers a patient in a workflow, with answers to the questions that the workflow requires.
pub(crate) async fn add_patient(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(workflow): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    let organization = own(&state, &tenant).await?;
    let asked = organization
        .get("workflows")
        .and_then(|workflows| workflows.get(&workflow))
        .ok_or_else(Problem::not_found)?;
    if let Some(unanswered) = first_unanswered(asked, &fields) {
        return Err(Problem::unprocessable(format!("`{unanswered}` is missing")));
    }
    Ok(created(register(&state, &tenant.0, Some(&workflow), &fields).await?))
}

fn first_unanswered<'w>(workflow: &'w Value, fields: &Fields) -> Option<&'w str> {
    let questions = workflow.pointer("/patient_schema/fields")?.as_array()?;
    let required =
        questions.iter().filter(|question| question.get("required") == Some(&true.into()));
    required
        .filter_map(|question| question.get("key")?.as_str())
        .find(|key| fields.get(key).is_none())
}

/// Starts a call about a patient. The response contains all that is known about the patient, so that the caller on
/// the phone needs to ask nothing more.
pub(crate) async fn call(
    extract::State(state): extract::State<State>,
    caller: Caller,
    tenant: Tenant,
    Path((workflow, patient)): Path<(String, String)>,
    fields: Fields,
) -> Outcome<Response> {
    let patient = flat(PATIENTS.read(&state.db, &tenant.0, &patient).await?);
    if text_of(&patient, "workflow") != workflow {
        return Err(Problem::not_found());
    }
    let mut fixed = vec![
        ("patient_id", Arg::text(text_of(&patient, "id"))),
        ("workflow", Arg::text(workflow)),
        ("started_by", Arg::text(caller.user)),
    ];
    if fields.get("phone_number").is_none() {
        fixed.push(("phone_number", Arg::Text(number_of(&patient))));
    }
    let mut row = CALLS.create(&state.db, &tenant.0, &fields, &fixed).await?;
    row.insert("patient".to_owned(), Value::Object(patient));
    Ok(created(row))
}

/// The phone number to call about a patient.
fn number_of(patient: &Row) -> Option<String> {
    let known = ["insurance_phone", "phone"];
    known.iter().find_map(|name| patient.get(*name)?.as_str()).map(str::to_owned)
}

async fn own(state: &State, tenant: &Tenant) -> Outcome<Row> {
    organizations::find(&state.db, &tenant.0).await?.ok_or_else(Problem::not_found)
}
