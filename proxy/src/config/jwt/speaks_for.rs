//! The users about whom the tokens of an issuer may speak.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Value};

use crate::config::schema::forms;
use crate::config::values;

/// The users about whom the tokens of an issuer may speak. A key that is absent restricts nothing; those that are
/// there must all hold.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpeaksFor {
    /// The ids of users; `*` stands for any text. One pattern must fit.
    #[serde(default, deserialize_with = "patterns")]
    #[schemars(schema_with = "forms::names")]
    pub users: Vec<Pattern>,
    /// Claims of the token, each with the values of which it must have one.
    #[serde(default, deserialize_with = "claims")]
    #[schemars(schema_with = "forms::claims")]
    pub claims: BTreeMap<String, Vec<Value>>,
    /// The organizations to which the user may belong; an empty text stands for none.
    #[serde(default, deserialize_with = "organizations")]
    #[schemars(schema_with = "forms::organizations")]
    pub organizations: Vec<String>,
    /// The roles that the user must not hold.
    #[serde(default, deserialize_with = "values::names")]
    #[schemars(schema_with = "forms::names")]
    pub never_roles: Vec<String>,
}

/// The restriction that a token or its user breaks, as the key of the configuration below `speaks_for`.
pub type Broken = String;

impl SpeaksFor {
    /// Whether the section restricts nothing.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the restrictions on the token itself: its user id and its claims.
    ///
    /// # Errors
    ///
    /// Returns the first restriction that does not hold.
    pub fn holds_for_token(&self, user: &str, claims: &Map<String, Value>) -> Result<(), Broken> {
        if !self.users.is_empty() && !self.users.iter().any(|pattern| pattern.fits(user)) {
            return Err("users".to_owned());
        }
        for (name, values) in &self.claims {
            let one_of = |value: &Value| values.contains(value);
            let holds = match claims.get(name) {
                Some(Value::Array(several)) => several.iter().any(one_of),
                Some(value) => one_of(value),
                None => false,
            };
            if !holds {
                return Err(format!("claims.{name}"));
            }
        }
        Ok(())
    }

    /// Checks the restrictions on the user: the organisation and the roles.
    ///
    /// # Errors
    ///
    /// Returns the first restriction that does not hold.
    pub fn holds_for_user<R: AsRef<str>>(
        &self,
        organization: Option<&str>,
        roles: &[R],
    ) -> Result<(), Broken> {
        let own = organization.unwrap_or_default();
        if !self.organizations.is_empty() && !self.organizations.iter().any(|it| it == own) {
            return Err("organizations".to_owned());
        }
        let held = |never: &String| roles.iter().any(|role| role.as_ref() == never);
        if self.never_roles.iter().any(held) {
            return Err("never_roles".to_owned());
        }
        Ok(())
    }
}

/// A text in which `*` stands for any text, including the empty one.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Whether the whole of `text` matches, byte for byte.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut text) = text.strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*') {
            // The first match is as good as any later one: it leaves the most text for the parts that follow.
            let Some(at) = text.find(part) else { return false };
            text = text.get(at + part.len()..).unwrap_or_default();
        }
        text.ends_with(last)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Reads a `speaks_for` section. An empty one is an error because it would look like a restriction.
pub(super) fn restriction<'de, D: Deserializer<'de>>(d: D) -> Result<SpeaksFor, D::Error> {
    let section = SpeaksFor::deserialize(d)?;
    if section.is_everybody() {
        let what = "is empty; name `users`, `claims`, `organizations` or `never_roles`";
        return Err(D::Error::custom(what));
    }
    Ok(section)
}

fn patterns<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Pattern>, D::Error> {
    Ok(values::names(d)?.into_iter().map(Pattern).collect())
}

fn organizations<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(d)?;
    if names.is_empty() { Err(D::Error::custom("is empty; name at least one")) } else { Ok(names) }
}

