//! The reasons of the gate's own refusals, each with its status, meaning and remedy.

use std::fmt::Write as _;

use policy_store::bundle::{Bundle, Layer};

macro_rules! reasons {
    ($($reason:ident, $status:literal, $word:literal, $means:literal, $remedy:literal;)*) => {
        /// A reason for which the gate itself refuses a request. Policies add reasons of their own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Reason {
            $(#[doc = concat!("`", $word, "`: ", $means, ".")] $reason,)*
        }

        impl Reason {
            /// Every reason, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$reason,)*];

            /// The word in answers and records, which never changes.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$reason => $word,)* }
            }

            /// The status of the answer.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$reason => $status,)* }
            }

            /// The meaning, in one line.
            #[must_use]
            pub const fn means(self) -> &'static str {
                match self { $(Self::$reason => $means,)* }
            }

            /// The remedy, in one line.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$reason => $remedy,)* }
            }
        }
    };
}

reasons! {
    RequestInvalid, 400, "request_invalid", "HTTP forbids the request, or it can be read in two ways", "Fix the client";
    PathInvalid, 400, "path_invalid", "the target has no canonical form that is safe", "Fix the client, and find out who sent the request";
    MethodNotAllowed, 405, "method_not_allowed", "the method is CONNECT or TRACE", "Use another method";
    HeadersTooLarge, 431, "headers_too_large", "the head is over `limits.header_bytes`, `limits.header_count` or `limits.target_bytes`", "Send less, or raise the limit";
    RateLimited, 429, "rate_limited", "the address sends more than `limits.requests_per_second`", "Slow down, or raise the limit";
    TokenMissing, 401, "token_missing", "the request has no bearer token", "Sign in";
    TokenMalformed, 401, "token_malformed", "the token cannot be read, or is over 16 KiB", "Sign in again";
    TokenAlgorithm, 401, "token_algorithm", "the token is signed by an algorithm that its issuer may not use", "Compare `jwt.issuers[].algorithms` with the issuer";
    TokenKeyUnknown, 401, "token_key_unknown", "no key of the issuer has the id that the token names", "Sign in again; if all tokens are refused, compare `jwt.issuers[].jwks` with the issuer";
    TokenSignature, 401, "token_signature", "the signature of the token is wrong", "Find out who made the token";
    TokenIssuer, 401, "token_issuer", "no entry of `jwt.issuers` is for the issuer of the token, or the issuer may not speak for this user", "Compare `jwt.issuers`, and `speaks_for` in it, with the issuer";
    TokenAudience, 401, "token_audience", "the token is meant for another application", "Compare `jwt.issuers[].audiences` with the issuer";
    TokenExpired, 401, "token_expired", "the token has expired", "Sign in again; if new tokens are refused, compare the clocks";
    TokenNotYetValid, 401, "token_not_yet_valid", "the token is not valid yet", "Compare the clocks of issuer and gate";
    TokenRevoked, 401, "token_revoked", "the user has signed out, or changed the password", "Sign in again";
    UserUnknown, 401, "user_unknown", "the database has no user with the id in the token", "Create the user; if all users are unknown, compare `jwt.issuers[].subject_claim` with the database";
    OriginNotAllowed, 403, "origin_not_allowed", "a page of another site sent a token in a cookie", "List the page in `cors.origins`";
    RoleNotAllowed, 403, "role_not_allowed", "no policy permits the action to a role of the caller", "Change the role, or the policy that permits the action";
    JustificationInvalid, 400, "justification_invalid", "`X-Break-Glass` has fewer than 10 or more than 500 characters, or control characters", "Write a sentence";
    BodyTooLarge, 413, "body_too_large", "the body is over `limits.json_body` or `limits.json_members`", "Send less, or raise the limit";
    BodyUnsupported, 415, "body_unsupported", "the body is not JSON, has a content coding, or has a charset other than UTF-8", "Send `application/json` in UTF-8";
    BodyInvalid, 400, "body_invalid", "the body is not one JSON object without duplicate members, or a member that the gate judges is wrong", "Fix the client";
    BodyUnexpected, 400, "body_unexpected", "the route takes no body", "Send none, or give the route `body: json` or `body: opaque`";
    CrossTenant, 403, "cross_tenant", "the request names a tenant in which the caller may not act", "Name the caller's own tenant, or none";
    TenantConflict, 400, "tenant_conflict", "the request names two tenants", "Name one";
    TenantRequired, 403, "tenant_required", "the caller belongs to no tenant and names none", "Send `X-Tenant` with the slug of the tenant";
    NotFound, 404, "not_found", "the object does not exist, or not for this caller; the answer does not say which", "Read the record, which says which";
    Internal, 500, "internal", "the gate has a fault", "Report it, with the line of the log that has the request's id";
    UpstreamUnreachable, 502, "upstream_unreachable", "the upstream is unreachable, or its answer can be read in two ways", "Look at the upstream";
    UpstreamTimeout, 504, "upstream_timeout", "the upstream does not answer within `upstream.read_timeout`", "Look at the upstream";
    FactsUnavailable, 503, "facts_unavailable", "the facts cannot be read in time, or a row of them is invalid", "Look at the database and the log";
    KeysUnavailable, 503, "keys_unavailable", "the keys of the issuer have not been fetched yet", "Look at `jwt.issuers[].jwks` and the log";
    AuditUnavailable, 503, "audit_unavailable", "the decision cannot be recorded", "Look at the disk, at `audit.quota` and at the log";
    PoliciesUnavailable, 503, "policies_unavailable", "a policy cannot be evaluated", "Correct the policy that the log names";
}

