//! The caller and the tenant of a request, from the headers that the gate sets. These headers are trusted.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::problem::{Outcome, Problem};

/// The user who makes the request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The id of the user, from `X-Auth-User-Id`.
    pub(crate) user: String,
}

/// The tenant in which the request acts, from `X-Auth-Tenant-Id`. Every statement about objects of a tenant takes it.
#[derive(Clone, Debug)]
pub(crate) struct Tenant(pub(crate) String);

/// The tenant, for routes that may have none.
#[derive(Clone, Debug)]
pub(crate) struct MaybeTenant(pub(crate) Option<String>);

/// The `jti` of the access token that the request came with, from `X-Auth-Token-Id`.
#[derive(Clone, Debug)]
pub(crate) struct TokenId(pub(crate) String);

fn header(parts: &Parts, name: &str) -> Option<String> {
    let value = parts.headers.get(name)?.to_str().ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}

fn required(parts: &Parts, name: &str) -> Outcome<String> {
    header(parts, name).ok_or_else(|| Problem::bad_request(format!("header `{name}` is missing")))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Outcome<Self> {
        Ok(Self { user: required(parts, "x-auth-user-id")? })
    }
}

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Outcome<Self> {
        Ok(Self(required(parts, "x-auth-tenant-id")?))
    }
}

impl<S: Sync> FromRequestParts<S> for MaybeTenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Outcome<Self> {
        Ok(Self(header(parts, "x-auth-tenant-id")))
    }
}

impl<S: Sync> FromRequestParts<S> for TokenId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Outcome<Self> {
        Ok(Self(required(parts, "x-auth-token-id")?))
    }
}
