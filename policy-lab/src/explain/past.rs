//! Explains a past request from its record: what was decided then, and what would be decided now.

use std::sync::Arc;

use audit::entry::ENDPOINT_BYTES;
use audit::{Phase, Record};
use policy_store::archive::Archive;
use policy_store::bundle::{Bundle, Loader};
use policy_store::facts::OrganizationKey;
use policy_store::routes::{Body, Route};
use policy_store::source::{FactSource as _, FactsError};
use proxy::judge::workbench::{Ask, WorkbenchError};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;

use super::Explainer;
use super::report::Report;

/// A past decision, and the decision that the same request would get now.
#[derive(Debug, Serialize)]
pub struct Past {
    /// The recorded decision.
    pub recorded: Recorded,
    /// The report on the same request, judged now.
    pub now: Report,
    /// The parts of the request that were not recorded and may make a difference.
    pub notes: Vec<String>,
}

/// The recorded decision on a request.
#[derive(Debug, Serialize)]
pub struct Recorded {
    /// The id of the request.
    pub id: String,
    /// When the request was decided.
    pub timestamp: String,
    /// The id of the caller.
    pub user: Option<String>,
    /// The effective roles at that time.
    pub roles: Vec<String>,
    /// The tenant in which the request acted.
    pub tenant: Option<String>,
    /// The method.
    pub method: String,
    /// The path.
    pub endpoint: String,
    /// The action.
    pub action: String,
    /// `allow`, `deny` or `error`.
    pub decision: &'static str,
    /// The reason.
    pub reason: String,
    /// The status that the client received; `null` if it is unknown, or not known yet.
    pub status: Option<u16>,
    /// Whether the request succeeded.
    pub success: Option<bool>,
    /// The age of the oldest fact, in milliseconds.
    pub facts_age_ms: Option<u64>,
    /// The justification of the request.
    pub break_glass: Option<String>,
    /// The policies that decided.
    pub policies: Vec<PolicyThen>,
    /// The digest of the bundle that decided.
    pub policy_digest: Option<String>,
    /// Whether that bundle is the one that judges now.
    pub same_policies: bool,
    /// The phases that were recorded.
    pub phases: Vec<&'static str>,
}

/// A policy at the time of the decision.
#[derive(Debug, Serialize)]
pub struct PolicyThen {
    /// The `@id` of the policy.
    pub policy: String,
    /// The file and line of the policy, if the bundle is still known.
    pub place: Option<String>,
}

/// Why a record cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The facts cannot be loaded.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// The request cannot be judged.
    #[error(transparent)]
    Workbench(#[from] WorkbenchError),
    /// No record has the id of the request.
    #[error("no record has this id")]
    None,
}

/// Returns the bundle with this digest, if it was kept and can still decide requests.
pub fn archived(archive: &Archive, digest: &str) -> Option<Bundle> {
    let kept = archive.bundle(digest).inspect_err(|error| tracing::warn!(%error, "not used"));
    Loader::default().unproven(kept.ok()??).ok()
}

impl Explainer {
    /// Explains the records of one request. `then` is the bundle that decided, if it is known and not the one
    /// in force; `body` is the body of the request, which no record contains.
    ///
    /// # Errors
    ///
    /// Fails if there are no records, or if the same request cannot be judged again.
    pub async fn past(
        &self,
        records: &[Record],
        then: Option<&Bundle>,
        body: Option<String>,
    ) -> Result<Past, PastError> {
        let decided = records.iter().find(|record| record.phase != Phase::Outcome);
        let decided = decided.or(records.first()).ok_or(PastError::None)?;
        let published = self.bundle();
        let bundle = &published.bundle;
        let same = decided.policy_digest.as_ref() == Some(bundle.digest());
        let recorded = recorded(records, decided, if same { Some(bundle) } else { then }, same);
        let route = route(bundle, decided);
        let notes = notes(decided, route.as_deref(), body.is_some());
        let ask = Ask { body, ..self.again(decided, route.as_deref()).await? };
        Ok(Past { recorded, now: self.request(&ask).await?, notes })
    }

