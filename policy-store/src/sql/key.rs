//! Keys by which facts are looked up. They come from strangers.
//!
//! INVARIANT: one thing has one key. A text that is not in the canonical form of its kind is the key of
//! nothing, and the database is not asked: `007` must not be the user `7`.

use super::mapping::KeyForm;

/// A key in the canonical form of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key<'a> {
    Text(&'a str),
    Integer(&'a str, i64),
    Uuid(&'a str, [u8; 16]),
}

impl<'a> Key<'a> {
    /// Parses a key; `None` if the text is not in canonical form.
    pub(super) fn read(form: KeyForm, text: &'a str) -> Option<Self> {
        match form {
            // No text in Postgres contains a NUL, and a query for one would be an error.
            KeyForm::Text => (!text.contains('\0')).then_some(Self::Text(text)),
            KeyForm::Integer => {
                let number: i64 = text.parse().ok()?;
                (number.to_string() == text).then_some(Self::Integer(text, number))
            }
            KeyForm::Uuid => {
                let bytes = uuid(text)?;
                (written(bytes) == text).then_some(Self::Uuid(text, bytes))
            }
        }
    }

    /// Returns the key as the request wrote it.
    pub(super) fn text(self) -> &'a str {
        match self {
            Self::Text(text) | Self::Integer(text, _) | Self::Uuid(text, _) => text,
        }
    }
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.split('-').collect();
    if digits.len() != 32 || !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}

/// Returns a UUID in canonical form.
pub(super) fn written(bytes: [u8; 16]) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|it| digits.get(it).unwrap_or_default());
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::{Key, KeyForm};

    #[test]
    fn one_thing_has_one_key() {
        let integers = ["7", "-7", "0", "9223372036854775807", "-9223372036854775808"];
        assert!(integers.iter().all(|it| Key::read(KeyForm::Integer, it).is_some()));
        let others = [
            "007",
            "+7",
            " 7",
            "7 ",
            "-0",
            "7.0",
            "0x7",
            "",
            "٧",
            "7\0",
            "9223372036854775808",
            "1e3",
        ];
        for other in others {
            assert_eq!(Key::read(KeyForm::Integer, other), None, "{other:?}");
        }
        let uuid = "0199c3a0-7d1e-7abc-8def-0123456789ab";
        assert!(Key::read(KeyForm::Uuid, uuid).is_some_and(|key| key.text() == uuid));
        let others = [
            uuid.to_uppercase(),
            uuid.replace('-', ""),
            format!("{{{uuid}}}"),
            format!("{uuid} "),
            uuid.replacen("0-", "-0", 1),
            uuid.replace("ab", "+b"),
            String::new(),
        ];
        for other in others {
            assert_eq!(Key::read(KeyForm::Uuid, &other), None, "{other:?}");
        }
        assert!(Key::read(KeyForm::Text, "").is_some());
        assert!(Key::read(KeyForm::Text, " Ann ").is_some());
        assert_eq!(Key::read(KeyForm::Text, "a\0"), None);
    }
}
