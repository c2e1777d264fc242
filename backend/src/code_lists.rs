//! Lists of codes that an organisation shares.

use axum::{
    extract::{self, Path},
    response::Response,
};
use serde_json::Value;

use crate::{
    body::Fields,
    caller::{Caller, Tenant},
    clock::now,
    db::{Arg, Db, Row, Tx, text_of},
    paging::Wanted,
    problem::{Outcome, Problem},
    resource::{Resource, assignments, created, insert, listed, new_id, shown},
    server::State,
};

const LISTS: Resource = Resource {
    table: "code_lists",
    writable: &["name", "description"],
    filters: &["name"],
    order: "name",
    dated: true,
    kept: false,
};

/// The maximum number of codes in a list.
const MOST_ITEMS: usize = 1000;

/// All lists of the organisation, without their codes.
pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    wanted: Wanted,
) -> Outcome<Response> {
    Ok(listed(LISTS.list(&state.db, &tenant.0, &wanted).await?))
}

/// Creates a list of the codes in `items`.
pub(crate) async fn create(
    extract::State(state): extract::State<State>,
    caller: Caller,
    tenant: Tenant,
    fields: Fields,
) -> Outcome<Response> {
    let items = items(&fields)?.unwrap_or_default();
    let mut sets = LISTS.sent(&fields)?;
    sets.extend([
        ("id", Arg::text(new_id())),
        ("organization_id", Arg::text(&tenant.0)),
        ("created_by", Arg::text(caller.user)),
    ]);
    let (sql, args) = insert("code_lists", sets);
    let mut tx = state.db.begin().await?;
    let row = tx.row(format!("{sql} returning *"), args).await?.ok_or_else(Problem::not_found)?;
    fill(&mut tx, &tenant.0, &text_of(&row, "id"), &items).await?;
    tx.commit().await?;
    Ok(created(with_items(&state.db, &tenant.0, row).await?))
}

/// One list with its codes.
pub(crate) async fn read(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Outcome<Response> {
    let row = LISTS.read(&state.db, &tenant.0, &id).await?;
    Ok(shown(with_items(&state.db, &tenant.0, row).await?))
}

/// Changes a list. Its codes are replaced if `items` are sent.
pub(crate) async fn update(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    let items = items(&fields)?;
    let mut sets = LISTS.sent(&fields)?;
    sets.push(("updated_at", Arg::time(now())));
    let mut args = vec![Arg::text(&tenant.0), Arg::text(&id)];
    let changes = assignments(sets, &mut args);
    let sql = format!(
        "update code_lists set {changes} where organization_id = $1 and id = $2 returning *"
    );
    let mut tx = state.db.begin().await?;
    let row = tx.row(sql, args).await?.ok_or_else(Problem::not_found)?;
    if let Some(items) = items {
        let sql = "delete from code_list_items where organization_id = $1 and code_list_id = $2";
        tx.execute(sql, vec![Arg::text(&tenant.0), Arg::text(&id)]).await?;
        fill(&mut tx, &tenant.0, &id, &items).await?;
    }
    tx.commit().await?;
    Ok(shown(with_items(&state.db, &tenant.0, row).await?))
}

/// Deletes a list, and its codes with it.
pub(crate) async fn delete(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Outcome<Response> {
    LISTS.delete(&state.db, &tenant.0, &id).await
}

/// The codes in a body, if it has any.
fn items(fields: &Fields) -> Outcome<Option<Vec<Fields>>> {
    let Some(value) = fields.get("items") else { return Ok(None) };
    let unfit = || Problem::unprocessable("`items` is not an array of objects");
    let sent = value.as_array().ok_or_else(unfit)?;
    if sent.len() > MOST_ITEMS {
        return Err(Problem::unprocessable(format!("a list holds at most {MOST_ITEMS} codes")));
    }
    let objects = sent.iter().map(|item| item.as_object().cloned().map(Fields::from));
    objects.collect::<Option<Vec<_>>>().map(Some).ok_or_else(unfit)
}

async fn fill(tx: &mut Tx, tenant: &str, list: &str, items: &[Fields]) -> Outcome<()> {
    for (item, position) in items.iter().zip(1..) {
        let sets = vec![
            ("organization_id", Arg::text(tenant)),
            ("code_list_id", Arg::text(list)),
            ("position", Arg::Int(Some(position))),
            ("system", item.required_arg("system")?),
            ("code", item.required_arg("code")?),
            ("display", item.arg("display")?),
        ];
        let (sql, args) = insert("code_list_items", sets);
        tx.execute(sql, args).await?;
    }
    Ok(())
}

async fn with_items(db: &Db, tenant: &str, mut list: Row) -> Outcome<Row> {
    let sql = "select system, code, display from code_list_items \
               where organization_id = $1 and code_list_id = $2 order by position";
    let args = vec![Arg::text(tenant), Arg::text(text_of(&list, "id"))];
    let items = db.rows(sql, args).await?.into_iter().map(Value::Object).collect();
    list.insert("items".to_owned(), Value::Array(items));
    Ok(list)
}
