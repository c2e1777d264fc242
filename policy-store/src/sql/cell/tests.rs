//! The conversion of cells, as a table; and the check of types at the start, which must agree with it.

use super::{Cell, Kind, Type, Value, misfit};
use crate::sql::mapping::{Attribute, Form, ListForm, Subject};

fn attribute(name: &str) -> &'static Attribute {
    let attributes = Subject::User.attributes().iter().chain(Subject::Organization.attributes());
    attributes.into_iter().find(|it| it.name == name).unwrap()
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

#[track_caller]
fn check(name: &str, list: Option<ListForm>, cell: Cell, expected: &str) {
    let said = match cell.into_value(attribute(name), list) {
        Err(problem) => format!("! {problem}"),
        Ok(Value::None) => "none".to_owned(),
        Ok(Value::Name(name)) => format!("`{name}`"),
        Ok(Value::Flag(flag)) => flag.to_string(),
        Ok(Value::Moment(seconds)) => seconds.to_string(),
        Ok(Value::Names(names)) => names.join("+"),
    };
    assert_eq!(said, expected);
}

#[test]
fn one_value() {
    check("id", None, text("ann"), "`ann`");
    check("id", None, Cell::Integer(7), "`7`");
    check("id", None, Cell::Null, "! is null");
    check("organization", None, Cell::Null, "none");
    check("status", None, Cell::Flag(true), "! holds a boolean, not a name");
    check("status", None, Cell::Other("bytea".into()), "! is `bytea`, not a name");
    check("deleted", None, Cell::Flag(true), "true");
    check("deleted", None, Cell::Integer(0), "false");
    check("deleted", None, Cell::Integer(2), "! holds a whole number, not yes or no");
    check("deleted", None, Cell::Null, "! is null");
    check("tokens_valid_after", None, Cell::Integer(3), "3");
    check("tokens_valid_after", None, Cell::Number(f64::INFINITY), "inf");
    check(
        "tokens_valid_after",
        None,
        Cell::Number(f64::NAN),
        "! holds a number, not a point in time",
    );
    check("tokens_valid_after", None, text("2026-01-01"), "! holds text, not a point in time");
    check("tokens_valid_after", None, Cell::Null, "none");
}

#[test]
fn lists() {
    use ListForm::{Comma, Json, Rows};
    let array = |names: &[Option<&str>]| {
        Cell::Array(names.iter().map(|it| it.map(str::to_owned)).collect())
    };
    check("roles", None, array(&[Some("B"), Some("A")]), "B+A");
    check("roles", None, array(&[Some("B"), None]), "! holds a null");
    check("roles", None, text("A"), "! holds text, not a list of names");
    check("roles", None, Cell::Null, "! is null");
    check("roles", None, Cell::Json(r#"["A", "B"]"#.into()), "A+B");
    check("roles", Some(Json), text(r#"{"A": true, "B": false, "C": "true", "D": 1}"#), "A");
    check("roles", Some(Json), text(r#"["A", 7]"#), "! holds `7`, which is not a name");
    check("roles", Some(Json), text("7"), "! is neither a list nor an object");
    check("roles", Some(Json), text("A"), "! is not JSON: expected value at line 1 column 1");
    check("roles", Some(Comma), text(" A , ,B,"), "A+B");
    check("roles", Some(Comma), text("nurse"), "nurse");
    check("roles", Some(Comma), text(" "), "");
    check("roles", Some(Comma), Cell::Null, "! is null");
    check("roles", Some(Rows), text("A"), "A");
    check("roles", Some(Rows), Cell::Integer(3), "3");
    check("roles", Some(Rows), Cell::Null, "");
    check("roles", Some(ListForm::Array), text("{A}"), "! holds text, not a list of names");
}

/// Returns a cell of each kind that a database can determine before there is a row.
fn cells() -> Vec<(Kind, Cell)> {
    vec![
        (Kind::Text, text("[]")),
        (Kind::Integer, Cell::Integer(1)),
        (Kind::Uuid, text("[]")),
        (Kind::Flag, Cell::Flag(true)),
        (Kind::Number, Cell::Number(1.5)),
        (Kind::Array, Cell::Array(Vec::new())),
        (Kind::Json, Cell::Json("[]".into())),
        (Kind::Other, Cell::Other("bytea".into())),
    ]
}

#[test]
fn the_check_at_the_start_says_what_rows_will_say() {
    use ListForm::{Array, Comma, Json, Rows};
    for name in ["id", "organization", "deleted", "tokens_valid_after", "roles"] {
        let lists: &[_] = if attribute(name).form == Form::Names {
            &[None, Some(Array), Some(Json), Some(Comma), Some(Rows)]
        } else {
            &[None]
        };
        for list in lists {
            for (kind, cell) in cells() {
                // The value of a UUID column is text, but not a list: only the check of the type can tell.
                if kind == Kind::Uuid && matches!(list, Some(Json | Comma)) {
                    continue;
                }
                let found = Type { kind, word: "it".to_owned() };
                let refused = misfit(attribute(name), *list, &found).is_some();
                let unread = cell.into_value(attribute(name), *list).is_err();
                assert_eq!(refused, unread, "{name} {list:?} {kind:?}");
            }
        }
    }
}
