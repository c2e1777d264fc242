//! Every way to write a key, a name and a list, against both databases; and what one row says of
//! itself when it cannot be read.

use std::{sync::Arc, time::Duration};

use policy_store::{
    facts::{OrganizationKey, UserFacts},
    source::{FactSource as _, FactsError},
    sql::{Mapping, SqlFacts},
};
use serde_json::{Value, json};
use tests::postgres;

use tests::sql::execute;

const TABLES: &str = "
    create extension if not exists citext;
    create type job as enum ('doc', 'nurse');
    create table people (
        small smallint, plain integer, big bigint, ident uuid, name text, folded citext, fixed char(8),
        job job, jobs job[], words varchar[], list text, document jsonb, later timestamptz, number float8, flag boolean,
        org integer
    );
    create table duties (person integer, role text);
    insert into people values
        (7, 7, 7, '0199c3a0-7d1e-7abc-8def-0123456789ab', 'Ann', 'Ann', 'ann', 'doc', '{doc,nurse}', '{A,B,A}',
         ' b , a ,,', '{\"x\": true, \"y\": false}', '2001-02-03 04:05:06.5Z', 1.5, true, 3),
        (8, 8, 8, '0199c3a0-7d1e-7abc-8def-0123456789ac', 'ann', 'bob', 'bob', null, '{doc,null}', null,
         null, '[\"x\", 1]', null, 'NaN', null, null);
    insert into duties values (7, 'nurse'), (7, 'doc'), (7, 'nurse'), (9, 'doc');
";

async fn tables() -> String {
    let url = postgres::shared().await.create_database(None).await;
    execute(&url, TABLES).await;
    url
}

fn facts(url: &str, user: &Value, more: &Value) -> SqlFacts {
    let mut mapping = json!({
        "user": user,
        "organization": "select 'o' as id, 'o' as slug, 'x' as status, false as deleted where $1 = 'o'",
    });
    for (key, value) in more.as_object().unwrap() {
        mapping[key] = value.clone();
    }
    let mapping: Mapping = serde_json::from_value(mapping).unwrap();
    assert_eq!(mapping.misfits(), []);
    SqlFacts::open(url, Duration::from_secs(20), Some(mapping)).unwrap()
}

fn said(read: Result<Option<UserFacts>, FactsError>) -> String {
    match read {
        Ok(Some(user)) => format!("{}: {}", user.id, user.roles.join("+")),
        Ok(None) => "nobody".to_owned(),
        Err(FactsError::Unreadable { problem, .. }) => format!("! {problem}"),
        Err(other) => format!("!! {other}"),
    }
}

/// A column of keys, and what comes of asking for some of them.
const KEYS: &[(&str, &[(&str, &str)])] = &[
    ("small", &[("7", "7: "), ("07", "nobody"), ("70000", "nobody"), ("x", "nobody")]),
    ("plain", &[("7", "7: "), ("-7", "nobody"), ("3000000000", "nobody")]),
    ("big", &[("7", "7: "), (" 7", "nobody"), ("9223372036854775807", "nobody")]),
    (
        "ident",
        &[
            ("0199c3a0-7d1e-7abc-8def-0123456789ab", "0199c3a0-7d1e-7abc-8def-0123456789ab: "),
            ("0199C3A0-7D1E-7ABC-8DEF-0123456789AB", "nobody"),
            ("0199c3a07d1e7abc8def0123456789ab", "nobody"),
            ("7", "nobody"),
        ],
    ),
    ("name", &[("Ann", "Ann: "), ("ann", "ann: "), ("ANN", "nobody"), ("A\0", "nobody")]),
    // The database takes these for the same, the gate does not: a stranger's other spelling is nobody.
    ("folded", &[("Ann", "Ann: "), ("ann", "nobody"), ("ANN", "nobody")]),
    ("fixed", &[("ann", "ann: "), ("ann ", "nobody"), ("ann     ", "nobody")]),
];

#[tokio::test]
async fn keys_of_every_type() {
    let url = tables().await;
    for (column, cases) in KEYS {
        let sql = format!(
            "select {column} as id, '{{}}'::text[] as roles, 'x' as status from people where {column} = $1"
        );
        let facts = facts(&url, &json!(sql), &json!({}));
        for (key, expected) in *cases {
            assert_eq!(said(facts.user(key).await), *expected, "{column} {key:?}");
        }
    }
}

/// What is selected as `roles` of 7 and of 8, how it is written, and what comes of it.
const LISTS: &[(&str, &str, &str, &str)] = &[
    ("words", "array", "7: A+B", "! column `roles` is null"),
    ("jobs", "", "7: DOCTOR+nurse", "! column `roles` holds a null"),
    ("job", "comma", "7: DOCTOR", "! column `roles` is null"),
    ("job", "rows", "7: DOCTOR", "8: "),
    ("list", "comma", "7: a+b", "! column `roles` is null"),
    ("document", "", "7: x", "! column `roles` holds `1`, which is not a name"),
    ("document::json", "", "7: x", "! column `roles` holds `1`, which is not a name"),
    ("document::text", "json", "7: x", "! column `roles` holds `1`, which is not a name"),
    (
        "name",
        "json",
        "! column `roles` is not JSON: expected value at line 1 column 1",
        "! column `roles` is not JSON: expected value at line 1 column 1",
    ),
    ("plain", "rows", "7: 7", "8: 8"),
    ("flag", "rows", "! column `roles` holds a boolean, not a name", "8: "),
    (
        "array[[1]]",
        "array",
        "! column `roles` is `int4[]`, not a list of names",
        "! column `roles` is `int4[]`, not a list of names",
    ),
    ("1 / (plain - 7)", "rows", "! the statement fails: division by zero", "8: 1"),
];