const HEAD: &str = "# What a denial means

<!-- Generated from `proxy/src/judge/refusal/reasons.rs` and the policies in `policies/`. A test compares this page with the code; `UPDATE_EXPECTED=1` writes it anew. -->

A denial is `application/problem+json` (RFC 9457). Its `reason` is one of the words below. The record with the denial's `request_id` says more: which policy
decided, which tenant, which object. `cedargate explain --record` explains it, and says what would change the decision.

```json
{\"type\": \"about:blank\", \"title\": \"Forbidden\", \"status\": 403, \"detail\": \"Feature \\\"codes\\\" is not enabled for this organization\",
 \"reason\": \"org_feature_disabled\", \"request_id\": \"0199...\"}
```

A browser's navigation that is denied with 401 or `outside_boundary` is redirected instead, if `redirect` is configured.

## Reasons of the gate

What happens when a part of the gate fails: [how it fails](failures.md).

| status | reason | what it means | what to do |
| --- | --- | --- | --- |
";

const POLICIES: &str = "
## Reasons of the default bundle

These come from the policies in `policies/`, in the order of the [layers](../concepts/layers.md). A bundle of your own names its own with `@reason`, `@status` and
`@message`. In a message `{feature}`, `{workflow}` and `{action}` are filled in.

| status | reason | layer | what the client reads | policies |
| --- | --- | --- | --- | --- |
";

/// The reference page about the reasons of denials: the gate's own, and those of `bundle`.
#[must_use]
pub fn page(bundle: &Bundle) -> String {
    let mut page = HEAD.to_owned();
    for reason in Reason::ALL {
        let (status, word) = (reason.status(), reason.word());
        // Writing to a string cannot fail.
        let _ok =
            writeln!(page, "| {status} | `{word}` | {} | {} |", reason.means(), reason.remedy());
    }
    page += POLICIES;
    for row in rows(bundle) {
        let Row { status, layer, reason, messages, ids } = row;
        let (messages, ids) = (messages.join("<br>"), ids.join(", "));
        let _ok =
            writeln!(page, "| {status} | `{reason}` | `{}` | {messages} | {ids} |", layer.name());
    }
    page
}

/// The policies that refuse with one reason and status in one layer.
struct Row<'a> {
    status: u16,
    layer: Layer,
    reason: &'a str,
    messages: Vec<&'a str>,
    ids: Vec<String>,
}

fn rows(bundle: &Bundle) -> Vec<Row<'_>> {
    let mut rules: Vec<_> = bundle.rules().filter(|rule| rule.forbids).collect();
    rules.sort_by_key(|rule| (rule.layer, rule.order));
    let mut rows: Vec<Row<'_>> = Vec::new();
    for rule in rules {
        let (status, layer, reason) = (rule.status, rule.layer, &*rule.reason);
        let like =
            |row: &&mut Row<'_>| (row.status, row.layer, row.reason) == (status, layer, reason);
        let id = format!("`{}`", rule.id);
        match rows.iter_mut().find(like) {
            Some(row) => {
                if !row.messages.contains(&&*rule.message) {
                    row.messages.push(&rule.message);
                }
                row.ids.push(id);
            }
            None => rows.push(Row {
                status,
                layer,
                reason,
                messages: vec![&rule.message],
                ids: vec![id],
            }),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Reason;

    #[test]
    fn each_reason_has_a_word_of_its_own() {
        let words: HashSet<&str> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        let plain = |word: &str| word.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
        assert!(words.iter().all(|word| plain(word)));
        assert!(Reason::ALL.iter().all(|reason| (400..600).contains(&reason.status())));
    }
}
