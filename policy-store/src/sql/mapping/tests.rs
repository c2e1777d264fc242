//! What a mapping may contain, and the messages about everything else.

use super::{Defaults, Mapping, Subject};

fn objects(mapping: &Mapping) -> Vec<String> {
    mapping.statements().map(|(subject, _)| subject.to_string()).collect()
}

#[test]
fn the_defaults_are_good_and_know_the_same_objects() {
    let defaults = Defaults::read().unwrap();
    assert_eq!(objects(&defaults.postgres), objects(&defaults.sqlite));
    assert_eq!(objects(&defaults.postgres).len(), 18);
    assert_eq!(defaults.postgres.misfits(), []);
    assert_eq!(defaults.sqlite.misfits(), []);
}

#[test]
fn a_statement_is_sql_alone_or_with_what_there_is_to_say() {
    let text = "
        user: { sql: select 1, columns: { organization: clinic }, lists: { roles: comma }, key: integer }
        organization: select 2
        role_names: { doc: DOCTOR }
        objects: { Patient: select 3 }
    ";
    let mapping: Mapping = serde_saphyr::from_str(text).unwrap();
    assert_eq!(objects(&mapping), ["user", "organization", "objects.Patient"]);
    assert_eq!(mapping.misfits(), []);
    let sql: Vec<&str> = mapping.statements().map(|(_, it)| it.sql.as_str()).collect();
    assert_eq!(sql, ["select 1", "select 2", "select 3"]);
    assert!(mapping.statements().next().is_some_and(|(it, _)| it == Subject::User));
}

#[test]
fn names_that_are_no_attributes_are_said() {
    let text = "
        user: { sql: x, columns: { organisation: clinic }, lists: { rolls: comma, status: comma } }
        users: { sql: x, key: integer }
        organization: ' '
        objects: { Patient: { sql: x, lists: { owner: rows } } }
    ";
    let mapping: Mapping = serde_saphyr::from_str(text).unwrap();
    let said: Vec<String> =
        mapping.misfits().iter().map(|it| format!("{}: {}", it.key, it.what)).collect();
    assert_eq!(
        said,
        [
            "user.columns.organisation: is no attribute; did you mean `organization`?",
            "user.lists.rolls: is no attribute; did you mean `roles`?",
            "user.lists.status: is no list; it can be `roles`, `features`, `revoked_tokens`",
            "users.key: this statement is asked for nothing; remove it",
            "organization: is no statement; write the SQL that reads it",
            "objects.Patient.lists.owner: is no list; it can be `roles`",
        ]
    );
}
