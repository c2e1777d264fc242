//! Checks that no single value can make: missing keys, and values that contradict each other.

use serde_json::Value;

use super::audit::SIX_YEARS;
use super::source::Source;
use super::{AuditDatabase, Config, ConfigError};
use crate::http::hygiene;

/// The required keys, each with an example value.
const REQUIRED: [(&str, &str, &str); 3] = [
    ("facts", "database", "sqlite://var/cedargate.db"),
    ("policies", "directory", "policies"),
    ("audit", "directory", "var/audit"),
];

/// Checks that every required key is present.
pub(super) fn complete(source: &Source) -> Result<(), ConfigError> {
    each_issuer_has_keys(source)?;
    for (section, name, example) in REQUIRED {
        let value = source.section(section);
        if value.is_none_or(|value| lacks(value, name)) {
            return Err(missing(source, section.to_owned(), name, example));
        }
    }
    Ok(())
}

fn each_issuer_has_keys(source: &Source) -> Result<(), ConfigError> {
    let example = "keys/jwks.json";
    let issuers = source.section("jwt").and_then(|jwt| jwt.get("issuers"));
    if issuers.is_none_or(Value::is_null) {
        return Err(missing(source, "jwt.issuers[0]".to_owned(), "jwks", example));
    }
    let issuers = issuers.and_then(Value::as_array).map_or([].as_slice(), Vec::as_slice);
    match issuers.iter().position(|issuer| lacks(issuer, "jwks")) {
        Some(index) => Err(missing(source, format!("jwt.issuers[{index}]"), "jwks", example)),
        None => Ok(()),
    }
}

/// Whether a section lacks a key. A value of another type lacks nothing: its own error is reported when it is read.
fn lacks(section: &Value, name: &str) -> bool {
    section.is_null()
        || section.as_object().is_some_and(|it| it.get(name).is_none_or(Value::is_null))
}

fn missing(
    source: &Source,
    parent: String,
    name: &'static str,
    example: &'static str,
) -> ConfigError {
    ConfigError::Missing { place: source.place(&parent), parent, name, example }
}

/// Checks the values that depend on each other.
pub(super) fn consistent(config: &Config, source: &Source) -> Result<(), ConfigError> {
    let (proxy, admin) = (config.listen.proxy, config.listen.admin);
    let overlap =
        proxy.ip() == admin.ip() || proxy.ip().is_unspecified() || admin.ip().is_unspecified();
    if overlap && proxy.port() == admin.port() && admin.port() != 0 {
        return Err(
            source.bad("listen.admin", "is where `listen.proxy` listens; take another port")
        );
    }
    if let Some((key, what)) = config.jwt.misfit() {
        return Err(source.bad(&key, &what));
    }
    audit_is_kept(config, source)?;
    header_names_fit(config, source)?;
    let misfit =
        config.facts.mapping.as_ref().and_then(|mapping| mapping.misfits().into_iter().next());
    misfit.map_or(Ok(()), |it| Err(source.bad(&format!("facts.mapping.{}", it.key), &it.what)))
}

/// Checks that no exception allows a reserved name, and that no field is stripped that every request needs.
fn header_names_fit(config: &Config, source: &Source) -> Result<(), ConfigError> {
    let hygiene = config.headers.hygiene(&config.tenancy);
    let allowed = config.headers.allow.iter().enumerate();
    let stripped = config.headers.strip.iter().enumerate();
    if let Some((index, name)) = { allowed }.find(|(_, name)| !hygiene.may_be_allowed(name)) {
        let what = format!(
            "some upstreams read `{name}` as a name that has a meaning for the gate, or that is stripped; remove it"
        );
        return Err(source.bad(&format!("headers.allow[{index}]"), &what));
    }
    if let Some((index, name)) = { stripped }.find(|(_, name)| !hygiene::may_be_stripped(name)) {
        let what = format!("the upstream cannot read a request without `{name}`; remove it");
        return Err(source.bad(&format!("headers.strip[{index}]"), &what));
    }
    Ok(())
}

/// Checks that records that only the journal holds are kept for as long as the law requires.
fn audit_is_kept(config: &Config, source: &Source) -> Result<(), ConfigError> {
    let kept = config.audit.keep.is_none_or(|keep| keep >= SIX_YEARS);
    if kept || config.audit.database != AuditDatabase::Off {
        return Ok(());
    }
    let what = "takes records away that are nowhere else; deliver them to `audit.database`, or keep them for six years (2192d)";
    Err(source.bad("audit.keep", what))
}
