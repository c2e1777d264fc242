//! Checks whether a mapping fits its database and the Cedar schema of a bundle. The database prepares each
//! statement, but runs none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Column as _, Either, Executor as _, SqlSafeStr as _, Statement as _};

use super::Pool;
use super::cell::{self, Kind, Type};
use super::mapping::{Form, KeyForm, ListForm, Subject};
use super::query::{Query, Slot};
use super::source::SqlFacts;
use crate::bundle::{Attribute, Bundle, nearest};
use crate::source::{FactFault, FactFaults, FactSource as _, Unfit};

const CORRECT: &str = "correct the statement; `cedargate check --facts` tries again";
const MIGRATE: &str =
    "`cedargate migrate` makes the tables; for tables of your own, write `facts.mapping`";

/// A statement as the database understands it.
struct Prepared {
    columns: Vec<(String, Type)>,
    /// The types of the parameters; SQLite knows only their number.
    parameters: Vec<Option<Type>>,
}

/// Why a statement was not prepared.
enum Unprepared {
    Down(String),
    /// The database's message, and its hint.
    Refused(String, Option<String>),
}

/// Checks all statements of a mapping.
pub(super) async fn check(facts: &SqlFacts, bundle: &Bundle) -> Result<Vec<String>, Unfit> {
    let mut report = Report {
        called: if facts.written { "facts.mapping" } else { "default mapping" },
        faults: Vec::new(),
        notes: Vec::new(),
    };
    for query in &facts.queries {
        match prepare(&facts.pool, query).await {
            Ok(prepared) => report.compare(query, &prepared, bundle),
            Err(Unprepared::Down(error)) => return Err(Unfit::Unavailable(error)),
            Err(Unprepared::Refused(message, hint)) => {
                let usual = if facts.written { CORRECT } else { MIGRATE };
                report.fault(&query.subject, message, hint.as_deref().unwrap_or(usual));
            }
        }
    }
    report.lookups(facts, bundle);
    report.names(facts, bundle);
    report.types(facts, bundle);
    if report.faults.is_empty() {
        Ok(report.notes)
    } else {
        Err(Unfit::Faults(FactFaults(report.faults)))
    }
}

