//! More people than a clinic has, who all ask for the same.

use serde_json::json;
use tests::sql::execute;
use tests::tokens::{AUDIENCE, ISSUER, Signing, header, now, signed};

use super::people::{LIFETIME, organization};
use super::requests::spell;
use super::{ORGANIZATIONS, Planned, Sample, World};

const PATH: &str = "/api/patients";

impl World {
    /// Makes so many doctors, if they are not there, and gives a request of each. Their tokens are Ed25519: a hundred
    /// thousand signatures by RSA would take a minute.
    pub(crate) async fn crowd(&self, count: usize) -> Vec<Sample> {
        let sql = format!(
            "insert into users (id, organization_id, email, name, roles, enabled_features) \
             select 'bench-crowd-' || n, 'bench-org-' || n % {ORGANIZATIONS}, n || '@crowd.example', 'Bench', \
                 '{{DOCTOR}}', '{{codes}}' \
             from generate_series(0, {}) n on conflict do nothing",
            count - 1
        );
        execute(&self.database, &sql).await;
        (0..count).map(somebodys).collect()
    }
}

fn somebodys(number: usize) -> Sample {
    let id = format!("bench-crowd-{number}");
    let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": id, "jti": format!("jti-{id}"),
        "iat": now(), "exp": now() + LIFETIME, "org": organization(number % ORGANIZATIONS)});
    let token = signed(Signing::EdDsa, &header(Signing::EdDsa), &claims);
    let bytes = spell("GET", PATH, Some(&token), None);
    Sample { method: "GET".to_owned(), path: PATH.to_owned(), planned: Planned::Allowed, bytes }
}
