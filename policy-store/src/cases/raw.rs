//! A test file as written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::Tenancy;
use crate::bundle::{File, Finding, Kind};
use crate::routes::yaml_fault;

/// A value with its place in the file.
pub(super) type Lined<T> = Spanned<T>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) facts: Option<RawFacts>,
    #[serde(default)]
    pub(super) tests: Vec<Lined<RawTest>>,
    #[serde(default)]
    pub(super) accepted_mutants: Vec<Lined<RawAccepted>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFacts {
    pub(super) tenancy: Option<Tenancy>,
    pub(super) organizations: BTreeMap<String, Lined<RawOrganization>>,
    pub(super) users: BTreeMap<String, Lined<RawUser>>,
    pub(super) objects: BTreeMap<String, BTreeMap<String, Lined<RawObject>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOrganization {
    pub(super) slug: Option<String>,
    #[serde(default = "active")]
    pub(super) status: String,
    #[serde(default)]
    pub(super) deleted: bool,
    #[serde(default)]
    pub(super) features: Vec<String>,
    #[serde(default)]
    pub(super) workflows: Vec<String>,
    pub(super) group: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUser {
    pub(super) organization: Option<String>,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    #[serde(default)]
    pub(super) features: Vec<String>,
    #[serde(default = "active")]
    pub(super) status: String,
}

fn active() -> String {
    "ACTIVE".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawObject {
    pub(super) owner: Option<String>,
    pub(super) workflow: Option<String>,
    pub(super) roles: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTest {
    pub(super) name: String,
    pub(super) request: Option<RawRequest>,
    #[serde(default)]
    pub(super) requests: BTreeMap<String, RawRequest>,
    pub(super) expect: BTreeMap<String, Lined<RawRow>>,
}

/// A request as one line, or as a map with more members.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RawRequest {
    Line(String),
    Full(RawFull),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFull {
    pub(super) send: String,
    pub(super) host: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) break_glass: Option<String>,
    pub(super) body: Option<serde_json::Value>,
    pub(super) content_type: Option<String>,
    pub(super) token_age: Option<u32>,
}

/// The expectations for a caller: one for all requests, or one for each.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RawRow {
    All(String),
    Each(BTreeMap<String, String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAccepted {
    pub(super) mutant: String,
    pub(super) reason: String,
}

pub(super) fn line(location: &Location) -> usize {
    usize::try_from(location.line()).unwrap_or(0)
}

/// Parses a test file.
pub(super) fn parse(file: &File) -> Result<RawFile, Box<Finding>> {
    serde_saphyr::from_str(&file.text).map_err(|error| {
        let ((line, column), problem) = yaml_fault(&error);
        let remedy = "see docs/how-to/security-team.md, \"Test it\", for what may stand here";
        Box::new(file.finding(line, column, &problem, remedy).of_kind(Kind::Yaml))
    })
}