fn claims<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, Vec<Value>>, D::Error> {
    let claims = BTreeMap::<String, Vec<Value>>::deserialize(d)?;
    if claims.is_empty() {
        return Err(D::Error::custom("is empty; name at least one"));
    }
    let plain = |value: &Value| value.is_string() || value.is_boolean() || value.is_number();
    for (name, values) in &claims {
        if values.is_empty() || !values.iter().all(plain) {
            let what = format!("`{name}` needs a list of texts, numbers or booleans");
            return Err(D::Error::custom(what));
        }
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Pattern, SpeaksFor};

    #[test]
    fn a_pattern_is_the_whole_text() {
        for (pattern, fits, differs) in [
            ("a", &["a"][..], &["", "aa", "A"][..]),
            ("*", &["", "a"], &[]),
            ("beta-*", &["beta-", "beta-doctor"], &["alpha-beta-x", "Beta-a", "beta"]),
            ("*@beta.example", &["a@beta.example"], &["a@beta.example.evil", "a@xbeta_example"]),
            ("a*b*c", &["abc", "aXbXc", "abbcc"], &["ab", "acb", "xabc", "abcx"]),
            ("ab*ba", &["abba", "abXba"], &["aba", "ab", "ba"]),
            ("a**b", &["ab", "aXb"], &["a", "b"]),
            ("*a*", &["a", "xay"], &["", "b"]),
        ] {
            let pattern = Pattern(pattern.to_owned());
            for text in fits {
                assert!(pattern.fits(text), "{pattern:?} {text}");
            }
            for text in differs {
                assert!(!pattern.fits(text), "{pattern:?} {text}");
            }
        }
    }

    #[test]
    fn each_restriction_has_to_hold() {
        let speaks_for: SpeaksFor = serde_json::from_value(json!({
            "users": ["beta-*", "partner"],
            "claims": {"hd": ["beta.example"], "email_verified": [true], "level": [2]},
            "organizations": ["org-beta"],
            "never_roles": ["ADMIN"],
        }))
        .unwrap();
        let claims = |changes: serde_json::Value| {
            let mut claims = json!({"hd": "beta.example", "email_verified": true, "level": 2});
            for (name, value) in changes.as_object().unwrap() {
                claims[name] = value.clone();
            }
            claims.as_object().unwrap().clone()
        };
        for (user, changes, expected) in [
            ("beta-doctor", json!({}), Ok(())),
            ("partner", json!({"hd": ["other.example", "beta.example"]}), Ok(())),
            ("alpha-doctor", json!({}), Err("users")),
            ("beta-doctor", json!({"hd": "Beta.example"}), Err("claims.hd")),
            ("beta-doctor", json!({"hd": []}), Err("claims.hd")),
            ("beta-doctor", json!({"hd": {"beta.example": 1}}), Err("claims.hd")),
            ("beta-doctor", json!({"hd": [["beta.example"]]}), Err("claims.hd")),
            ("beta-doctor", json!({"email_verified": "true"}), Err("claims.email_verified")),
            ("beta-doctor", json!({"email_verified": null}), Err("claims.email_verified")),
            ("beta-doctor", json!({"level": "2"}), Err("claims.level")),
        ] {
            let found = speaks_for.holds_for_token(user, &claims(changes));
            assert_eq!(found, expected.map_err(str::to_owned), "{user}");
        }
        for (organization, roles, expected) in [
            (Some("org-beta"), &["DOCTOR"][..], Ok(())),
            (Some("org-alpha"), &["DOCTOR"], Err("organizations")),
            (None, &["DOCTOR"], Err("organizations")),
            (Some("org-beta"), &["DOCTOR", "ADMIN"], Err("never_roles")),
        ] {
            let found = speaks_for.holds_for_user(organization, roles);
            assert_eq!(found, expected.map_err(str::to_owned), "{organization:?} {roles:?}");
        }
    }

    #[test]
    fn those_of_no_organization_are_named_by_the_empty_text() {
        let named = |names: &[&str]| SpeaksFor {
            organizations: names.iter().map(|it| (*it).to_owned()).collect(),
            ..SpeaksFor::default()
        };
        assert!(named(&["", "a"]).holds_for_user::<&str>(None, &[]).is_ok());
        assert!(named(&["a"]).holds_for_user::<&str>(None, &[]).is_err());
        assert!(named(&[""]).holds_for_user::<&str>(Some("a"), &[]).is_err());
    }
}
