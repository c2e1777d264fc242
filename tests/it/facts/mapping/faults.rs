//! What is said of a mapping that is wrong: one case a fault, all of them in reviewed files.
//! `REVIEW_FAULTS=1` writes the files anew, to be reviewed as a diff.

use std::{fs, path::Path, time::Duration};

use policy_store::{
    bundle::Bundle,
    source::{FactSource as _, Unfit},
    sql::SqlFacts,
};
use proxy::config::Config;
use serde_json::json;
use tests::example::Example;

use tests::sql::execute;

/// What is changed in the hospital's configuration: this into that.
type Case = (&'static str, &'static str);

/// What only the database can say.
const UNFIT: &[Case] = &[
    ("from staff s", "from stuff s"),
    ("m.left_at is null", "m.left_at is nil"),
    ("and s.removed_at is null", "und s.removed_at is null"),
    ("s.role, ", ""),
    ("s.role, ", "s.role as rolle, "),
    ("s.role, ", "s.role, s.role, "),
    ("s.role, ", "s.id as role, "),
    ("s.role, ", "array[s.role] as role, "),
    (", s.signed_out_at\n", "\n"),
    (", s.signed_out_at\n", ", s.signed_out_at::timestamp as signed_out_at\n"),
    (", s.signed_out_at\n", ", extract(epoch from s.signed_out_at) as signed_out_at\n"),
    (", tokens_valid_after: signed_out_at", ""),
    ("'ACTIVE' as status, ", ""),
    ("'ACTIVE' as status, ", "true as status, "),
    (", features: rows }\n    users", " }\n    users"),
    ("roles: comma", "roles: array"),
    ("where s.id = $1 and", "where"),
    ("where s.id = $1 and", "where s.id = $1 and $2::int = 1 and"),
    ("where s.id = $1", "where s.id = $1::numeric"),
    ("where s.id = $1", "where s.role = $1"),
    ("    users: select id from staff", "      key: uuid\n    users: select id from staff"),
    ("from staff where removed_at is null", "from staff where id = $1"),
    ("c.removed_at is not null as deleted", "c.removed_at as deleted"),
    ("{ slug: subdomain, features: tool }", "{ slug: subdomain }"),
    ("select clinic_id as owner", "select clinic_id"),
    ("doc: DOCTOR, ", "doc: DOCTER, "),
    ("code_search: codes", "code_search: phone"),
    ("      Patient: select clinic_id as owner from patients where id = $1\n", ""),
    ("as owner from patients", "as owner, 'x' as workflow; select 2 as x from patients"),
];

/// What the file alone says.
const FORM: &[Case] = &[
    ("columns: { organization: clinic_id", "columns: { organisation: clinic_id"),
    ("lists: { roles: comma", "lists: { status: comma"),
    ("roles: comma", "roles: commas"),
    ("    users: select", "      keys: integer\n    users: select"),
    ("    users: select", "      key: number\n    users: select"),
    ("users: select id from staff where removed_at is null", "users: { sql: select 1, key: text }"),
    ("Patient: select clinic_id as owner from patients where id = $1", "Patient: ''"),
    ("Patient: select clinic_id as owner from patients where id = $1", "Patient: 7"),
    ("Patient: select clinic_id as owner from patients where id = $1", "Patient: { key: text }"),
    ("    organization_by_slug:", "    organization_by_name:"),
    ("    organization:\n", "    organisation:\n"),
];

