//! The `iss` of an issuer's tokens: a fixed text, or a template for the many tenants of one provider.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};

use crate::config::values;

/// A fixed text, compared byte for byte; or a template with the name of a claim in braces, such as
/// `https://login.microsoftonline.com/{tid}/v2.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerName {
    text: String,
    /// The byte offsets of the opening brace and of the text after the closing brace.
    hole: Option<(usize, usize)>,
}

impl IssuerName {
    /// Parses a name or a template.
    ///
    /// # Errors
    ///
    /// Fails if the braces do not enclose the name of exactly one claim.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FAULT: &str = "has braces; write the name of one claim in them, such as `{tid}`";
        let hole = match (text.find('{'), text.find('}')) {
            (None, None) => None,
            (Some(start), Some(end)) if start + 1 < end => Some((start, end + 1)),
            _ => return Err(FAULT),
        };
        let braces = text.matches(['{', '}']).count();
        if hole.is_some() && braces != 2 {
            return Err(FAULT);
        }
        Ok(Self { text: text.to_owned(), hole })
    }

    /// A fixed text, not a template.
    pub(super) fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), hole: None }
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The claim that a template names; `None` for a fixed text.
    #[must_use]
    pub fn claim(&self) -> Option<&str> {
        let (start, end) = self.hole?;
        self.text.get(start + 1..end - 1)
    }

    /// The text with `value` in place of the claim.
    #[must_use]
    pub fn filled(&self, value: &str) -> String {
        let Some((before, after)) = self.around() else { return self.text.clone() };
        format!("{before}{value}{after}")
    }

    /// The value in `iss` at the place of the claim; the empty text for an equal fixed text.
    /// `None`: `iss` does not match. A value consists of letters, digits and `-._~` only, so that
    /// it cannot extend over another part of the path or to another host.
    #[must_use]
    pub fn value_in<'a>(&self, iss: &'a str) -> Option<&'a str> {
        let Some((before, after)) = self.around() else {
            return (iss == self.text).then_some("");
        };
        let value = iss.strip_prefix(before)?.strip_suffix(after)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        (!value.is_empty() && value.bytes().all(plain)).then_some(value)
    }

    fn around(&self) -> Option<(&str, &str)> {
        let (start, end) = self.hole?;
        Some((self.text.get(..start)?, self.text.get(end..)?))
    }
}

impl fmt::Display for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for IssuerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&values::name(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::IssuerName;

    const ENTRA: &str = "https://login.microsoftonline.com/{tid}/v2.0";

    #[test]
    fn a_template_has_one_claim() {
        assert_eq!(IssuerName::parse(ENTRA).unwrap().claim(), Some("tid"));
        assert_eq!(IssuerName::parse("https://a.example").unwrap().claim(), None);
        for bad in ["{", "}", "{}", "}a{", "a{b}{c}", "a{b}}", "{{b}", "{b"] {
            assert!(IssuerName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_is_one_part_of_the_name() {
        let name = IssuerName::parse(ENTRA).unwrap();
        let of = |value: &str| name.filled(value);
        assert_eq!(name.value_in(&of("72f988bf-86f1")), Some("72f988bf-86f1"));
        for bad in ["", "a/b", "a?b", "a#b", "a%2fb", "a@b", "a:b", "a b", "é", "a\\b"] {
            assert_eq!(name.value_in(&of(bad)), None, "{bad}");
        }
        for bad in [
            "https://login.microsoftonline.com/",
            "https://login.microsoftonline.com/a/v2.0/",
            "https://login.microsoftonline.com/a/v1.0",
            "http://login.microsoftonline.com/a/v2.0",
            "https://login.microsoftonline.com//v2.0",
            "https://login.microsoftonline.com/v2.0",
        ] {
            assert_eq!(name.value_in(bad), None, "{bad}");
        }
        let plain = IssuerName::parse("https://a.example").unwrap();
        assert_eq!(plain.value_in("https://a.example"), Some(""));
        assert_eq!(plain.value_in("https://a.example/"), None);
    }
}
