//! Parses one key of a set (RFC 7517), member by member: members that the gate does not read may have
//! any form.

use std::fmt;
use std::sync::Arc;

use audit::text::printable;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use crate::config::{Algorithm, Issuer, IssuerName};
use crate::judge::strict_json;

/// The maximum length of a key's name in messages.
const LONGEST_NAME: usize = 64;

/// A key for one algorithm.
pub struct Key {
    pub(crate) algorithm: Algorithm,
    pub(crate) decoding: DecodingKey,
    /// The key in canonical form: keys with equal material verify the same signatures.
    pub(crate) material: Arc<[u8]>,
    /// The only `iss` whose tokens the key signs, if the set says so. A provider of many tenants
    /// publishes the keys of all of them in one set.
    only_for: Option<IssuerName>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Key {
    /// Whether the key may sign tokens with this `iss`.
    pub(super) fn serves(&self, iss: &str) -> bool {
        self.only_for.as_ref().is_none_or(|only| only.value_in(iss).is_some())
    }

    /// Whether both keys are for the same algorithm and share some of their tokens.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let apart =
            self.only_for.is_some() && other.only_for.is_some() && self.only_for != other.only_for;
        self.algorithm == other.algorithm && !apart
    }

    /// Whether both are the same key for the same use.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.algorithm, &self.material, &self.only_for)
            == (other.algorithm, &other.material, &other.only_for)
    }
}

/// A key of a set that is not used, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PassedOver {
    /// The `kid`, or the position in the set.
    pub(super) key: String,
    pub(super) why: Why,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}: {}", self.key, self.why.text())
    }
}

/// The reason why a key is not used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Why {
    /// The key is valid, but meant for another use.
    Foreign(String),
    /// The key is faulty.
    Fault(String),
}

impl Why {
    pub(super) fn text(&self) -> &str {
        let (Self::Foreign(text) | Self::Fault(text)) = self;
        text
    }
}

fn foreign<T>(text: impl Into<String>) -> Result<T, Why> {
    Err(Why::Foreign(text.into()))
}

fn fault<T>(text: impl Into<String>) -> Result<T, Why> {
    Err(Why::Fault(text.into()))
}

/// Parses the key in `text`, at position `number` in its set. Also returns its `kid`.
pub(super) fn read(
    text: &str,
    number: usize,
    issuer: &Issuer,
) -> Result<(Option<String>, Key), PassedOver> {
    let nameless = || format!("number {number}");
    let members = strict_json::parse_object(text.as_bytes()).map_err(|error| {
        let why = Why::Fault(format!("it is no JSON object that is read in one way: {error}"));
        PassedOver { key: nameless(), why }
    })?;
    let members = Members(members);
    let name = |kid: &Option<String>| kid.as_deref().map_or_else(nameless, shown);
    let kid = members.text("kid").map_err(|why| PassedOver { key: nameless(), why })?;
    match usable(&members, issuer) {
        Ok(key) => Ok((kid, key)),
        Err(why) => Err(PassedOver { key: name(&kid), why }),
    }
}

/// The `kid` of a key, for messages.
pub(super) fn shown(kid: &str) -> String {
    format!("`{}`", printable(kid, LONGEST_NAME))
}

fn usable(members: &Members, issuer: &Issuer) -> Result<Key, Why> {
    if members.value("d").is_some() {
        return fault("it is a private key; publish its public half alone");
    }
    for_signatures(members)?;
    let (shape, fitting) = shape(members)?;
    let algorithm = algorithm(members, fitting, &issuer.algorithms)?;
    let only_for = only_for(members, issuer)?;
    let material: Arc<[u8]> = shape.material().into();
    let decoding = shape.decoding()?;
    Ok(Key { algorithm, decoding, material, only_for })
}

