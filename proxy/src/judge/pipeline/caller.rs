//! Loads the facts of the caller: the token names the user, the database says whether and what the user is.

use std::sync::Arc;

use policy_store::bundle::SeenCaller;
use policy_store::cache::Terms;
use policy_store::facts::{Fact, OrganizationFacts, OrganizationKey, UserFacts};
use policy_store::source::FactsError;

use super::{Pipeline, TRIES};
use crate::judge::identify::VerifiedToken;
use crate::judge::refusal::Refusal;
use crate::judge::trail::Trail;

/// The caller: the user and its organisation.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user: Arc<Fact<UserFacts>>,
    pub(crate) organization: Option<Arc<Fact<OrganizationFacts>>>,
    pub(crate) token_id: Option<Arc<str>>,
    pub(super) token_age: Option<i64>,
}

impl Caller {
    /// The caller without the token's id, which may be long and which no policy sees.
    pub(super) fn without_token(&self) -> Self {
        Self { token_id: None, ..self.clone() }
    }

    /// The ids by which policies tell the caller and its organisation apart. Ids of different kinds never collide.
    pub(super) fn seen(&self, by: SeenCaller) -> (u64, Option<u64>) {
        let Self { user, organization, .. } = self;
        let organization = organization.as_ref();
        match by {
            SeenCaller::Gist => (user.gist, organization.map(|it| it.gist)),
            SeenCaller::Likeness => (user.likeness, organization.map(|it| it.version)),
            SeenCaller::Name => (user.version, organization.map(|it| it.version)),
        }
    }
}

impl Pipeline {
    /// The caller, by facts that are all recent enough at the same time.
    pub(super) async fn caller(
        &self,
        token: Arc<VerifiedToken>,
        now: f64,
        terms: &Terms,
        trail: &mut Trail,
    ) -> Result<Caller, Refusal> {
        for _ in 0..TRIES {
            trail.forget_facts();
            let caller = self.facts_of_caller(&token, now, terms, trail).await;
            // The first fact may have become too old while the second was loaded.
            if matches!(caller, Err(Refusal::Unloaded(_))) || self.supported(terms, trail) {
                return caller;
            }
        }
        Err(Refusal::Unloaded(FactsError::Late))
    }

    async fn facts_of_caller(
        &self,
        token: &VerifiedToken,
        now: f64,
        terms: &Terms,
        trail: &mut Trail,
    ) -> Result<Caller, Refusal> {
        let user = self.facts.user(&token.subject, terms).await?;
        let user = user.ok_or(Refusal::UnknownUser)?;
        // A token that may not speak for this user is refused before the record names the user.
        trail.asked_at(user.asked_at);
        token.may_be_about(&user.value)?;
        trail.user(&user);
        if revoked(token, &user.value) {
            return Err(Refusal::Revoked);
        }
        let organization = match &user.value.organization {
            None => None,
            Some(id) => Some(self.own_organization(id, terms).await?),
        };
        if let Some(organization) = &organization {
            trail.asked_at(organization.asked_at);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a difference of NumericDates, which are below 2^53"
        )]
        let token_age = token.issued_at.map(|issued_at| (now - issued_at).max(0.0) as i64);
        Ok(Caller { user, organization, token_id: token.jti.clone(), token_age })
    }

    async fn own_organization(
        &self,
        id: &Arc<str>,
        terms: &Terms,
    ) -> Result<Arc<Fact<OrganizationFacts>>, Refusal> {
        let key = OrganizationKey::Id(Arc::clone(id));
        let found = self.facts.organization(&key, terms).await?;
        found.ok_or_else(|| {
            Refusal::Unloaded(FactsError::Unreadable {
                kind: "organization".to_owned(),
                id: id.to_string(),
                problem: "a user belongs to it, and it does not exist".to_owned(),
            })
        })
    }
}

/// Whether a token was revoked: by its id, or because it was issued before `tokens_valid_after`. A
/// token without `iat` counts as issued before any time.
fn revoked(token: &VerifiedToken, user: &UserFacts) -> bool {
    let by_id = token.jti.as_ref().is_some_and(|id| user.revoked_tokens.contains(id));
    let by_time =
        user.tokens_valid_after.is_some_and(|after| token.issued_at.is_none_or(|at| at < after));
    by_id || by_time
}
