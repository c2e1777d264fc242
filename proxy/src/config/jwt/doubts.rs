//! Checks of the issuer entries as a whole: errors and doubts.

use std::collections::HashSet;

use super::{Issuer, JwksSource, Jwt};

/// Registered claims that do not identify a person.
const NO_PERSON: [&str; 6] = ["iss", "aud", "exp", "nbf", "iat", "jti"];
/// Claims that cannot replace `aud`.
const NO_AUDIENCE: [&str; 7] = ["iss", "aud", "sub", "exp", "nbf", "iat", "jti"];
/// Claims that a person, or the administrator of another tenant, can often set to any text.
const MUTABLE: [&str; 6] =
    ["email", "preferred_username", "upn", "unique_name", "name", "nickname"];

impl Jwt {
    /// The first value that contradicts another one, as its key and a message with a remedy.
    pub(in crate::config) fn misfit(&self) -> Option<(String, String)> {
        let mut names = HashSet::new();
        for (index, issuer) in self.issuers.iter().enumerate() {
            let at = |(key, what): (&str, String)| (format!("jwt.issuers[{index}].{key}"), what);
            if let Some(misfit) = issuer.misfit() {
                return Some(at(misfit));
            }
            for name in issuer.names() {
                if names.contains(&name) {
                    let what = format!("`{name}` has an entry already; merge the two");
                    return Some(at(("issuer", what)));
                }
                names.insert(name);
            }
        }
        None
    }

    /// Warnings about this configuration, which is accepted all the same.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        let open: Vec<&Issuer> =
            self.issuers.iter().filter(|issuer| issuer.speaks_for.is_everybody()).collect();
        let mut doubts = Vec::new();
        if open.len() > 1 {
            for issuer in open {
                doubts.push(format!(
                    "`{}` is one of {} issuers and may speak for every user; restrict it with `speaks_for`",
                    issuer.issuer,
                    self.issuers.len()
                ));
            }
        }
        doubts.extend(self.issuers.iter().flat_map(Issuer::doubts));
        doubts
    }

    /// The first issuer whose `never_roles` contains a role unknown to the policies, and that role.
    pub fn unknown_role(&self, is_role: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
        Issuer::unknown_role(&self.issuers, is_role)
    }
}

impl Issuer {
    /// The first issuer, by name, whose `never_roles` contains a role unknown to the policies, and that
    /// role: a misspelt role restricts nothing.
    pub(crate) fn unknown_role<'a>(
        issuers: impl IntoIterator<Item = &'a Self>,
        is_role: impl Fn(&str) -> bool,
    ) -> Option<(&'a str, &'a str)> {
        issuers.into_iter().find_map(|issuer| {
            let role = issuer.speaks_for.never_roles.iter().find(|role| !is_role(role))?;
            Some((issuer.issuer.as_str(), role.as_str()))
        })
    }

    /// Every `iss` that the issuer's tokens may have; the template itself if any value is accepted.
    fn names(&self) -> Vec<String> {
        if self.issuer.claim().is_none() || self.dangerous_any_issuer_value {
            return vec![self.issuer.as_str().to_owned()];
        }
        self.issuer_values.iter().map(|value| self.issuer.filled(value)).collect()
    }

    fn misfit(&self) -> Option<(&'static str, String)> {
        let said = |key, what: &str| Some((key, what.to_owned()));
        match (self.issuer.claim(), self.issuer_values.first(), self.dangerous_any_issuer_value) {
            (None, Some(_), _) => {
                return said(
                    "issuer_values",
                    "needs `issuer` to be a template; name a claim there in braces",
                );
            }
            (None, None, true) => {
                return said(
                    "dangerous_any_issuer_value",
                    "needs `issuer` to be a template; remove it",
                );
            }
            (Some(_), Some(_), true) => {
                return said(
                    "dangerous_any_issuer_value",
                    "takes every value; remove it, or `issuer_values`",
                );
            }
            (Some(claim), None, false) => {
                let what = format!(
                    "is a template; list the accepted values of `{claim}` under `issuer_values`, or accept every tenant with `dangerous_any_issuer_value: true`"
                );
                return Some(("issuer", what));
            }
            _ => {}
        }
        let unfit = |value: &&String| self.issuer.value_in(&self.issuer.filled(value)).is_none();
        if let Some(value) = self.issuer_values.iter().find(unfit) {
            let what =
                format!("`{value}` cannot stand in `issuer`; use letters, digits and `-._~`");
            return Some(("issuer_values", what));
        }
        if NO_PERSON.contains(&&*self.subject_claim) {
            let what = format!(
                "`{}` names no person; write another claim, such as `oid`",
                self.subject_claim
            );
            return Some(("subject_claim", what));
        }
        let claim = self.audience_claim.as_deref().filter(|claim| NO_AUDIENCE.contains(claim))?;
        Some((
            "audience_claim",
            format!(
                "`{claim}` cannot take the place of `aud`; write another claim, such as `client_id`"
            ),
        ))
    }

    fn doubts(&self) -> Vec<String> {
        let name = &self.issuer;
        let mut doubts = Vec::new();
        if self.dangerous_any_issuer_value {
            doubts.push(format!(
                "every tenant of `{name}` may sign in (`dangerous_any_issuer_value`)"
            ));
        }
        if MUTABLE.contains(&&*self.subject_claim) {
            doubts.push(format!(
                "`{name}` names its users by `{}`, which a person may be able to change to another's; name a claim that is given once",
                self.subject_claim
            ));
        }
        if let JwksSource::Url(url) = &self.jwks
            && is_plain(url)
        {
            doubts.push(format!("the keys of `{name}` are fetched without TLS from {url}"));
        }
        doubts
    }
}

/// Whether someone on the network path can change what is fetched from `url`.
fn is_plain(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return true };
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    let here = host == "localhost" || address.is_ok_and(|it| it.is_loopback());
    uri.scheme_str() != Some("https") && !here
}
