//! Resources that are no more than their table, and the statements that all resources share.
//!
//! INVARIANT: each statement here names the tenant, so none reads or changes another tenant's row.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    body::Fields,
    clock::now,
    db::{Arg, Conditions, Db, Kind, Row},
    paging::Wanted,
    problem::{Outcome, Problem},
};

/// A table whose rows belong to tenants, and what clients may do with it.
#[derive(Debug)]
pub(crate) struct Resource {
    /// The table.
    pub(crate) table: &'static str,
    /// The columns that a body may set.
    pub(crate) writable: &'static [&'static str],
    /// The columns that a query may filter by.
    pub(crate) filters: &'static [&'static str],
    /// The order of a list.
    pub(crate) order: &'static str,
    /// Whether rows have `updated_at`.
    pub(crate) dated: bool,
    /// Whether deleting a row only sets its `deleted_at`, which hides the row.
    pub(crate) kept: bool,
}

impl Resource {
    fn unseen(&self) -> &'static str {
        if self.kept { " and deleted_at is null" } else { "" }
    }

    /// The rows that a query selects.
    pub(crate) async fn list(&self, db: &Db, tenant: &str, wanted: &Wanted) -> Outcome<Vec<Row>> {
        self.list_where(db, tenant, wanted, &[]).await
    }

    /// The rows that a query selects, of those whose columns equal `fixed`.
    pub(crate) async fn list_where(
        &self,
        db: &Db,
        tenant: &str,
        wanted: &Wanted,
        fixed: &[(&str, &str)],
    ) -> Outcome<Vec<Row>> {
        let mut conditions = Conditions::default();
        conditions.equals("organization_id", tenant);
        let asked = self.filters.iter().filter_map(|f| Some((*f, wanted.get(f)?)));
        for (column, value) in asked.chain(fixed.iter().copied()) {
            conditions.equals(column, value);
        }
        let limit = conditions.arg(wanted.limit()?);
        let offset = conditions.arg(wanted.offset()?);
        let (conditions, args) = conditions.finish();
        let sql = format!(
            "select * from {} where {conditions}{} order by {} limit {limit} offset {offset}",
            self.table,
            self.unseen(),
            self.order,
        );
        Ok(db.rows(sql, args).await?)
    }

    /// The row with this id.
    pub(crate) async fn read(&self, db: &Db, tenant: &str, id: &str) -> Outcome<Row> {
        let sql = format!(
            "select * from {} where organization_id = $1 and id = $2{}",
            self.table,
            self.unseen(),
        );
        let row = db.row(sql, vec![Arg::text(tenant), Arg::text(id)]).await?;
        row.ok_or_else(Problem::not_found)
    }

    /// Creates a row from a body; clients cannot set the `fixed` columns.
    pub(crate) async fn create(
        &self,
        db: &Db,
        tenant: &str,
        fields: &Fields,
        fixed: &[(&str, Arg)],
    ) -> Outcome<Row> {
        let mut sets = vec![("id", Arg::text(new_id())), ("organization_id", Arg::text(tenant))];
        sets.extend(fixed.iter().cloned());
        sets.extend(
            self.sent(fields)?.into_iter().filter(|(name, _)| fixed.iter().all(|(f, _)| f != name)),
        );
        let (sql, args) = insert(self.table, sets);
        let row = db.row(format!("{sql} returning *"), args).await?;
        row.ok_or_else(Problem::not_found)
    }

    /// Changes the columns of a row that a body names.
    pub(crate) async fn update(
        &self,
        db: &Db,
        tenant: &str,
        id: &str,
        fields: &Fields,
    ) -> Outcome<Row> {
        self.update_with(db, tenant, id, self.sent(fields)?).await
    }

    /// Changes columns of a row.
    pub(crate) async fn update_with(
        &self,
        db: &Db,
        tenant: &str,
        id: &str,
        mut sets: Vec<(&str, Arg)>,
    ) -> Outcome<Row> {
        if self.dated {
            sets.push(("updated_at", Arg::time(now())));
        }
        if sets.is_empty() {
            return self.read(db, tenant, id).await;
        }
        let mut args = vec![Arg::text(tenant), Arg::text(id)];
        let changes = assignments(sets, &mut args);
        let sql = format!(
            "update {} set {changes} where organization_id = $1 and id = $2{} returning *",
            self.table,
            self.unseen(),
        );
        db.row(sql, args).await?.ok_or_else(Problem::not_found)
    }

    /// Deletes a row.
    pub(crate) async fn delete(&self, db: &Db, tenant: &str, id: &str) -> Outcome<Response> {
        let mut args = vec![Arg::text(tenant), Arg::text(id)];
        let verb = if self.kept {
            args.push(Arg::time(now()));
            format!("update {} set deleted_at = $3", self.table)
        } else {
            format!("delete from {}", self.table)
        };
        let sql = format!("{verb} where organization_id = $1 and id = $2{}", self.unseen());
        match db.execute(sql, args).await.map_err(Problem::of_deletion)? {
            0 => Err(Problem::not_found()),
            _ => Ok(StatusCode::NO_CONTENT.into_response()),
        }
    }

    /// The writable columns that a body names.
    pub(crate) fn sent(&self, fields: &Fields) -> Outcome<Vec<(&'static str, Arg)>> {
        let named = self.writable.iter().filter(|column| fields.has(column));
        named.map(|column| Ok((*column, fields.arg(column)?))).collect()
    }
}

