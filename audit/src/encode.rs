//! How ids and times are spelled in a record.

/// An id in its usual form.
pub(super) mod hyphenated {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use uuid::Uuid;

    pub(in super::super) fn serialize<S: Serializer>(id: &Uuid, out: S) -> Result<S::Ok, S::Error> {
        let mut buffer = Uuid::encode_buffer();
        out.serialize_str(id.hyphenated().encode_lower(&mut buffer))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Uuid, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A time as RFC 3339 in UTC, always with six digits after the point.
pub(super) mod micros {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _, ser::Error as _};
    use time::format_description::well_known::Rfc3339;
    use time::{OffsetDateTime, UtcOffset};

    /// The size of the buffer, with room for a year of six digits and a sign.
    const ROOM: usize = 32;

    pub(in super::super) fn serialize<S: Serializer>(
        at: &OffsetDateTime,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        const FORMAT: &[time::format_description::BorrowedFormatItem<'_>] = time::macros::format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z"
        );
        let mut buffer = [0_u8; ROOM];
        let length = at
            .to_offset(UtcOffset::UTC)
            .format_into(&mut buffer.as_mut_slice(), FORMAT)
            .map_err(S::Error::custom)?;
        let text = buffer.get(..length).map(str::from_utf8);
        match text {
            Some(Ok(text)) => out.serialize_str(text),
            _ => Err(S::Error::custom("a time has no spelling")),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<OffsetDateTime, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        OffsetDateTime::parse(&text, &Rfc3339).map_err(D::Error::custom)
    }
}
