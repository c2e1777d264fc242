//! An issuer whose keys are at a URL.

use serde_json::{Value, json};

use crate::{
    stand::{Builder, Stand},
    tokens::{AUDIENCE, ISSUER},
    upstream::{Behaviour, Upstream},
};

/// A stand whose gate fetches its keys from `provider`.
#[must_use]
pub fn fetched_from(provider: &Upstream) -> Builder {
    let url = format!("http://{}/jwks.json", provider.address());
    let issuer = json!([{"issuer": ISSUER, "audiences": [AUDIENCE],
        "algorithms": ["EdDSA", "ES256", "RS256"], "jwks": url}]);
    Stand::builder().set("jwt.issuers", issuer)
}

/// Has `provider` answer with these keys from now on.
pub fn serve(provider: &Upstream, keys: &Value) {
    let answer = Behaviour::Answer(200, Vec::new(), keys.to_string().into_bytes());
    provider.on("/jwks.json", answer);
}