/// Checks that `use` and `key_ops` let the key verify signatures (RFC 7517, 4.2 and 4.3).
fn for_signatures(members: &Members) -> Result<(), Why> {
    match members.text("use")?.as_deref() {
        None | Some("sig") => {}
        Some(other) => return foreign(format!("its `use` is {}", shown(other))),
    }
    match members.value("key_ops") {
        None => Ok(()),
        Some(Value::Array(ops)) if ops.iter().any(|op| op == "verify") => Ok(()),
        Some(Value::Array(_)) => foreign("its `key_ops` do not hold `verify`"),
        Some(_) => fault("its `key_ops` is no list"),
    }
}

/// The algorithm of a key: its `alg`, or else the only fitting one of the issuer's
/// `algorithms`. RS256 takes precedence, because providers that leave `alg` out mean RS256.
fn algorithm(
    members: &Members,
    fitting: &[Algorithm],
    listed: &[Algorithm],
) -> Result<Algorithm, Why> {
    if let Some(name) = members.text("alg")? {
        let Some(algorithm) = Algorithm::from_name(&name) else {
            return foreign(format!("its `alg` is {}", shown(&name)));
        };
        if !fitting.contains(&algorithm) {
            return fault(format!(
                "its `alg` is `{algorithm}`, which its `kty` and `crv` do not fit"
            ));
        }
        if !listed.contains(&algorithm) {
            return foreign(format!("its issuer's `algorithms` do not list `{algorithm}`"));
        }
        return Ok(algorithm);
    }
    let mut candidates = fitting.iter().copied().filter(|it| listed.contains(it));
    match (candidates.next(), candidates.next()) {
        (Some(Algorithm::RS256), _) => Ok(Algorithm::RS256),
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => {
            fault("it has no `alg`, and several of its issuer's `algorithms` fit")
        }
        (None, _) => foreign("none of its issuer's `algorithms` fits"),
    }
}

/// The `issuer` of a key. Some providers (Entra) name the issuer for which a key signs, with a claim in braces if the
/// key signs for all tenants.
fn only_for(members: &Members, issuer: &Issuer) -> Result<Option<IssuerName>, Why> {
    let Some(text) = members.text("issuer")? else { return Ok(None) };
    let Ok(only) = IssuerName::parse(&text) else {
        return fault("its `issuer` cannot be read");
    };
    let ours = &issuer.issuer;
    let sample = |name: &IssuerName| name.filled("any");
    let serves = match (only.claim(), ours.claim()) {
        (Some(_), _) => only.value_in(&sample(ours)).is_some(),
        (None, _) => ours.value_in(only.as_str()).is_some(),
    };
    if serves { Ok(Some(only)) } else { foreign(format!("it is for the issuer {}", shown(&text))) }
}

/// The numbers of a key.
enum Shape {
    Ed25519(Vec<u8>),
    /// An uncompressed point, and the algorithm that checks whether the point is on the curve.
    Curve(Vec<u8>, &'static dyn VerificationAlgorithm),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// The numbers of a key, and the algorithms that fit its kind.
fn shape(members: &Members) -> Result<(Shape, &'static [Algorithm]), Why> {
    const RSA: &[Algorithm] =
        &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256];
    let (kind, curve) = (members.text("kty")?, members.text("crv")?);
    match (kind.as_deref(), curve.as_deref()) {
        (Some("OKP"), Some("Ed25519")) => {
            Ok((Shape::Ed25519(members.octets("x")?), &[Algorithm::EdDSA]))
        }
        (Some("EC"), Some("P-256")) => {
            Ok((Shape::Curve(members.point(32)?, &ECDSA_P256_SHA256_FIXED), &[Algorithm::ES256]))
        }
        (Some("EC"), Some("P-384")) => {
            Ok((Shape::Curve(members.point(48)?, &ECDSA_P384_SHA384_FIXED), &[Algorithm::ES384]))
        }
        (Some("RSA"), _) => {
            let (n, e) = (members.integer("n")?, members.integer("e")?);
            Ok((Shape::Rsa { n, e }, RSA))
        }
        (Some("OKP" | "EC"), Some(curve)) => foreign(format!("its `crv` is {}", shown(curve))),
        (Some("OKP" | "EC"), None) => fault("it has no `crv`"),
        (Some(kind), _) => foreign(format!("its `kty` is {}", shown(kind))),
        (None, _) => fault("it has no `kty`"),
    }
}

impl Shape {
    /// The key in canonical form.
    fn material(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(x) => [b"ed".as_slice(), x].concat(),
            Self::Curve(point, _) => [b"ec".as_slice(), point].concat(),
            // The length of the exponent keeps the boundary between the two numbers unambiguous.
            Self::Rsa { n, e } => [b"rsa".as_slice(), &e.len().to_be_bytes(), e, n].concat(),
        }
    }

