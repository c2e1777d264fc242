//! Keys made at run time, and tokens of every kind, the bad ones above all.

use std::{path::Path, sync::LazyLock, time::SystemTime};

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use proxy::config::{Issuer, JwksSource};
use serde_json::{Value, json};

/// Who issues the demo's tokens.
pub const ISSUER: &str = "https://auth.cedargate.example";
/// For whom.
pub const AUDIENCE: &str = "cedargate";

/// The keys that the gate of a test trusts.
pub static TRUSTED: LazyLock<Keys> = LazyLock::new(Keys::generate);
/// Keys of the same kinds that it does not.
pub static FOREIGN: LazyLock<Keys> = LazyLock::new(Keys::generate);

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// Ed25519, `ed-1`: the first of the key set, and the backend's.
    EdDsa,
    /// Ed25519, `ed-2`: so that an `EdDSA` token has to name its key.
    EdDsaSecond,
    /// P-256 with a signature of fixed length, `es-1`.
    Es256,
    /// P-256 with an ASN.1 signature, as no JWT has it.
    Es256Asn1,
    /// RSA-2048 PKCS#1 with SHA-256, `rs-1`.
    Rs256,
    /// RSA-2048 PSS with SHA-256, by the key of `rs-1`.
    Ps256,
    /// HMAC with the public half of `ed-1` as its secret.
    HmacOfPublicKey,
    /// Not at all.
    None,
}

/// A key of each kind.
pub struct Keys {
    first: Ed25519KeyPair,
    second: Ed25519KeyPair,
    curve: EcdsaKeyPair,
    rsa: rsa::KeyPair,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    fn generate() -> Self {
        Self {
            first: Ed25519KeyPair::generate().unwrap(),
            second: Ed25519KeyPair::generate().unwrap(),
            curve: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            rsa: rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap(),
        }
    }

    /// The public halves, `ed-1` first.
    #[must_use]
    pub fn key_set(&self) -> Value {
        let okp = |id: &str, key: &Ed25519KeyPair| {
            json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": id,
                "x": encode(key.public_key().as_ref())})
        };
        let point = self.curve.public_key().as_ref();
        let (modulus, exponent) = rsa_numbers(self.rsa.public_key().as_ref());
        json!({"keys": [
            okp("ed-1", &self.first),
            okp("ed-2", &self.second),
            {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "es-1",
                "x": encode(&point[1..33]), "y": encode(&point[33..65])},
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "rs-1",
                "n": encode(modulus), "e": encode(exponent)},
        ]})
    }

    /// Writes `issuer.pem` (the private half of `ed-1`) and `jwks.json`.
    pub fn write(&self, directory: &Path) {
        std::fs::create_dir_all(directory).unwrap();
        let der = self.first.to_pkcs8v1().unwrap();
        let pem = STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
        std::fs::write(directory.join("issuer.pem"), pem).unwrap();
        std::fs::write(directory.join("jwks.json"), self.key_set().to_string()).unwrap();
    }

    /// Signs any bytes.
    #[must_use]
    pub fn sign(&self, signing: Signing, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |padding: &'static dyn signature::RsaEncoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(padding, &random, message, &mut signature).unwrap();
            signature
        };
        match signing {
            Signing::EdDsa => self.first.sign(message).as_ref().to_vec(),
            Signing::EdDsaSecond => self.second.sign(message).as_ref().to_vec(),
            Signing::Es256 => self.curve.sign(&random, message).unwrap().as_ref().to_vec(),
            Signing::Es256Asn1 => self.asn1(message),
            Signing::Rs256 => rsa(&signature::RSA_PKCS1_SHA256),
            Signing::Ps256 => rsa(&signature::RSA_PSS_SHA256),
            Signing::HmacOfPublicKey => {
                let public = self.first.public_key().as_ref();
                let key = hmac::Key::new(hmac::HMAC_SHA256, public);
                hmac::sign(&key, message).as_ref().to_vec()
            }
            Signing::None => Vec::new(),
        }
    }

    fn asn1(&self, message: &[u8]) -> Vec<u8> {
        let private = self.curve.to_pkcs8v1().unwrap();
        let scheme = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(scheme, private.as_ref()).unwrap();
        pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// The public half of `ed-1` as a JWK, to be put where it must not be believed.
    #[must_use]
    pub fn first_jwk(&self) -> Value {
        self.key_set()["keys"][0].clone()
    }

    /// The public half of the curve key as DER.
    #[must_use]
    pub fn curve_der(&self) -> Vec<u8> {
        self.curve.public_key().as_der().unwrap().as_ref().to_vec()
    }

    /// The public half of the RSA key as DER (`SubjectPublicKeyInfo`).
    #[must_use]
    pub fn rsa_der(&self) -> Vec<u8> {
        let public: PublicKeyX509Der<'_> = self.rsa.public_key().as_der().unwrap();
        public.as_ref().to_vec()
    }
}

