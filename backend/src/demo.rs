//! The demo: the organisations and people of two tables, and an object of every type for each organisation.
//!
//! Seeding can be repeated: existing rows are left as they are.

mod objects;
mod people;

use serde_json::{Map, Value, json};

use crate::{
    auth,
    db::{Arg, Db, Tx},
    error::BackendError,
    resource::{columns, insert},
};

const ORGANIZATIONS: &str = include_str!("../../docs/contract/organizations.csv");
const USERS: &str = include_str!("../../docs/contract/users.csv");
const CODES: &str = include_str!("demo/codes.csv");
const CROSSWALKS: &str = include_str!("demo/crosswalks.csv");

/// A user of the demo, for showing how to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoUser {
    /// The id, which is the `sub` of the user's tokens.
    pub id: &'static str,
    /// The e-mail address to sign in with.
    pub email: String,
    /// The id of the user's organisation, if there is one.
    pub organization: Option<&'static str>,
    /// The roles of the user.
    pub roles: Vec<&'static str>,
    /// Whether the account is active.
    pub active: bool,
}

/// All users of the demo, in the order of the table.
#[must_use]
pub fn users() -> Vec<DemoUser> {
    people::users()
}

/// Adds the demo data to a database that has the schema, and gives `password` to the demo users that have none.
///
/// # Errors
///
/// Fails if the database cannot be reached or the schema is missing.
pub async fn seed(database: &str, password: &str) -> Result<(), BackendError> {
    let db = Db::open(database).await?;
    // One hash serves all users, because the one password is no secret: a demo should start at once.
    let hash = auth::hash(password).await.ok_or(BackendError::Password)?;
    let mut tx = db.begin().await?;
    for (table, row) in rows() {
        plant(&mut tx, table, &row).await?;
    }
    for user in users() {
        let sql = "update users set password_hash = $2 where id = $1 and password_hash is null";
        tx.execute(sql, vec![Arg::text(user.id), Arg::text(&hash)]).await?;
    }
    tx.commit().await?;
    db.close().await;
    Ok(())
}

/// A row, with its table.
type Seed = (&'static str, Value);

/// All rows, each after the rows that it refers to.
fn rows() -> Vec<Seed> {
    let organizations = people::organizations();
    let mut rows = vec![];
    rows.extend(people::group_rows(&organizations));
    rows.extend(organizations.iter().map(people::organization_row));
    rows.extend(users().iter().map(people::user_row));
    rows.extend(lines(CODES).filter_map(code_row));
    rows.extend(lines(CROSSWALKS).filter_map(crosswalk_row));
    rows.extend(objects::platform_service_codes());
    rows.extend(organizations.iter().flat_map(objects::of));
    rows
}

async fn plant(tx: &mut Tx, table: &str, row: &Value) -> Result<(), BackendError> {
    let unfit = || BackendError::Demo(format!("a row of `{table}`: {row}"));
    let object: &Map<String, Value> = row.as_object().ok_or_else(unfit)?;
    let (sql, args) = insert(table, columns(object).ok_or_else(unfit)?);
    tx.execute(format!("{sql} on conflict do nothing"), args).await?;
    Ok(())
}

/// The lines of a table below its heading.
fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().skip(1).filter(|line| !line.is_empty())
}

/// The cells of a line.
fn cells<const N: usize>(line: &'static str) -> Option<[&'static str; N]> {
    line.splitn(N, ',').collect::<Vec<_>>().try_into().ok()
}

fn code_row(line: &'static str) -> Option<Seed> {
    let [system, code, display] = cells(line)?;
    Some(("medical_codes", json!({ "system": system, "code": code, "display": display })))
}

fn crosswalk_row(line: &'static str) -> Option<Seed> {
    let [from_system, from_code, to_system, to_code, relation] = cells(line)?;
    let row = json!({
        "from_system": from_system, "from_code": from_code,
        "to_system": to_system, "to_code": to_code, "relation": relation,
    });
    Some(("code_crosswalks", row))
}

#[cfg(test)]
mod tests;
