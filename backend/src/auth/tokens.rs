//! Tokens: signed access tokens that live for minutes, and refresh tokens that are used once.
//!
//! All refresh tokens that follow from one sign-in are a family. If a used one comes back, it was stolen, by the
//! client that used it first or by the client that brings it now; its whole family ends.

use std::path::{Path, PathBuf};

use aws_lc_rs::{digest::SHA256, rand};
use axum::body::Bytes;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::Value;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    clock::now,
    db::{Arg, Row, Tx, text_of},
    error::BackendError,
    problem::{Outcome, Problem},
    resource::new_id,
};

/// The lifetime of an access token.
pub(super) const ACCESS_LIFE: Duration = Duration::minutes(15);
/// The maximum time that a refresh token may wait to be used.
const REFRESH_LIFE: Duration = Duration::days(30);
/// How long a revoked token is remembered beyond its lifetime, for clocks that are behind.
const REMEMBERED: Duration = Duration::minutes(10);

/// Signs access tokens.
pub(crate) struct TokenMaker {
    key: EncodingKey,
    key_id: String,
    issuer: String,
    audience: String,
}

/// The tokens of a sign-in.
#[derive(Debug)]
pub(crate) struct Pair {
    /// The access token.
    pub(crate) access: String,
    /// The refresh token, of which only a hash is kept.
    pub(crate) refresh: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
    jti: &'a str,
}

impl std::fmt::Debug for TokenMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenMaker").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Reads the key set that is served and the `kid` of its first key.
pub(crate) async fn read_key_set(path: &Path) -> Result<(Bytes, String), BackendError> {
    let bytes = read(path).await?;
    let set: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let key_id = set.pointer("/keys/0/kid").and_then(Value::as_str).map(str::to_owned);
    Ok((bytes.into(), key_id.ok_or_else(|| BackendError::KeySet(path.to_owned()))?))
}

async fn read(path: &Path) -> Result<Vec<u8>, BackendError> {
    let unreadable = |source| BackendError::Unreadable { path: PathBuf::from(path), source };
    tokio::fs::read(path).await.map_err(unreadable)
}

/// A random secret.
pub(crate) fn secret() -> Outcome<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|fault| Problem::internal(&fault))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// The hash that is stored of a secret. A secret is random and long, so a plain hash does not give it away.
pub(crate) fn digest(secret: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&SHA256, secret.as_bytes()))
}

impl TokenMaker {
    /// Reads the private key.
    pub(crate) async fn read(
        path: &Path,
        key_id: String,
        issuer: String,
        audience: String,
    ) -> Result<Self, BackendError> {
        let key = EncodingKey::from_ed_pem(&read(path).await?)?;
        Ok(Self { key, key_id, issuer, audience })
    }

    /// Makes the tokens of a sign-in, or of its continuation in `family`.
    pub(crate) async fn issue(&self, tx: &mut Tx, user: &Row, family: &str) -> Outcome<Pair> {
        let (id, jti) = (text_of(user, "id"), new_id());
        let at = issue_time(user);
        let refresh = secret()?;
        let sql = "insert into refresh_tokens \
                   (token_hash, family, user_id, jti, expires_at, created_at) \
                   values ($1, $2, $3, $4, $5, $6)";
        let args = vec![
            Arg::text(digest(&refresh)),
            Arg::text(family),
            Arg::text(&id),
            Arg::text(&jti),
            Arg::time(at + REFRESH_LIFE),
            Arg::time(at),
        ];
        tx.execute(sql, args).await?;
        Ok(Pair { access: self.sign(&id, &jti, at)?, refresh })
    }

    fn sign(&self, user: &str, jti: &str, at: OffsetDateTime) -> Outcome<String> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.key_id.clone());
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: user,
            iat: at.unix_timestamp(),
            exp: (at + ACCESS_LIFE).unix_timestamp(),
            jti,
        };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|fault| Problem::internal(&fault))
    }
}

/// The time at which tokens are issued: now, but never before the time from which the user's tokens count. That time
/// is a whole second, up to one ahead (see [`next_second`]), because `iat` is a whole second, too.
fn issue_time(user: &Row) -> OffsetDateTime {
    let now = now();
    valid_after(user).map_or(now, |from| now.max(from))
}

/// The time from which a user's tokens count, if one is set.
pub(super) fn valid_after(user: &Row) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(&text_of(user, "tokens_valid_after"), &Rfc3339).ok()
}

/// The first whole second that is not before now: the value for `tokens_valid_after` that makes each token older that
/// was issued until now, in this very second as well.
pub(crate) fn next_second() -> OffsetDateTime {
    let now = now();
    let floor = now - Duration::nanoseconds(i64::from(now.nanosecond()));
    if floor == now { now } else { floor + Duration::SECOND }
}

/// Ends one family: none of its refresh tokens and access tokens works any more.
pub(super) async fn end_family(tx: &mut Tx, family: &str) -> Outcome<()> {
    let now = now();
    let sql = "update refresh_tokens set revoked_at = $2 where family = $1 and revoked_at is null";
    tx.execute(sql, vec![Arg::text(family), Arg::time(now)]).await?;
    let sql = "insert into revoked_tokens (jti, user_id, expires_at) \
               select jti, user_id, $2 from refresh_tokens where family = $1 and created_at > $3 \
               on conflict (jti) do nothing";
    let args = vec![
        Arg::text(family),
        Arg::time(now + ACCESS_LIFE + REMEMBERED),
        Arg::time(now - ACCESS_LIFE - REMEMBERED),
    ];
    tx.execute(sql, args).await?;
    Ok(())
}

/// Ends all families of a user.
pub(crate) async fn end_families_of(tx: &mut Tx, user: &str) -> Outcome<()> {
    let sql = "update refresh_tokens set revoked_at = $2 where user_id = $1 and revoked_at is null";
    tx.execute(sql, vec![Arg::text(user), Arg::time(now())]).await?;
    Ok(())
}

/// Deletes tokens that are long past their lifetime.
pub(super) async fn forget_expired(tx: &mut Tx) -> Outcome<()> {
    let now = now();
    tx.execute("delete from revoked_tokens where expires_at < $1", vec![Arg::time(now)]).await?;
    Ok(())
}
