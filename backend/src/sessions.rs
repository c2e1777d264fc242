//! Therapy sessions, their events, and the note about each.

use axum::{
    extract::{self, Path},
    response::Response,
};
use serde_json::Value;

use crate::{
    body::Fields,
    caller::{Caller, Tenant},
    clock::now,
    db::{Arg, Row, text_of},
    paging::Wanted,
    problem::{Outcome, Problem},
    resource::{created, insert, new_id, shown},
    server::State,
    tables::{APPOINTMENTS, SESSION_EVENTS, SESSIONS},
};

/// Starts a session, on its own or from an appointment, which then names the patient and the practitioner.
pub(crate) async fn start(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    mut fields: Fields,
) -> Outcome<Response> {
    if let Some(id) = fields.text("appointment_id")? {
        let unknown = |_| Problem::unprocessable("`appointment_id` names no appointment");
        let appointment = APPOINTMENTS.read(&state.db, &tenant.0, &id).await.map_err(unknown)?;
        for column in ["patient_id", "practitioner_id", "authorization_id"] {
            if fields.get(column).is_none() {
                fields.set(column, appointment.get(column).cloned().unwrap_or_default());
            }
        }
    }
    Ok(created(SESSIONS.create(&state.db, &tenant.0, &fields, &[]).await?))
}

/// One session.
pub(crate) async fn read(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Outcome<Response> {
    let mut session = SESSIONS.read(&state.db, &tenant.0, &id).await?;
    let events = events_of(&state, &tenant.0, &id).await?;
    session.insert("events".to_owned(), events.into_iter().map(Value::Object).collect());
    Ok(shown(session))
}

/// Changes a session.
pub(crate) async fn update(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    Ok(shown(SESSIONS.update(&state.db, &tenant.0, &id, &fields).await?))
}

/// Records an event in a session.
pub(crate) async fn add_event(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    SESSIONS.read(&state.db, &tenant.0, &id).await?;
    let fixed = [("session_id", Arg::text(id))];
    Ok(created(SESSION_EVENTS.create(&state.db, &tenant.0, &fields, &fixed).await?))
}

/// Completes a session that is in progress.
pub(crate) async fn complete(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Outcome<Response> {
    let sql = "update sessions set status = 'COMPLETED', ended_at = $3, updated_at = $3 \
               where organization_id = $1 and id = $2 and status = 'IN_PROGRESS' returning *";
    let now = Arg::time(now());
    let args = vec![Arg::text(&tenant.0), Arg::text(&id), now];
    if let Some(session) = state.db.row(sql, args).await? {
        return Ok(shown(session));
    }
    SESSIONS.read(&state.db, &tenant.0, &id).await?;
    Err(Problem::conflict("the session is not in progress"))
}

/// Drafts the note of a session from its events. A draft that a person has edited is not overwritten.
pub(crate) async fn generate_note(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Outcome<Response> {
    let session = SESSIONS.read(&state.db, &tenant.0, &id).await?;
    let content = draft(&session, &events_of(&state, &tenant.0, &id).await?);
    let (sql, args) = insert(
        "session_notes",
        vec![
            ("id", Arg::text(new_id())),
            ("organization_id", Arg::text(tenant.0)),
            ("session_id", Arg::text(id)),
            ("source", Arg::text("AI")),
            ("content", Arg::text(content)),
        ],
    );
    let sql = format!(
        "{sql} on conflict (organization_id, session_id) do update set content = excluded.content, \
         updated_at = excluded.updated_at where session_notes.source = 'AI' returning *"
    );
    let note = state.db.row(sql, args).await?;
    let note = note.ok_or_else(|| Problem::conflict("a person has worked on the note"))?;
    Ok(created(note))
}

/// The note of a session.
pub(crate) async fn read_note(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Outcome<Response> {
    let sql = "select * from session_notes where organization_id = $1 and session_id = $2";
    let note = state.db.row(sql, vec![Arg::text(tenant.0), Arg::text(id)]).await?;
    Ok(shown(note.ok_or_else(Problem::not_found)?))
}

/// Replaces a draft by the text of a person.
pub(crate) async fn update_note(
    extract::State(state): extract::State<State>,
    caller: Caller,
    tenant: Tenant,
    Path(id): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    let sql = "update session_notes set content = $3, source = 'HUMAN', edited_by = $4, \
               updated_at = $5 where organization_id = $1 and session_id = $2 returning *";
    let args = vec![
        Arg::text(tenant.0),
        Arg::text(id),
        fields.required_arg("content")?,
        Arg::text(caller.user),
        Arg::time(now()),
    ];
    Ok(shown(state.db.row(sql, args).await?.ok_or_else(Problem::not_found)?))
}

async fn events_of(state: &State, tenant: &str, session: &str) -> Outcome<Vec<Row>> {
    let of_session = [("session_id", session)];
    SESSION_EVENTS.list_where(&state.db, tenant, &Wanted::default(), &of_session).await
}

fn draft(session: &Row, events: &[Row]) -> String {
    let mut lines = vec![
        format!("Session of {}, {}.", text_of(session, "started_at"), text_of(session, "status")),
        format!("Events recorded: {}.", events.len()),
    ];
    lines.extend(events.iter().map(|event| {
        format!("- {} {}", text_of(event, "occurred_at"), text_of(event, "event_type"))
    }));
    lines.join("\n")
}