#[tokio::test]
async fn lists_of_every_form() {
    let url = tables().await;
    for (select, form, seven, eight) in LISTS {
        let sql = format!(
            "select plain as id, {select} as roles, 'x' as status from people where plain = $1"
        );
        let lists = if form.is_empty() { json!({}) } else { json!({"roles": form}) };
        let user = json!({"sql": sql, "lists": lists});
        let facts = facts(&url, &user, &json!({"role_names": {"doc": "DOCTOR"}}));
        let both = (said(facts.user("7").await), said(facts.user("8").await));
        assert_eq!(both, ((*seven).to_owned(), (*eight).to_owned()), "{select} {form}");
    }
}

#[tokio::test]
async fn a_join_table_of_roles_is_gathered_and_the_rest_has_to_agree() {
    let url = tables().await;
    let join = "from people p left join duties d on d.person = p.plain where p.plain = $1";
    let user = |more: &str| {
        let sql = format!("select p.plain as id, d.role as roles{more} {join}");
        json!({"sql": sql, "lists": {"roles": "rows"}})
    };
    let renamed = || json!({"role_names": {"doc": "DOCTOR"}});
    let agreed = facts(&url, &user(", 'x' as status"), &renamed());
    assert_eq!(said(agreed.user("7").await), "7: DOCTOR+nurse");
    assert_eq!(said(agreed.user("8").await), "8: ");
    assert_eq!(said(agreed.user("9").await), "nobody");
    let torn = facts(&url, &user(", d.role as status"), &renamed());
    assert_eq!(
        said(torn.user("7").await),
        "! column `status` is not the same in all rows of one key"
    );
    assert_eq!(said(torn.user("8").await), "! column `status` is null");
}

#[tokio::test]
async fn points_in_time_and_what_is_not_there() {
    let url = tables().await;
    for (select, expected) in [
        ("later", Ok(Some(981_173_106.5))),
        ("number", Ok(Some(1.5))),
        ("plain", Ok(Some(7.0))),
        ("null::timestamptz", Ok(None)),
        ("'infinity'::timestamptz", Ok(Some(f64::INFINITY))),
        ("'NaN'::float8", Err("column `tokens_valid_after` holds a number, not a point in time")),
        ("later::text", Err("column `tokens_valid_after` holds text, not a point in time")),
    ] {
        let sql = format!(
            "select plain as id, org as organization, words as roles, 'x' as status, {select} as tokens_valid_after
             from people where plain = $1"
        );
        let read = facts(&url, &json!(sql), &json!({})).user("7").await;
        match (read, expected) {
            (Ok(Some(user)), Ok(moment)) => {
                assert_eq!(user.tokens_valid_after, moment, "{select}");
                assert_eq!(user.organization.as_deref(), Some("3"));
                assert!(user.features.is_empty() && user.revoked_tokens.is_empty());
            }
            (Err(FactsError::Unreadable { problem, .. }), Err(why)) => assert_eq!(problem, why),
            (read, _) => panic!("{select}: {read:?}"),
        }
    }
    // Nobody can be asked about, nothing can be named: that was not said.
    let facts = facts(
        &url,
        &json!("select plain as id, words as roles from people where plain = $1"),
        &json!({}),
    );
    assert_eq!(said(facts.user("7").await), "! column `status` is not in the statement");
    assert!(matches!(facts.users().await, Err(FactsError::Unlisted)));
    let slug = OrganizationKey::Slug(Arc::from("o"));
    assert!(matches!(facts.organization(&slug).await, Ok(None)));
    let id = OrganizationKey::Id(Arc::from("o"));
    assert!(matches!(facts.organization(&id).await, Ok(Some(_))));
    assert!(matches!(facts.object("Patient", "7").await, Err(FactsError::Unmapped(_))));
}

#[tokio::test]
async fn the_same_with_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    std::fs::write(&file, "").unwrap();
    let url = format!("sqlite://{}", file.display());
    execute(
        &url,
        "create table people (id integer primary key, roles text, body text, gone);
         insert into people values (7, 'doc, nurse', '{\"roles\": [\"a\"]}', 0), (8, '', '{\"roles\": ', 2);",
    )
    .await;
    let user = |select: &str, form: &str, key: &str| {
        let sql = format!("select id, {select} as roles, 'x' as status from people where id = $1");
        facts(&url, &json!({"sql": sql, "lists": {"roles": form}, "key": key}), &json!({}))
    };
    let comma = user("roles", "comma", "integer");
    assert_eq!(said(comma.user("7").await), "7: doc+nurse");
    assert_eq!(said(comma.user("8").await), "8: ");
    assert_eq!(said(comma.user("007").await), "nobody");
    // Without `key` SQLite finds 7 for `007`: what it finds is not what was asked for.
    let text = user("roles", "comma", "text");
    assert_eq!(said(text.user("7").await), "7: doc+nurse");
    assert_eq!(said(text.user("007").await), "nobody");
    // One document is broken: that one alone.
    let json = user("body ->> '$.roles'", "json", "integer");
    assert_eq!(said(json.user("7").await), "7: a");
    assert_eq!(said(json.user("8").await), "! the statement fails: malformed JSON");
    assert_eq!(said(json.user("7").await), "7: a");
}
