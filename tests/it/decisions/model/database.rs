//! A made-up world, put into the tables of a real database.

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tests::model::{Names, Object, Organization, User, World};

/// Far in the future.
const NEVER: &str = "2999-01-01T00:00:00Z";

/// Which words a database has for a list.
#[derive(Clone, Copy)]
enum Dialect {
    Postgres,
    Sqlite,
}

/// Whether the tables can hold it: only service codes may be nobody's.
pub(super) fn can_hold(object: &Object) -> bool {
    object.owner.is_some() || object.kind == "ServiceCode"
}

/// Makes the tables and puts the world into them.
pub(super) async fn fill(url: &str, world: &World) {
    database::migrate(url).await.unwrap();
    if url.starts_with("postgres") {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let script = AssertSqlSafe(script(world, Dialect::Postgres));
        sqlx::raw_sql(script).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        let script = AssertSqlSafe(script(world, Dialect::Sqlite));
        sqlx::raw_sql(script).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// One statement a row, each after those that it refers to.
fn script(world: &World, dialect: Dialect) -> String {
    let groups = world.organizations.iter().filter_map(|it| it.group.as_ref());
    let groups: Names = groups.cloned().collect();
    let mut rows: Vec<String> =
        groups.iter().map(|id| row("organization_groups", &[("id", text(id))])).collect();
    rows.extend(world.organizations.iter().map(organization));
    rows.extend(world.users.iter().map(|it| user(it, dialect)));
    let anchor = [("id", text("anchor")), ("code", text("anchor")), ("description", text("x"))];
    rows.push(row("service_codes", &anchor));
    rows.extend(world.organizations.iter().flat_map(|it| anchors(&it.id)));
    rows.extend(world.objects.iter().map(|it| object(it, world, dialect)));
    rows.concat()
}

fn row(table: &str, columns: &[(&str, String)]) -> String {
    let (names, values): (Vec<&str>, Vec<&str>) =
        columns.iter().map(|(name, value)| (*name, value.as_str())).unzip();
    format!("insert into {table} ({}) values ({});\n", names.join(","), values.join(","))
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn text_or_null(value: Option<&String>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| text(value))
}

fn list(names: &Names, dialect: Dialect) -> String {
    let json = json!(names).to_string();
    match dialect {
        Dialect::Sqlite => text(&json),
        Dialect::Postgres => text(&json.replace('[', "{").replace(']', "}")),
    }
}

/// What is on, and something that is off.
fn switches(names: &Names, off: &str, on: impl Fn(bool) -> serde_json::Value) -> String {
    let mut switches: serde_json::Map<_, _> = [(off.to_owned(), on(false))].into_iter().collect();
    switches.extend(names.iter().map(|name| (name.clone(), on(true))));
    text(&json!(switches).to_string())
}

fn organization(it: &Organization) -> String {
    let deleted = it.deleted.then(|| NEVER.to_owned());
    row(
        "organizations",
        &[
            ("id", text(&it.id)),
            ("slug", text(&it.slug)),
            ("name", text("x")),
            ("type", text("CLINIC")),
            ("status", text(&it.status)),
            ("deleted_at", text_or_null(deleted.as_ref())),
            ("group_id", text_or_null(it.group.as_ref())),
            ("features", switches(&it.features, "codes", |on| json!(on))),
            ("workflows", switches(&it.workflows, "prior_auth", |on| json!({"enabled": on}))),
        ],
    )
}

fn user(it: &User, dialect: Dialect) -> String {
    let signed_out = it.signed_out.then(|| NEVER.to_owned());
    row(
        "users",
        &[
            ("id", text(&it.id)),
            ("organization_id", text_or_null(it.organization.as_ref())),
            ("email", text(&format!("{}@clinics.example", it.id))),
            ("name", text("x")),
            ("roles", list(&it.roles, dialect)),
            ("enabled_features", list(&it.features, dialect)),
            ("status", text(if it.active { "ACTIVE" } else { "INACTIVE" })),
            ("is_super_admin", it.super_admin.to_string()),
            ("tokens_valid_after", text_or_null(signed_out.as_ref())),
        ],
    )
}

/// What objects of an organisation have to refer to, with ids that nobody asks for.
fn anchors(organization: &str) -> [String; 3] {
    let id = text(&anchor(organization));
    let whose = [("id", id.clone()), ("organization_id", text(organization))];
    let with = |table, more: &[(&str, String)]| row(table, &[&whose, more].concat());
    [
        with("patients", &[("workflow", text("x"))]),
        with(
            "practitioners",
            &[
                ("license_number", text("anchor")),
                ("first_name", text("x")),
                ("last_name", text("x")),
            ],
        ),
        with("visits", &[("patient_id", id)]),
    ]
}

fn anchor(organization: &str) -> String {
    format!("anchor-{organization}")
}

fn object(it: &Object, world: &World, dialect: Dialect) -> String {
    let id = text(&it.id);
    let anchor = text(&anchor(it.owner.as_deref().unwrap_or_default()));
    let patient = ("patient_id", anchor.clone());
    let (table, more) = match it.kind.as_str() {
        "CodeFavorite" => {
            let user = text(&world.users[0].id);
            (
                "code_favorites",
                vec![("user_id", user), ("system", text("icd10")), ("code", id.clone())],
            )
        }
        "CodeList" => ("code_lists", vec![("name", text("x"))]),
        "Patient" => {
            let workflow = text_or_null(it.workflow.as_ref());
            let names = [("first_name", text("x")), ("last_name", text("x"))];
            ("patients", [&[("workflow", workflow)], &names[..]].concat())
        }
        "Visit" => ("visits", vec![patient]),
        "VisitNote" => ("visit_notes", vec![("visit_id", anchor), ("content", text("x"))]),
        "Recording" => ("recordings", vec![patient, ("storage_key", text("x"))]),
        "Practitioner" => {
            let names = [("first_name", text("x")), ("last_name", text("x"))];
            ("practitioners", [&[("license_number", id.clone())], &names[..]].concat())
        }
        "PatientInsurance" => {
            let payer = [("payer_name", text("x")), ("member_number", text("x"))];
            ("patient_insurances", [&[patient], &payer[..]].concat())
        }
        "Authorization" => ("authorizations", [&[patient], &authorization()[..]].concat()),
        "ServiceCode" => ("service_codes", vec![("code", id.clone()), ("description", text("x"))]),
        "Appointment" => ("appointments", [&[patient], &appointment(anchor)[..]].concat()),
        "Session" => ("sessions", vec![patient]),
        "Call" => ("calls", vec![patient, ("workflow", text("x"))]),
        "Invitation" => {
            let roles = ("roles", list(&it.roles, dialect));
            let email = ("email", text("x@clinics.example"));
            ("invitations", vec![roles, email, ("expires_at", text(NEVER))])
        }
        kind => panic!("no table holds a {kind}"),
    };
    let whose = [("id", id), ("organization_id", text_or_null(it.owner.as_ref()))];
    row(table, &[&whose, &more[..]].concat())
}

fn authorization() -> [(&'static str, String); 5] {
    [
        ("service_code_id", text("anchor")),
        ("service_code_owner", text("*")),
        ("total_units", "1".to_owned()),
        ("start_date", text("2026-01-01")),
        ("end_date", text("2026-12-31")),
    ]
}

fn appointment(practitioner: String) -> [(&'static str, String); 3] {
    [
        ("practitioner_id", practitioner),
        ("starts_at", text("2026-01-01T08:00:00Z")),
        ("ends_at", text("2026-01-01T09:00:00Z")),
    ]
}
