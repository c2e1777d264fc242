use super::*;

/// The types with a `lookup` route, with their tables.
const TYPES: [(&str, &str); 14] = [
    ("code-favorite", "code_favorites"),
    ("code-list", "code_lists"),
    ("patient", "patients"),
    ("visit", "visits"),
    ("visit-note", "visit_notes"),
    ("recording", "recordings"),
    ("practitioner", "practitioners"),
    ("patient-insurance", "patient_insurances"),
    ("authorization", "authorizations"),
    ("service-code", "service_codes"),
    ("appointment", "appointments"),
    ("session", "sessions"),
    ("call", "calls"),
    ("invitation", "invitations"),
];

#[test]
fn every_line_of_every_table_is_read() {
    assert_eq!(users().len(), lines(USERS).count());
    assert_eq!(people::organizations().len(), lines(ORGANIZATIONS).count());
    assert_eq!(lines(CODES).filter_map(code_row).count(), lines(CODES).count());
    assert_eq!(lines(CROSSWALKS).filter_map(crosswalk_row).count(), lines(CROSSWALKS).count());
}

#[test]
fn every_organization_owns_one_of_everything() {
    let rows = rows();
    for organization in people::organizations() {
        for (kind, table) in TYPES {
            let id = format!("{kind}-{}-1", organization.short());
            let found = rows.iter().any(|(of, row)| {
                *of == table && row["id"] == id && row["organization_id"] == organization.id
            });
            assert!(found, "`{id}` in `{table}`");
        }
    }
}

#[test]
fn the_first_patient_is_of_the_first_workflow() {
    let rows = rows();
    let workflow_of = |id: &str| {
        let row = rows.iter().find(|(_, row)| row["id"] == id).map(|(_, row)| row.clone());
        row.unwrap_or_default()["workflow"].clone()
    };
    assert_eq!(workflow_of("patient-alpha-1"), "prior_auth");
    assert_eq!(workflow_of("patient-alpha-prior_auth-1"), "prior_auth");
    assert_eq!(workflow_of("patient-alpha-patient_questions-1"), "patient_questions");
    assert_eq!(workflow_of("patient-beta-1"), "patient_questions");
    assert_eq!(workflow_of("patient-omni-1"), Value::Null);
}