/// A new id. Ids sort by time.
pub(crate) fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// An `insert` of the given columns.
pub(crate) fn insert(table: &str, sets: Vec<(&str, Arg)>) -> (String, Vec<Arg>) {
    let mut args: Vec<Arg> = Vec::new();
    let tenant_at = 1 + sets.iter().position(|(name, _)| *name == "organization_id").unwrap_or(0);
    let pairs = with_companions(sets, &mut args, tenant_at);
    let (names, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let (names, values) = (names.join(", "), values.join(", "));
    (format!("insert into {table} ({names}) values ({values})"), args)
}

/// The `set` list of an update; its arguments follow the existing ones, the first of which is the tenant.
pub(crate) fn assignments(sets: Vec<(&str, Arg)>, args: &mut Vec<Arg>) -> String {
    let pairs = with_companions(sets, args, 1);
    pairs.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
}

/// Pairs each column with the expression for its value. A service code is referred to together with its owner, which
/// is looked up on the way, so that no client has to know the owner.
fn with_companions<'n>(
    sets: Vec<(&'n str, Arg)>,
    args: &mut Vec<Arg>,
    tenant_at: usize,
) -> Vec<(&'n str, String)> {
    let mut pairs = Vec::new();
    for (name, arg) in sets {
        args.push(arg);
        let at = args.len();
        pairs.push((name, format!("${at}")));
        if name == "service_code_id" {
            let owner = format!(
                "(select owner from service_codes where id = ${at} and owner in ('*', ${tenant_at}))"
            );
            pairs.push(("service_code_owner", owner));
        }
    }
    pairs
}

/// The response that lists rows.
pub(crate) fn listed(rows: Vec<Row>) -> Response {
    let items = rows.into_iter().map(Value::Object).collect::<Value>();
    Json(json!({ "items": items })).into_response()
}

/// The response that shows one row.
pub(crate) fn shown(row: Row) -> Response {
    Json(Value::Object(row)).into_response()
}

/// The response that shows a row that was just created.
pub(crate) fn created(row: Row) -> Response {
    (StatusCode::CREATED, Json(Value::Object(row))).into_response()
}

/// The columns of a JSON object as arguments, for rows from this crate's source.
pub(crate) fn columns(object: &Map<String, Value>) -> Option<Vec<(&str, Arg)>> {
    object
        .iter()
        .map(|(name, value)| Some((name.as_str(), Arg::from_json(Kind::of(name), value)?)))
        .collect()
}
