//! Columns and parameters of Postgres. The values are in its binary format.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgRow, PgTypeInfo, PgTypeKind, PgValueFormat, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Row as _, TypeInfo as _, ValueRef as _};

use super::{Cell, Columns, Kind, Problem, Type};
use crate::sql::key::{self, Key};

/// The seconds from 1970 to 2000, the epoch of Postgres.
const EPOCH: f64 = 946_684_800.0;

impl Type {
    /// Returns the gate's view of a type of Postgres.
    pub(in crate::sql) fn of_postgres(info: &PgTypeInfo) -> Self {
        Self { kind: kind(info), word: info.name().to_lowercase() }
    }
}

fn kind(info: &PgTypeInfo) -> Kind {
    match (info.kind(), info.name()) {
        (PgTypeKind::Domain(base), _) => kind(base),
        (PgTypeKind::Array(element), _) if kind(element) == Kind::Text => Kind::Array,
        (PgTypeKind::Enum(_), _) | (_, "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "citext") => {
            Kind::Text
        }
        (_, "INT2" | "INT4" | "INT8") => Kind::Integer,
        (_, "UUID") => Kind::Uuid,
        (_, "BOOL") => Kind::Flag,
        (_, "FLOAT4" | "FLOAT8") => Kind::Number,
        (_, "TIMESTAMPTZ") => Kind::Moment,
        (_, "JSON" | "JSONB") => Kind::Json,
        _ => Kind::Other,
    }
}

impl Columns for PgRow {
    fn cell(&self, column: &str) -> Result<Option<Cell>, Problem> {
        if self.try_column(column).is_err() {
            return Ok(None);
        }
        let value = self.try_get_raw(column).map_err(|error| error.to_string())?;
        read(value).map(Some).map_err(|error| error.to_string())
    }
}

fn read(value: PgValueRef<'_>) -> Result<Cell, BoxDynError> {
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let info = value.type_info().into_owned();
    let word = info.name();
    if value.format() != PgValueFormat::Binary {
        return Ok(Cell::Other(word.to_lowercase()));
    }
    Ok(match kind(&info) {
        // The padding of a fixed width is not part of the text.
        Kind::Text if word == "CHAR" => {
            Cell::Text(value.as_str()?.trim_end_matches(' ').to_owned())
        }
        Kind::Text => Cell::Text(value.as_str()?.to_owned()),
        Kind::Integer => Cell::Integer(integer(value.as_bytes()?)?),
        Kind::Uuid => Cell::Text(key::written(value.as_bytes()?.try_into()?)),
        Kind::Flag => Cell::Flag(<bool as Decode<Postgres>>::decode(value)?),
        Kind::Number if word == "FLOAT4" => {
            Cell::Number(<f32 as Decode<Postgres>>::decode(value)?.into())
        }
        Kind::Number => Cell::Number(<f64 as Decode<Postgres>>::decode(value)?),
        Kind::Moment => Cell::Number(moment(i64::from_be_bytes(value.as_bytes()?.try_into()?))),
        Kind::Array => Cell::Array(<Vec<Option<String>> as Decode<Postgres>>::decode(value)?),
        Kind::Json => {
            let text = value.as_str()?;
            // The binary format of `jsonb` begins with its version.
            Cell::Json(text.strip_prefix('\u{1}').unwrap_or(text).to_owned())
        }
        Kind::Unsaid | Kind::Other => Cell::Other(word.to_lowercase()),
    })
}

fn integer(bytes: &[u8]) -> Result<i64, BoxDynError> {
    Ok(match bytes.len() {
        2 => i16::from_be_bytes(bytes.try_into()?).into(),
        4 => i32::from_be_bytes(bytes.try_into()?).into(),
        _ => i64::from_be_bytes(bytes.try_into()?),
    })
}

/// Returns seconds since 1970. `infinity` is later than all tokens, so it invalidates all of them.
fn moment(microseconds: i64) -> f64 {
    match microseconds {
        i64::MAX => f64::INFINITY,
        i64::MIN => f64::NEG_INFINITY,
        #[expect(clippy::cast_precision_loss, reason = "microseconds of this age are exact")]
        other => EPOCH + other as f64 / 1e6,
    }
}

/// A key as the parameter of a statement, in the type of that parameter.
#[derive(Debug)]
pub(in crate::sql) struct PgBound {
    bytes: Vec<u8>,
    info: PgTypeInfo,
}

impl PgBound {
    /// Returns `None` if the type cannot hold the key: then there is no such row.
    pub(in crate::sql) fn new(key: Key<'_>, info: PgTypeInfo) -> Option<Self> {
        let bytes = match (key, kind(&info)) {
            (Key::Integer(_, number), Kind::Integer) => match info.name() {
                "INT2" => i16::try_from(number).ok()?.to_be_bytes().to_vec(),
                "INT4" => i32::try_from(number).ok()?.to_be_bytes().to_vec(),
                _ => number.to_be_bytes().to_vec(),
            },
            (Key::Uuid(_, bytes), Kind::Uuid) => bytes.to_vec(),
            (key, _) => key.text().as_bytes().to_vec(),
        };
        Some(Self { bytes, info })
    }
}

impl sqlx::Type<Postgres> for PgBound {
    fn type_info() -> PgTypeInfo {
        <str as sqlx::Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for PgBound {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.info.clone())
    }
}