/// The modulus and the exponent in a DER `RSAPublicKey`: a sequence of two integers.
fn rsa_numbers(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = der_value(der);
    let (modulus, rest) = der_value(sequence);
    let (exponent, _) = der_value(rest);
    (modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent)
}

/// The content of the first DER value, and what follows it.
fn der_value(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, start) = match der[1] {
        short @ 0..=0x7F => (usize::from(short), 2),
        long => {
            let bytes = &der[2..2 + usize::from(long & 0x7F)];
            let length = bytes.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
            (length, 2 + bytes.len())
        }
    };
    (&der[start..start + length], &der[start + length..])
}

/// base64url without padding.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "tokens of tests are made for the present, not for a request"
)]
pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// The configuration of the issuer of these tokens, with `jwks.json` in `folder`.
#[must_use]
pub fn issuer(folder: &Path) -> Issuer {
    let jwks = JwksSource::File(folder.join("jwks.json"));
    let audiences = vec![AUDIENCE.to_owned()];
    Issuer { audiences, ..Issuer::usual(ISSUER, jwks).unwrap() }
}

/// The `jti` of the tokens of a user.
#[must_use]
pub fn token_id(user: &str) -> String {
    format!("jti-{user}")
}

/// A good token of a user, good for an hour.
#[must_use]
pub fn token(user: &str) -> String {
    signed(Signing::EdDsa, &header(Signing::EdDsa), &claims(user))
}

/// The claims of a good token.
#[must_use]
pub fn claims(user: &str) -> Value {
    let now = now();
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": user, "jti": token_id(user),
        "iat": now, "nbf": now, "exp": now + 3600})
}

/// The header of a good token.
#[must_use]
pub fn header(signing: Signing) -> Value {
    let (algorithm, key) = match signing {
        Signing::EdDsa => ("EdDSA", "ed-1"),
        Signing::EdDsaSecond => ("EdDSA", "ed-2"),
        Signing::Es256 | Signing::Es256Asn1 => ("ES256", "es-1"),
        Signing::Rs256 => ("RS256", "rs-1"),
        Signing::Ps256 => ("PS256", "rs-1"),
        Signing::HmacOfPublicKey => ("HS256", "ed-1"),
        Signing::None => ("none", "ed-1"),
    };
    json!({"alg": algorithm, "typ": "JWT", "kid": key})
}

/// A token of these parts, signed by a trusted key.
#[must_use]
pub fn signed(signing: Signing, header: &Value, claims: &Value) -> String {
    raw(&TRUSTED, signing, header.to_string(), claims.to_string())
}

/// A token of any bytes, signed by any keys.
#[must_use]
pub fn raw(
    keys: &Keys,
    signing: Signing,
    header: impl AsRef<[u8]>,
    claims: impl AsRef<[u8]>,
) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = keys.sign(signing, message.as_bytes());
    format!("{message}.{}", encode(signature))
}

/// Takes a token apart whose signature is that of a key of the set; ends the test when it is not.
#[must_use]
pub fn verify_ed25519(token: &str, keys: &Value) -> (Value, Value) {
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let json = |part: &str| serde_json::from_slice::<Value>(&decode(part)).unwrap();
    let header = json(header);
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]);
    let public = decode(key.expect("its key is in the set")["x"].as_str().unwrap());
    let public = signature::UnparsedPublicKey::new(&signature::ED25519, public);
    public.verify(message.as_bytes(), &decode(signature)).expect("its signature is the key's");
    (header, json(claims))
}
