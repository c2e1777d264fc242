//! The demo: the organisations and people of two tables, and something of everything for each.
//!
//! Seeding can be repeated. What is there is left as it is, whatever became of it meanwhile.

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

/// Somebody of the demo, for showing how to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoUser {
    /// The id, which is the `sub` of their tokens.
    pub id: &'static str,
    /// The e-mail address to sign in with.
    pub email: String,
    /// The id of their organisation, if they have one.
    pub organization: Option<&'static str>,
    /// Their roles.
    pub roles: Vec<&'static str>,
    /// Whether their account is active.
    pub active: bool,
}

/// Everybody in the demo, in the order of the table.
#[must_use]
pub fn users() -> Vec<DemoUser> {
    people::users()
}

/// Puts the demo data into a database that has the schema, and gives `password` to those demo
/// users who have none.
///
/// # Errors
///
/// Fails if the database cannot be reached or the schema is not there.
pub async fn seed(database: &str, password: &str) -> Result<(), BackendError> {
    let db = Db::open(database).await?;
    // One hash for all, since it is one password that is no secret: a demo should start at once.
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

/// A row and the table it belongs to.
type Seed = (&'static str, Value);

/// All rows, each after those that it refers to.
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
