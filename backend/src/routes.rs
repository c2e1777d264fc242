//! Every path that is served. The gate decides which of them a request may reach.

use axum::{
    Router, extract,
    extract::DefaultBodyLimit,
    http::header,
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post},
};

use crate::{
    audit, auth, code_lists, codes, health, invitations, members, organizations, patients, plain,
    problem::Problem,
    profile,
    server::State,
    sessions,
    tables::{
        APPOINTMENTS, AUTHORIZATIONS, CALLS, INSURANCES, PATIENTS, PRACTITIONERS, RECORDINGS,
        SERVICE_CODES, VISIT_NOTES, VISITS,
    },
    therapy, workflows,
};

/// The maximum size of a body, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;

/// All routes.
pub(crate) fn router(state: State) -> Router {
    Router::new()
        .route("/healthz", get(health::read))
        .route("/.well-known/jwks.json", get(key_set))
        .merge(account_routes())
        .merge(code_routes())
        .merge(patient_routes())
        .merge(visit_routes())
        .merge(therapy_routes())
        .merge(administration_routes())
        .fallback(async || Problem::absent("there is no such path"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(state)
}

fn account_routes() -> Router<State> {
    Router::new()
        .route("/api/auth/login", post(auth::login))
        .route("/api/auth/refresh", post(auth::refresh))
        .route("/api/auth/logout", post(auth::logout))
        .route("/api/auth/accept-invite", post(auth::accept))
        .route("/api/users/me", get(profile::read).patch(profile::update))
}

fn code_routes() -> Router<State> {
    Router::new()
        .route("/api/codes/{system}/search", get(codes::search))
        .route("/api/codes/extract", post(codes::extract))
        .route("/api/codes/crosswalk", get(codes::crosswalk))
        .route("/api/codes/favorites", get(codes::favorites).post(codes::add_favorite))
        .route("/api/codes/favorites/{id}", delete(codes::remove_favorite))
        .route("/api/codes/lists", get(code_lists::list).post(code_lists::create))
        .route(
            "/api/codes/lists/{id}",
            get(code_lists::read).put(code_lists::update).delete(code_lists::delete),
        )
}

fn patient_routes() -> Router<State> {
    let one = get(patients::read).patch(patients::update).merge(plain::delete(&PATIENTS));
    Router::new()
        .route("/api/patients", get(patients::list).post(patients::create))
        .route("/api/patients/{id}", one)
        .route("/api/patients/{id}/insurance", get(patients::insurances).post(patients::insure))
        .route("/api/insurance/{id}", plain::update(&INSURANCES).merge(plain::delete(&INSURANCES)))
        .route("/api/workflows", get(workflows::list))
        .route(
            "/api/workflows/{workflow}/patients",
            get(workflows::patients).post(workflows::add_patient),
        )
        .route("/api/workflows/{workflow}/patients/{id}/calls", post(workflows::call))
        .route("/api/calls", plain::list(&CALLS))
        .route("/api/calls/{id}", plain::read(&CALLS))
}

fn visit_routes() -> Router<State> {
    Router::new()
        .route("/api/visits", plain::list(&VISITS).merge(plain::create(&VISITS)))
        .route("/api/visits/{id}", plain::read(&VISITS))
        .route("/api/visit-notes", plain::list(&VISIT_NOTES).post(therapy::write_visit_note))
        .route(
            "/api/visit-notes/{id}",
            plain::read(&VISIT_NOTES).merge(plain::update(&VISIT_NOTES)),
        )
        .route("/api/recordings/{id}", plain::read(&RECORDINGS))
        .route(
            "/api/practitioners",
            plain::list(&PRACTITIONERS).merge(plain::create(&PRACTITIONERS)),
        )
        .route("/api/practitioners/{id}", plain::update(&PRACTITIONERS))
}

fn therapy_routes() -> Router<State> {
    Router::new()
        .route(
            "/api/authorizations",
            plain::list(&AUTHORIZATIONS).merge(plain::create(&AUTHORIZATIONS)),
        )
        .route("/api/authorizations/expiring", get(therapy::expiring))
        .route(
            "/api/authorizations/{id}",
            plain::read(&AUTHORIZATIONS).merge(plain::update(&AUTHORIZATIONS)),
        )
        .route(
            "/api/service-codes",
            get(therapy::service_codes).merge(plain::create(&SERVICE_CODES)),
        )
        .route("/api/service-codes/{id}", patch(therapy::update_service_code))
        .route("/api/appointments", plain::list(&APPOINTMENTS).merge(plain::create(&APPOINTMENTS)))
        .route(
            "/api/appointments/{id}",
            plain::update(&APPOINTMENTS).merge(plain::delete(&APPOINTMENTS)),
        )
        .route("/api/sessions/start", post(sessions::start))
        .route("/api/sessions/{id}", get(sessions::read).patch(sessions::update))
        .route("/api/sessions/{id}/events", post(sessions::add_event))
        .route("/api/sessions/{id}/complete", post(sessions::complete))
        .route("/api/sessions/{id}/generate-note", post(sessions::generate_note))
        .route("/api/sessions/{id}/note", get(sessions::read_note).patch(sessions::update_note))
}

fn administration_routes() -> Router<State> {
    Router::new()
        .route("/api/organizations", get(organizations::list).post(organizations::create))
        .route("/api/organizations/{id}", get(organizations::read).patch(organizations::update))
        .route("/api/organizations/{id}/features", patch(organizations::update_features))
        .route("/api/admin/invitations", get(invitations::list).post(invitations::create))
        .route(
            "/api/admin/invitations/{id}",
            patch(invitations::update).delete(invitations::delete),
        )
        .route("/api/admin/users", get(members::list))
        .route("/api/admin/users/{id}/features", patch(members::update_features))
        .route("/api/admin/users/{id}/roles", patch(members::update_roles))
        .route("/api/admin/users/{id}/status", patch(members::update_status))
        .route("/api/audit", get(audit::list))
}

/// The public keys that verify access tokens.
async fn key_set(extract::State(state): extract::State<State>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], state.key_set).into_response()
}
