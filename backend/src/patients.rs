//! Patients. The answers to a workflow's questions are flat in the API and in `details` in the table.

use axum::{
    extract::{self, Path},
    response::Response,
};
use serde_json::{Map, Value};

use crate::{
    body::Fields,
    caller::Tenant,
    db::{Arg, Row},
    paging::Wanted,
    problem::Outcome,
    resource::{created, listed, shown},
    server::State,
    tables::{INSURANCES, PATIENTS},
};

/// Members of a body that are columns, or names of the tenant: all others go to `details`.
const NOT_DETAILS: [&str; 14] = [
    "id",
    "organization_id",
    "organizationId",
    "workflow",
    "medical_record_number",
    "first_name",
    "last_name",
    "date_of_birth",
    "email",
    "phone",
    "details",
    "deleted_at",
    "created_at",
    "updated_at",
];

/// The patients of the tenant.
pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    wanted: Wanted,
) -> Outcome<Response> {
    let rows = PATIENTS.list(&state.db, &tenant.0, &wanted).await?;
    Ok(listed(rows.into_iter().map(flat).collect()))
}

/// One patient.
pub(crate) async fn read(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Outcome<Response> {
    Ok(shown(flat(PATIENTS.read(&state.db, &tenant.0, &id).await?)))
}

/// Registers a patient who belongs to no workflow.
pub(crate) async fn create(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    fields: Fields,
) -> Outcome<Response> {
    Ok(created(register(&state, &tenant.0, None, &fields).await?))
}

/// Registers a patient.
pub(crate) async fn register(
    state: &State,
    tenant: &str,
    workflow: Option<&str>,
    fields: &Fields,
) -> Outcome<Row> {
    let fixed = [
        ("workflow", Arg::Text(workflow.map(str::to_owned))),
        ("details", Arg::Object(Some(details(fields)))),
    ];
    Ok(flat(PATIENTS.create(&state.db, tenant, fields, &fixed).await?))
}

/// Changes the members of a patient that a body names. Other details stay as they are.
pub(crate) async fn update(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    let mut sets = PATIENTS.sent(&fields)?;
    let changed = details(&fields);
    if !changed.is_empty() {
        let before = PATIENTS.read(&state.db, &tenant.0, &id).await?;
        let mut all = before.get("details").and_then(Value::as_object).cloned().unwrap_or_default();
        all.extend(changed);
        sets.push(("details", Arg::Object(Some(all))));
    }
    Ok(shown(flat(PATIENTS.update_with(&state.db, &tenant.0, &id, sets).await?)))
}

/// The insurances of one patient.
pub(crate) async fn insurances(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
    wanted: Wanted,
) -> Outcome<Response> {
    PATIENTS.read(&state.db, &tenant.0, &id).await?;
    let of_patient = [("patient_id", id.as_str())];
    Ok(listed(INSURANCES.list_where(&state.db, &tenant.0, &wanted, &of_patient).await?))
}

/// Adds an insurance to a patient.
pub(crate) async fn insure(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    PATIENTS.read(&state.db, &tenant.0, &id).await?;
    let fixed = [("patient_id", Arg::text(id))];
    Ok(created(INSURANCES.create(&state.db, &tenant.0, &fields, &fixed).await?))
}

/// A patient with its details flat among the columns.
pub(crate) fn flat(mut patient: Row) -> Row {
    patient.remove("deleted_at");
    let details = patient.remove("details");
    for (name, value) in details.as_ref().and_then(Value::as_object).into_iter().flatten() {
        patient.entry(name).or_insert_with(|| value.clone());
    }
    patient
}

/// The members of a body that are not columns.
fn details(fields: &Fields) -> Map<String, Value> {
    let mut details = fields.beyond(&NOT_DETAILS);
    let nested = fields.get("details").and_then(Value::as_object);
    for (name, value) in nested.into_iter().flatten() {
        if !NOT_DETAILS.contains(&name.as_str()) {
            details.insert(name.clone(), value.clone());
        }
    }
    details
}