fn check_file(name: &str, text: &str) {
    let path = format!("{}/data/mapping/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("REVIEW_FAULTS").is_some() {
        fs::write(&path, text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap_or_default(), "{path}");
}

/// The case, for the file: what is put in place of what, with the white space made visible.
fn headline((from, into): &Case) -> String {
    let shown = |text: &str| text.replace('\n', "⏎");
    format!("# {}\n# → {}\n", shown(from), shown(into))
}

fn change(example: &Example, written: &str, (from, into): &Case) {
    assert!(written.contains(from), "{from}");
    let file = example.folder().join("cedargate.yaml");
    fs::write(file, written.replacen(from, into, 1)).unwrap();
}

async fn said_at_start(example: &Example, bundle: &Bundle) -> String {
    let config = example.config();
    let (url, timeout) = (config.facts.database.expose(), config.facts.timeout);
    let facts = SqlFacts::open(url, timeout, config.facts.mapping.clone()).unwrap();
    match facts.check(bundle).await {
        Ok(notes) => format!("fits\n{}", notes.join("\n")),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn what_does_not_fit_is_said_with_statement_and_column() {
    let example = Example::prepare("hospital").await;
    let bundle = Bundle::load(&example.directory.path().join("policies")).unwrap();
    let written = fs::read_to_string(example.folder().join("cedargate.yaml")).unwrap();
    let mut all = Vec::new();
    for case in UNFIT {
        change(&example, &written, case);
        let said = said_at_start(&example, &bundle).await;
        all.push(format!("{}{said}\n\n", headline(case)));
    }
    check_file("unfit", &all.concat());
}

#[tokio::test]
async fn what_the_schema_has_and_facts_do_not_is_said() {
    let example = Example::prepare("hospital").await;
    let folder = example.directory.path().join("policies");
    let written = fs::read_to_string(folder.join("schema.cedarschema")).unwrap();
    let mut all = Vec::new();
    for (from, into) in [
        (
            "  status: String,\n  organization",
            "  status: String,\n  department: String,\n  organization",
        ),
        (
            "  status: String,\n  organization",
            "  status: String,\n  department?: String,\n  organization",
        ),
        ("  deleted: Bool,\n", "  deleted: Bool,\n  workflows: Set<String>,\n  group?: Group,\n"),
        (
            "entity Patient = { owner?: Organization }",
            "entity Patient = { owner?: Organization, roles?: Set<Role> }",
        ),
        ("  slug: String,\n", "  slug: Long,\n"),
        (
            "entity Insurance = { owner?: Organization }",
            "entity Insurance = { owner?: Organization, payer: String }",
        ),
    ] {
        fs::write(folder.join("schema.cedarschema"), written.replacen(from, into, 1)).unwrap();
        let bundle = Bundle::load(&folder).unwrap();
        let said = said_at_start(&example, &bundle).await;
        all.push(format!("{}{said}\n\n", headline(&(from, into))));
    }
    check_file("schema", &all.concat());
}

#[tokio::test]
async fn what_cannot_be_written_is_said_with_file_and_line() {
    let example = Example::prepare("hospital").await;
    let file = example.folder().join("cedargate.yaml");
    let written = fs::read_to_string(&file).unwrap();
    let mut all = Vec::new();
    for case in FORM {
        change(&example, &written, case);
        let error = Config::load(Some(&file), std::iter::empty()).unwrap_err().to_string();
        let folder = format!("{}/", example.folder().display());
        all.push(format!("{}{}\n\n", headline(case), error.replace(&folder, "")));
    }
    check_file("form", &all.concat());
}

#[tokio::test]
async fn sqlite_is_asked_what_it_can_say() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/examples/policies");
    let bundle = Bundle::load(Path::new(folder)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    fs::write(&file, "").unwrap();
    let url = format!("sqlite://{}", file.display());
    execute(&url, "create table people (id integer, roles text, picture blob, gone real)").await;
    let mapping = json!({
        "user": "select id, roles, json('[]') as features, picture as status from people where id = $1",
        "users": "select id from peeple",
        "organization": {
            "sql": "select 'o' as id, 'o' as slug, 'ACTIVE' as status, gone as deleted, '' as features from people",
            "lists": {"features": "comma"},
        },
        "objects": {
            "Patient": "select null as owner where $1 = $2",
            "Insurance": {"sql": "select null as owner where id = $1", "columns": {"owner": "clinic"}},
        },
    });
    let mapping = serde_json::from_value(mapping).unwrap();
    let facts = SqlFacts::open(&url, Duration::from_secs(20), Some(mapping)).unwrap();
    let said = facts.check(&bundle).await.unwrap_err().to_string();
    check_file("sqlite", &format!("{said}\n"));
    fs::remove_file(&file).unwrap();
    let gone = SqlFacts::open(&url, Duration::from_secs(20), None).unwrap();
    assert!(matches!(gone.check(&bundle).await, Err(Unfit::Unavailable(_))));
}
