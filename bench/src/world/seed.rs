//! The database: organisations, people and objects.

use std::fmt::Write as _;

use tests::sql::execute;

use super::people::{Person, organization};
use super::{OBJECTS, ORGANIZATIONS};

/// For each type of object that routes look up its table, how many times [`OBJECTS`] of them there
/// are, and its other columns with their values. `o` is the organisation, `p` a patient, `i` counts.
const TABLES: [(&str, &str, usize, &str, &str); 14] = [
    (
        "Patient",
        "patients",
        4,
        "workflow, first_name, last_name",
        "'patient_questions', 'Bench', i::text",
    ),
    ("Practitioner", "practitioners", 1, "license_number, first_name, last_name", "i, 'Bench', i"),
    ("Visit", "visits", 2, "patient_id", "p"),
    ("VisitNote", "visit_notes", 1, "visit_id, content", "'bench-visits-' || o || '-' || i, 'x'"),
    ("Recording", "recordings", 1, "patient_id, storage_key", "p, i"),
    (
        "PatientInsurance",
        "patient_insurances",
        1,
        "patient_id, payer_name, member_number",
        "p, 'x', i",
    ),
    ("ServiceCode", "service_codes", 1, "code, description", "i, 'x'"),
    (
        "Authorization",
        "authorizations",
        1,
        "patient_id, service_code_id, service_code_owner, total_units, start_date, end_date",
        "p, 'bench-service_codes-' || o || '-' || i, 'bench-org-' || o, 9, '2026-01-01', '2027-01-01'",
    ),
    (
        "Appointment",
        "appointments",
        1,
        "patient_id, practitioner_id, starts_at, ends_at",
        "p, 'bench-practitioners-' || o || '-' || i, now(), now() + interval '1 hour'",
    ),
    ("Session", "sessions", 1, "patient_id", "p"),
    ("Call", "calls", 1, "patient_id, workflow", "p, 'patient_questions'"),
    (
        "CodeFavorite",
        "code_favorites",
        1,
        "user_id, system, code",
        "'bench-user-000' || o, 'icd10', i",
    ),
    ("CodeList", "code_lists", 1, "name", "i"),
    (
        "Invitation",
        "invitations",
        1,
        "email, roles, expires_at",
        "i || '@bench.example', '{NURSE}', now()",
    ),
];

/// The id of an object of this type in an organisation, if routes look any up; `drawn` is any number.
pub(super) fn object(resource: &str, organization: usize, drawn: usize) -> Option<String> {
    let (_, table, times, ..) = TABLES.iter().find(|(kind, ..)| *kind == resource)?;
    Some(format!("bench-{table}-{organization}-{}", drawn % (OBJECTS * times)))
}

/// Makes the tables and fills them.
pub(super) async fn fill(database: &str, people: &[Person]) {
    database::migrate(database).await.unwrap();
    let mut sql = format!(
        "insert into organizations (id, slug, name, type, status, features, workflows) \
         select 'bench-org-' || o, 'bench-' || o, 'Bench', 'CLINIC', 'ACTIVE', \
             '{{\"codes\": true, \"ai_notes\": true}}', '{{\"patient_questions\": {{\"enabled\": true}}}}' \
         from generate_series(0, {}) o;\n\
         insert into users (id, organization_id, email, name, roles, enabled_features) values\n",
        ORGANIZATIONS - 1
    );
    for (number, person) in people.iter().enumerate() {
        let (id, of) = (&person.id, organization(person.organization));
        let comma = if number == 0 { "" } else { "," };
        let roles = person.roles.join(",");
        let email = format!("{id}@bench.example");
        writeln!(
            sql,
            "{comma}('{id}', '{of}', '{email}', 'Bench', '{{{roles}}}', '{{codes,ai_notes}}')"
        )
        .unwrap();
    }
    sql += ";\n";
    for (_, table, times, columns, values) in TABLES {
        writeln!(
            sql,
            "insert into {table} (id, organization_id, {columns}) \
             select 'bench-{table}-' || o || '-' || i, 'bench-org-' || o, {values} \
             from generate_series(0, {}) o, generate_series(0, {}) i, \
                 lateral (select 'bench-patients-' || o || '-' || i % {OBJECTS} as p) patient;",
            ORGANIZATIONS - 1,
            OBJECTS * times - 1
        )
        .unwrap();
    }
    execute(database, &sql).await;
}