    /// The key for the verifying library. The library checks the key first, because a key
    /// that can verify nothing must not replace one that can.
    fn decoding(&self) -> Result<DecodingKey, Why> {
        let parses = |kind, bytes: &[u8]| ParsedPublicKey::new(kind, bytes).is_ok();
        match self {
            Self::Ed25519(x) if parses(&ED25519, x) => Ok(DecodingKey::from_ed_der(x)),
            Self::Ed25519(_) => fault("its `x` is no public key of Ed25519"),
            Self::Curve(point, kind) if parses(*kind, point) => Ok(DecodingKey::from_ec_der(point)),
            Self::Curve(..) => fault("its `x` and `y` are no point of its curve"),
            Self::Rsa { n, e } => {
                if !(2048..=8192).contains(&bits(n)) {
                    return fault(format!(
                        "its `n` has {} bits; 2048 to 8192 are accepted",
                        bits(n)
                    ));
                }
                let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
                // With an exponent of one, every text is its own signature.
                if !odd(n) || !odd(e) || !(2..=33).contains(&bits(e)) {
                    return fault("its `n` and `e` are no public key of RSA");
                }
                let parts = RsaPublicKeyComponents { n, e };
                match parts.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256) {
                    Ok(_) => Ok(DecodingKey::from_rsa_raw_components(n, e)),
                    Err(_) => fault("its `n` and `e` are no public key of RSA"),
                }
            }
        }
    }
}

/// The number of bits of a number without leading zeros.
fn bits(number: &[u8]) -> u32 {
    let Some(first) = number.first() else { return 0 };
    let rest = u32::try_from(number.len() - 1).unwrap_or(u32::MAX / 8);
    rest.saturating_mul(8) + (8 - first.leading_zeros())
}

/// The members of a key. A member that is `null` counts as absent, since some libraries write absent members so.
struct Members(Map<String, Value>);

impl Members {
    fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<String>, Why> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => fault(format!("its `{name}` is no text")),
        }
    }

    fn octets(&self, name: &str) -> Result<Vec<u8>, Why> {
        let Some(text) = self.text(name)? else { return fault(format!("it has no `{name}`")) };
        let octets = URL_SAFE_NO_PAD.decode(text);
        octets.or_else(|_| fault(format!("its `{name}` is not base64url without padding")))
    }

    /// A number, without the leading zeros that some providers (Java) write.
    fn integer(&self, name: &str) -> Result<Vec<u8>, Why> {
        let octets = self.octets(name)?;
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        Ok(octets.get(zeros..).unwrap_or_default().to_vec())
    }

    /// The uncompressed point of `x` and `y`, each padded to the length that the curve requires.
    fn point(&self, length: usize) -> Result<Vec<u8>, Why> {
        let mut point = vec![4];
        for name in ["x", "y"] {
            let number = self.integer(name)?;
            let Some(missing) = length.checked_sub(number.len()) else {
                return fault(format!("its `{name}` is too long"));
            };
            point.resize(point.len() + missing, 0);
            point.extend_from_slice(&number);
        }
        Ok(point)
    }
}
