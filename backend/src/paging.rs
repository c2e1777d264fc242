//! The queries of lists: filters, and pages.

use std::collections::HashMap;

use axum::{extract::FromRequestParts, extract::Query, http::request::Parts};

use time::OffsetDateTime;

use crate::{
    db::{Arg, parse_moment},
    problem::{Outcome, Problem},
};

/// The names and values of a query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted(HashMap<String, String>);

impl Wanted {
    /// A value, if it is present and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The maximum number of rows: `limit`, from 1 to 500, by default 100.
    pub(crate) fn limit(&self) -> Outcome<Arg> {
        Ok(Arg::Int(Some(self.number("limit", 100)?.clamp(1, 500))))
    }

    /// The number of rows to skip: `offset`, by default 0.
    pub(crate) fn offset(&self) -> Outcome<Arg> {
        Ok(Arg::Int(Some(self.number("offset", 0)?.max(0))))
    }

    /// A value as a whole number; `default` if it is missing.
    pub(crate) fn number(&self, name: &str, default: i64) -> Outcome<i64> {
        let Some(text) = self.get(name) else { return Ok(default) };
        text.parse().map_err(|_| Problem::bad_request(format!("`{name}` is not a whole number")))
    }

    /// A value as a time, if it is present.
    pub(crate) fn moment(&self, name: &str) -> Outcome<Option<OffsetDateTime>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let at = parse_moment(text).ok_or_else(|| {
            Problem::bad_request(format!("`{name}` is not a time such as 2026-01-31T12:00:00Z"))
        })?;
        Ok(Some(at))
    }

    /// A value as a boolean: `true` or `false`, by default `false`.
    pub(crate) fn flag(&self, name: &str) -> Outcome<bool> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::bad_request(format!("`{name}` is `true` or `false`"))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Outcome<Self> {
        // A name may occur twice; the last value counts.
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::bad_request("the query cannot be read"))?;
        Ok(Self(pairs.into_iter().collect()))
    }
}
