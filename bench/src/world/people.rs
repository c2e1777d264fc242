//! A thousand people.

use serde_json::json;
use tests::model::dice::Dice;
use tests::tokens::{AUDIENCE, ISSUER, Signing, header, now, signed};

use super::ORGANIZATIONS;

const PEOPLE: usize = 1_000;
/// Tokens are good for longer than any run.
pub(super) const LIFETIME: u64 = 24 * 3600;
/// So many of a hundred have a second role.
const TWO_ROLES: usize = 15;
/// Who works in a clinic, of a hundred.
const STAFF: [(usize, &str); 10] = [
    (20, "DOCTOR"),
    (29, "NURSE"),
    (14, "RECEPTIONIST"),
    (6, "PHARMACIST"),
    (6, "LAB_TECH"),
    (8, "BILLING"),
    (6, "ORG_ADMIN"),
    (2, "GROUP_ADMIN"),
    (1, "PLATFORM_ADMIN"),
    (8, "OTHER"),
];

/// Somebody with a token.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: String,
    /// The number of the organisation.
    pub(crate) organization: usize,
    pub(crate) roles: Vec<&'static str>,
    pub(crate) token: String,
}

impl Person {
    /// Whether nobody needs more than a clinic's administration to change the account.
    pub(crate) fn is_plain(&self) -> bool {
        !self.roles.iter().any(|role| ["GROUP_ADMIN", "PLATFORM_ADMIN"].contains(role))
    }

    /// A token that held until an hour ago.
    pub(crate) fn expired_token(&self) -> String {
        token(&self.id, self.organization, &self.roles, now() - 2 * 3600, 3600)
    }
}

/// The id of an organisation.
pub(crate) fn organization(number: usize) -> String {
    format!("bench-org-{number}")
}

/// Everybody. Each organisation has at least one person of each role.
pub(crate) fn people(dice: &mut Dice) -> Vec<Person> {
    (0..PEOPLE)
        .map(|number| {
            let organization = number % ORGANIZATIONS;
            let kind = number / ORGANIZATIONS;
            let first = STAFF.get(kind).map_or_else(|| dice.weighted(&STAFF), |(_, role)| *role);
            let mut roles = vec![first];
            if dice.likely(TWO_ROLES) {
                let second = dice.weighted(&STAFF);
                roles.extend((second != first).then_some(second));
            }
            somebody(format!("bench-user-{number:04}"), organization, roles)
        })
        .collect()
}

/// Somebody of these roles, with a good token.
pub(crate) fn somebody(id: String, organization: usize, roles: Vec<&'static str>) -> Person {
    let token = token(&id, organization, &roles, now(), LIFETIME);
    Person { id, organization, roles, token }
}

/// The gate reads nothing but who it is; roles and organisation are there for those that have no
/// other facts.
fn token(id: &str, organization_number: usize, roles: &[&str], from: u64, lifetime: u64) -> String {
    let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": id, "jti": format!("jti-{id}"),
        "iat": from, "exp": from + lifetime, "roles": roles, "org": organization(organization_number)});
    signed(Signing::Rs256, &header(Signing::Rs256), &claims)
}