async fn prepare(pool: &Pool, query: &Query) -> Result<Prepared, Unprepared> {
    let sql = AssertSqlSafe(Arc::clone(&query.sql)).into_sql_str();
    match pool {
        Pool::Sqlite(pool) => {
            let mut connection = pool.acquire().await.map_err(down)?;
            let prepared = connection.prepare(sql).await.map_err(refused)?;
            let parameters = match prepared.parameters() {
                Some(Either::Right(count)) => vec![None; count],
                _ => Vec::new(),
            };
            let column = |it: &sqlx::sqlite::SqliteColumn| {
                (it.name().to_owned(), Type::of_sqlite(it.type_info()))
            };
            Ok(Prepared { columns: prepared.columns().iter().map(column).collect(), parameters })
        }
        Pool::Postgres(pool) => {
            let mut connection = pool.acquire().await.map_err(down)?;
            let prepared = connection.prepare(sql).await.map_err(refused)?;
            let parameters = match prepared.parameters() {
                Some(Either::Left(types)) => {
                    types.iter().map(|it| Some(Type::of_postgres(it))).collect()
                }
                _ => Vec::new(),
            };
            let column = |it: &sqlx::postgres::PgColumn| {
                (it.name().to_owned(), Type::of_postgres(it.type_info()))
            };
            Ok(Prepared { columns: prepared.columns().iter().map(column).collect(), parameters })
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn down(error: sqlx::Error) -> Unprepared {
    Unprepared::Down(error.to_string())
}

/// Returns the database's error about a statement, unless the error is about the database itself.
fn refused(error: sqlx::Error) -> Unprepared {
    let Some(said) = error.as_database_error() else { return down(error) };
    let code = said.code().unwrap_or_default().into_owned();
    // Postgres: connections, resources, an operator, the system, locks. SQLite: busy, locked, unreadable.
    let itself = ["08", "53", "55", "57", "58", "XX", "25", "40"];
    let sqlite = ["5", "6", "10", "11", "13", "14", "26"];
    if code.len() == 5 && itself.iter().any(|it| code.starts_with(it)) || sqlite.contains(&&*code) {
        return down(error);
    }
    let hint = said.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().and_then(|it| it.hint());
    Unprepared::Refused(said.message().to_owned(), hint.map(str::to_owned))
}

/// The results so far.
struct Report {
    called: &'static str,
    faults: Vec<FactFault>,
    notes: Vec<String>,
}

impl Report {
    fn fault(&mut self, subject: &Subject, message: String, remedy: impl Into<String>) {
        let place = format!("{}.{subject}", self.called);
        self.faults.push(FactFault { place, message, remedy: remedy.into() });
    }

    fn compare(&mut self, query: &Query, prepared: &Prepared, bundle: &Bundle) {
        self.parameters(query, &prepared.parameters);
        self.strangers(query, &prepared.columns);
        let declared = declared(&query.subject, bundle);
        for slot in &query.slots {
            let found = prepared.columns.iter().find(|(name, _)| *name == slot.column);
            match found {
                None => self.missing(query, slot, &declared),
                Some((_, found)) => {
                    if let Some((what, remedy)) = cell::misfit(slot.attribute, slot.list, found) {
                        let message = format!("column `{}`: {what}", slot.column);
                        self.fault(&query.subject, message, remedy);
                    }
                }
            }
        }
    }

    fn parameters(&mut self, query: &Query, parameters: &[Option<Type>]) {
        let subject = &query.subject;
        match (parameters, subject) {
            ([], Subject::Users) => {}
            (some, Subject::Users) => {
                let message =
                    format!("it takes {} parameters, and is asked for nothing", some.len());
                self.fault(subject, message, "let it list the ids of all users");
            }
            ([None], _) => {}
            ([Some(found)], _) => {
                let misfit = match (query.key, found.key_form()) {
                    (_, None) => {
                        Some(format!("`$1` is `{}`, which no key is bound to", found.word))
                    }
                    (Some(said), Some(taken)) if said != taken && taken != KeyForm::Text => {
                        Some(format!("`$1` is `{}`, and `key` says otherwise", found.word))
                    }
                    _ => None,
                };
                if let Some(message) = misfit {
                    self.fault(
                        subject,
                        message,
                        "let `$1` be text, an integer or a UUID, or correct `key`",
                    );
                }
            }
            (other, _) => {
                let message = format!("it takes {}, and is given one", count(other.len()));
                self.fault(subject, message, "let `$1`, and nothing else, stand for the key");
            }
        }
    }

    /// Reports columns that fill no attribute: such a column may be a typing error.
    fn strangers(&mut self, query: &Query, columns: &[(String, Type)]) {
        for (index, (name, _)) in columns.iter().enumerate() {
            if columns.iter().take(index).any(|(other, _)| other == name) {
                let message = format!("column `{name}` is there twice");
                self.fault(&query.subject, message, "name one of them otherwise, with `as`");
            } else if !query.slots.iter().any(|slot| slot.column == *name) {
                let message = format!("column `{name}` fills no attribute");
                let names = || query.slots.iter().map(|slot| slot.attribute.name);
                let remedy = nearest(name, names()).map_or_else(
                    || {
                        let names: Vec<String> = names().map(|it| format!("`{it}`")).collect();
                        format!(
                            "leave it out, or say what it is under `columns`: {}",
                            names.join(", ")
                        )
                    },
                    |near| format!("name it `{near}`, with `as` or under `columns`"),
                );
                self.fault(&query.subject, message, remedy);
            }
        }
    }

    /// Reports a missing column that the gate needs or the schema declares.
    fn missing(&mut self, query: &Query, slot: &Slot, declared: &BTreeMap<String, Attribute>) {
        let attribute = slot.attribute;
        let column = &slot.column;
        let message = match declared.get(attribute.name).filter(|_| attribute.cedar.is_some()) {
            _ if slot.named => format!("there is no column `{column}`, which `columns` names"),
            Some(it) => {
                let optional = if it.required { "" } else { "?" };
                let declared = format!("{}{optional}: {}", attribute.name, it.kind);
                format!("there is no column `{column}`, and the schema has `{declared}`")
            }
            None if attribute.needed => format!("there is no column `{column}`"),
            None => return self.note(query, attribute.name),
        };
        let none = match (attribute.form, slot.list) {
            (Form::Name | Form::Moment, _) if attribute.null => "null",
            (Form::Name | Form::Moment, _) => "'ACTIVE'",
            (Form::Flag, _) => "false",
            (Form::Names, Some(ListForm::Rows)) => "null",
            (Form::Names, Some(ListForm::Comma)) => "''",
            (Form::Names, Some(ListForm::Json)) => "'[]'",
            (Form::Names, Some(ListForm::Array) | None) => "'{}'::text[]",
        };
        let remedy = format!("select it; where it is the same for all, write `{none} as {column}`");
        self.fault(&query.subject, message, remedy);
    }

    /// Adds a note about a missing column that is optional, if its absence matters.
    fn note(&mut self, query: &Query, name: &str) {
        if ["tokens_valid_after", "revoked_tokens"].contains(&name) {
            let place = format!("{}.{}", self.called, query.subject);
            self.notes.push(format!("{place} gives no `{name}`: nothing revokes a token that way"));
        }
    }

    /// Reports types of objects that routes look up and that have no statement.
    fn lookups(&mut self, facts: &SqlFacts, bundle: &Bundle) {
        let routes = bundle.routes().routes().iter().filter(|it| it.scope.looks_up());
        let kinds: BTreeSet<&str> = routes.map(|it| &*it.resource).collect();
        for kind in kinds.into_iter().filter(|kind| !facts.knows(kind)) {
            let message = "there is no statement, and `routes.yaml` looks such objects up";
            let remedy = "write the SQL that selects the `owner` of the object with the id `$1`";
            self.fault(&Subject::Object(kind.to_owned()), message.to_owned(), remedy);
        }
    }

    /// Reports names that the mapping translates to and that the bundle does not know.
    fn names(&mut self, facts: &SqlFacts, bundle: &Bundle) {
        let vocabulary = bundle.vocabulary();
        let known: [(&str, &str, Vec<&str>); 2] = [
            ("role_names", "roles", vocabulary.roles().map(|it| &**it).collect()),
            ("feature_names", "features", vocabulary.features().map(|it| &**it).collect()),
        ];
        for (key, attribute, known) in known {
            for (theirs, ours) in facts.mapping.names_of(attribute).into_iter().flatten() {
                if !known.contains(&ours.as_str()) {
                    let near = nearest(ours, known.iter().copied());
                    let remedy = near.map_or_else(
                        || format!("the schema has {}", known.join(", ")),
                        |near| format!("did you mean `{near}`?"),
                    );
                    self.faults.push(FactFault {
                        place: format!("{}.{key}.{theirs}", self.called),
                        message: format!("`{ours}` is not in the schema"),
                        remedy,
                    });
                }
            }
        }
    }

    /// Reports attributes that the schema declares with another type than facts have, or that nothing fills.
    fn types(&mut self, facts: &SqlFacts, bundle: &Bundle) {
        for query in &facts.queries {
            if matches!(query.subject, Subject::Users | Subject::OrganizationBySlug) {
                continue;
            }
            let kind = entity(&query.subject);
            for (name, declared) in declared(&query.subject, bundle) {
                let attribute =
                    query.slots.iter().map(|it| it.attribute).find(|it| it.name == name);
                let given = match attribute {
                    // Other columns determine the owner of a user and of an organisation.
                    _ if name == "owner" => Some("Organization"),
                    attribute => attribute.and_then(|it| it.cedar),
                };
                let (message, remedy) = match given {
                    Some(given) if given == declared.kind => continue,
                    Some(given) => (
                        format!(
                            "the schema has `{kind}.{name}: {}`, and facts give `{given}`",
                            declared.kind
                        ),
                        format!("declare it as `{given}`"),
                    ),
                    None if !declared.required => continue,
                    None => (
                        format!(
                            "the schema has `{kind}.{name}: {}`, which no facts give",
                            declared.kind
                        ),
                        format!(
                            "leave `{name}` out of the schema, and out of the policies that read it: no mapping can give it"
                        ),
                    ),
                };
                self.fault(&query.subject, message, remedy);
            }
        }
    }
}

fn count(parameters: usize) -> String {
    if parameters == 1 { "a parameter".to_owned() } else { format!("{parameters} parameters") }
}

/// Returns the entity type that a statement fills.
fn entity(subject: &Subject) -> &str {
    match subject {
        Subject::User | Subject::Users => "User",
        Subject::Organization | Subject::OrganizationBySlug => "Organization",
        Subject::Object(kind) => kind,
    }
}

fn declared(subject: &Subject, bundle: &Bundle) -> BTreeMap<String, Attribute> {
    if *subject == Subject::Users { BTreeMap::new() } else { bundle.attributes(entity(subject)) }
}

impl Type {
    /// Returns the form of the keys that can be bound to a parameter of this type; `None` if none can.
    pub(super) fn key_form(&self) -> Option<KeyForm> {
        match self.kind {
            Kind::Integer => Some(KeyForm::Integer),
            Kind::Uuid => Some(KeyForm::Uuid),
            _ => ["text", "varchar", "char", "citext"]
                .contains(&&*self.word)
                .then_some(KeyForm::Text),
        }
    }
}