    /// Returns the same request, as far as it was recorded.
    async fn again(&self, record: &Record, route: Option<&Route>) -> Result<Ask, FactsError> {
        let named = record.tenant_id.as_ref().filter(|tenant| {
            record.organization_id.as_ref() != Some(*tenant)
                && !route.is_some_and(|route| route.scope.looks_up())
        });
        let tenant = match named {
            None => None,
            Some(id) => {
                let key = OrganizationKey::Id(Arc::clone(id));
                self.notebook.organization(&key).await?.map(|it| it.slug.to_string())
            }
        };
        Ok(Ask {
            user: record.user_id.clone(),
            method: record.method.as_deref().unwrap_or("GET").to_owned(),
            target: record.endpoint.as_deref().unwrap_or("/").to_owned(),
            tenant,
            break_glass: record.break_glass.as_ref().map(ToString::to_string),
            ..Ask::default()
        })
    }
}

fn route(bundle: &Bundle, record: &Record) -> Option<Arc<Route>> {
    let found = bundle.routes().find(record.method.as_deref()?, record.endpoint.as_deref()?);
    Some(found?.route)
}

fn recorded(records: &[Record], decided: &Record, then: Option<&Bundle>, same: bool) -> Recorded {
    let text = |it: &Option<Arc<str>>| it.as_ref().map(ToString::to_string);
    let ended = records.iter().rev().find(|record| record.phase != Phase::Intent);
    let place = |id: &Arc<str>| {
        let rule = then?.rules().find(|rule| rule.id == *id)?;
        Some(format!("{}:{}", rule.file, rule.line))
    };
    let policy = |id: &Arc<str>| PolicyThen { policy: id.to_string(), place: place(id) };
    Recorded {
        id: decided.id.to_string(),
        timestamp: decided.timestamp.format(&Rfc3339).unwrap_or_default(),
        user: text(&decided.user_id),
        roles: decided.roles.iter().map(ToString::to_string).collect(),
        tenant: text(&decided.tenant_id),
        method: decided.method.as_deref().unwrap_or_default().to_owned(),
        endpoint: text(&decided.endpoint).unwrap_or_default(),
        action: text(&decided.action).unwrap_or_default(),
        decision: decided.decision.as_str(),
        reason: decided.reason.to_string(),
        status: ended.and_then(|record| record.status),
        success: ended.and_then(|record| record.success),
        facts_age_ms: decided.facts_age_ms,
        break_glass: text(&decided.break_glass),
        policies: decided.policies.iter().map(policy).collect(),
        policy_digest: text(&decided.policy_digest),
        same_policies: same,
        phases: records.iter().map(|record| phase(record.phase)).collect(),
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Intent => "intent",
        Phase::Outcome => "outcome",
        Phase::Denial => "denial",
    }
}

/// Returns notes on what a record does not contain, where that can matter.
fn notes(record: &Record, route: Option<&Route>, body: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if !body && route.is_some_and(|route| route.body == Body::Json) {
        let note = "the body was not recorded: it is judged now as if there were none; \
                    give what was sent with --body";
        notes.push(note.to_owned());
    }
    if record.details.contains_key(ENDPOINT_BYTES) {
        let note = "the path was cut when it was recorded: it is judged now as it was cut";
        notes.push(note.to_owned());
    }
    if matches!(&*record.reason, "cross_tenant" | "tenant_conflict") {
        let note =
            "the tenants that it named were not recorded: it is judged now as if it named none";
        notes.push(note.to_owned());
    }
    if record.user_id.is_none() && record.status.is_some_and(|status| status == 401) {
        notes.push("nobody was known to have asked: it is judged now without a token".to_owned());
    }
    notes
}
