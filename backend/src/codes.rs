//! The codes tool: search, extraction, crosswalks and favourites.

use axum::{
    extract::{self, Path, Request},
    http::header,
    response::Response,
};
use serde_json::Value;

use crate::{
    body::{self, Fields},
    caller::{Caller, Tenant},
    db::{Arg, Conditions, Row, text_of},
    paging::Wanted,
    problem::Outcome,
    resource::{Resource, created, listed},
    server::State,
};

pub(crate) const FAVORITES: Resource = Resource {
    table: "code_favorites",
    writable: &["system", "code", "display", "note"],
    filters: &["system"],
    order: "system, code",
    dated: false,
    kept: false,
};

/// The terms of one system that contain every word of the query, in their code or in their text.
pub(crate) async fn search(
    extract::State(state): extract::State<State>,
    Path(system): Path<String>,
    wanted: Wanted,
) -> Outcome<Response> {
    let query = wanted.get("q").unwrap_or_default().to_lowercase();
    let mut conditions = Conditions::default();
    conditions.equals("system", &system);
    for word in query.split_whitespace().take(8) {
        let at = conditions.arg(Arg::text(format!("%{}%", literally(word))));
        conditions.holds(format!(
            "(lower(code) like {at} escape '!' or lower(display) like {at} escape '!')"
        ));
    }
    let limit = conditions.arg(wanted.limit()?);
    let (conditions, args) = conditions.finish();
    let sql = format!(
        "select system, code, display from medical_codes where {conditions} \
         order by code limit {limit}"
    );
    Ok(listed(state.db.rows(sql, args).await?))
}

/// A word with the wildcards of `like` escaped.
fn literally(word: &str) -> String {
    word.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

/// Suggests terms for a text: those that share words with it, the best matches first. The text is the body, or `text`
/// in a JSON body.
pub(crate) async fn extract(
    extract::State(state): extract::State<State>,
    request: Request,
) -> Outcome<Response> {
    let is_text = request.headers().get(header::CONTENT_TYPE);
    let is_text = is_text.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let bytes = body::raw(request, &state).await?;
    let text = if is_text {
        String::from_utf8_lossy(&bytes).into_owned()
    } else {
        Fields::parse(&bytes)?.text("text")?.unwrap_or_default()
    };
    let words = words_of(&text);
    let rows = state.db.rows("select system, code, display from medical_codes", Vec::new()).await?;
    let mut found: Vec<(usize, Row)> =
        rows.into_iter().map(|row| rated(row, &words)).filter(|(score, _)| *score > 0).collect();
    found.sort_by_key(|(score, row)| (usize::MAX - score, text_of(row, "code")));
    Ok(listed(found.into_iter().take(50).map(|(_, row)| row).collect()))
}

/// A term with the number of its words that are in the text, and those words.
fn rated(mut row: Row, words: &[String]) -> (usize, Row) {
    let shared: Vec<String> =
        words_of(&text_of(&row, "display")).into_iter().filter(|w| words.contains(w)).collect();
    let score = shared.len();
    row.insert(
        "rationale".to_owned(),
        Value::from(format!("the text says: {}", shared.join(", "))),
    );
    row.insert("score".to_owned(), Value::from(score));
    (score, row)
}

/// The significant words of a text, each once: those of four letters and more that are not filler.
fn words_of(text: &str) -> Vec<String> {
    const FILLER: [&str; 12] = [
        "with",
        "without",
        "unspecified",
        "other",
        "type",
        "from",
        "that",
        "this",
        "have",
        "been",
        "disorder",
        "disease",
    ];
    let lower = text.to_lowercase();
    let mut words: Vec<String> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.len() >= 4 && !FILLER.contains(word))
        .map(str::to_owned)
        .collect();
    words.sort();
    words.dedup();
    words
}

/// The codes of other systems for a code. Without a code: all known ones.
pub(crate) async fn crosswalk(
    extract::State(state): extract::State<State>,
    wanted: Wanted,
) -> Outcome<Response> {
    let mut conditions = Conditions::default();
    for (name, column) in [("system", "x.system"), ("code", "x.code"), ("target", "x.to_system")] {
        if let Some(value) = wanted.get(name) {
            conditions.equals(column, value);
        }
    }
    let limit = conditions.arg(wanted.limit()?);
    let (conditions, args) = conditions.finish();
    // Each entry is read in both directions.
    let sql = format!(
        "select x.system, x.code, x.to_system, x.to_code, m.display as to_display, x.relation from \
         (select from_system as system, from_code as code, to_system, to_code, relation \
          from code_crosswalks union all \
          select to_system, to_code, from_system, from_code, case relation \
          when 'broader' then 'narrower' when 'narrower' then 'broader' else relation end \
          from code_crosswalks) x \
         join medical_codes m on m.system = x.to_system and m.code = x.to_code \
         where {conditions} order by x.system, x.code, x.to_system, x.to_code limit {limit}"
    );
    Ok(listed(state.db.rows(sql, args).await?))
}

/// The caller's favourites in this tenant.
pub(crate) async fn favorites(
    extract::State(state): extract::State<State>,
    caller: Caller,
    tenant: Tenant,
    wanted: Wanted,
) -> Outcome<Response> {
    let own = [("user_id", caller.user.as_str())];
    Ok(listed(FAVORITES.list_where(&state.db, &tenant.0, &wanted, &own).await?))
}

/// Adds a favourite. Its text is filled in if the code is known and no text was sent.
pub(crate) async fn add_favorite(
    extract::State(state): extract::State<State>,
    caller: Caller,
    tenant: Tenant,
    mut fields: Fields,
) -> Outcome<Response> {
    let system = fields.required_text("system")?;
    let code = fields.required_text("code")?;
    if fields.get("display").is_none() {
        let sql = "select display from medical_codes where system = $1 and code = $2";
        if let Some(row) = state.db.row(sql, vec![Arg::text(system), Arg::text(code)]).await? {
            fields.set("display", text_of(&row, "display"));
        }
    }
    let fixed = [("user_id", Arg::text(caller.user))];
    Ok(created(FAVORITES.create(&state.db, &tenant.0, &fields, &fixed).await?))
}

/// Deletes a favourite.
pub(crate) async fn remove_favorite(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Outcome<Response> {
    FAVORITES.delete(&state.db, &tenant.0, &id).await
}
