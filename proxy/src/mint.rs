//! Makes keys and tokens for tests and trials.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::Ed25519KeyPair;
use base::private;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use pem::{EncodeConfig, LineEnding, Pem, encode_config};
use serde_json::{Value, json};

/// The reason why a key or token cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// A file cannot be read or written.
    #[error("`{file}` cannot be used", file = .file.display())]
    File {
        /// The path of the file.
        file: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The file is not a supported private key.
    #[error("`{file}` is no private key in PKCS#8 PEM (Ed25519, P-256 or RSA)", file = .0.display())]
    Key(PathBuf),
    /// The key cannot sign.
    #[error("the key cannot sign")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// The system cannot generate a key.
    #[error("the system makes no key")]
    Generate,
}

/// A private key with its algorithm and its public half.
pub(crate) struct SigningKey {
    pub(crate) encoding: EncodingKey,
    pub(crate) algorithm: Algorithm,
    pub(crate) jwk: Jwk,
}

impl SigningKey {
    /// Reads a private key, PKCS#8 in PEM. Its key id is its thumbprint (RFC 7638).
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is not a supported key.
    pub(crate) fn read(file: &Path) -> Result<Self, MintError> {
        let pem =
            fs::read(file).map_err(|source| MintError::File { file: file.to_owned(), source })?;
        let candidates = [
            (EncodingKey::from_ed_pem(&pem), Algorithm::EdDSA),
            (EncodingKey::from_ec_pem(&pem), Algorithm::ES256),
            (EncodingKey::from_rsa_pem(&pem), Algorithm::RS256),
        ];
        for (encoding, algorithm) in candidates {
            let Ok(encoding) = encoding else { continue };
            let Ok(mut jwk) = Jwk::from_encoding_key(&encoding, algorithm) else { continue };
            jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256)?);
            return Ok(Self { encoding, algorithm, jwk });
        }
        Err(MintError::Key(file.to_owned()))
    }

    /// The public half, as a member of a JWKS.
    pub(crate) fn public(&self) -> Value {
        let mut jwk = json!(self.jwk);
        if let Some(members) = jwk.as_object_mut() {
            members.insert("use".to_owned(), json!("sig"));
            members.insert("alg".to_owned(), json!(self.header().alg));
        }
        jwk
    }

    /// The header of tokens signed with this key.
    pub(crate) fn header(&self) -> Header {
        let mut header = Header::new(self.algorithm);
        header.kid.clone_from(&self.jwk.common.key_id);
        header
    }
}

/// Makes a token about `sub`, signed with the key in the file `key`.
///
/// # Errors
///
/// Fails if the key cannot be read or cannot sign.
pub fn mint(
    key: &Path,
    sub: &str,
    issuer: &str,
    audience: &str,
    ttl: Duration,
) -> Result<String, MintError> {
    let key = SigningKey::read(key)?;
    let now = now();
    let claims = json!({
        "iss": issuer,
        "aud": audience,
        "sub": sub,
        "iat": now,
        "exp": now + ttl.as_secs(),
        "jti": uuid::Uuid::now_v7().to_string(),
    });
    Ok(encode(&key.header(), &claims, &key.encoding)?)
}

/// Makes `issuer.pem` (Ed25519, PKCS#8) in `folder`, and `jwks.json` with its public half.
///
/// # Errors
///
/// Fails if a file cannot be made. An existing file is not overwritten.
pub fn generate_issuer(folder: &Path) -> Result<(), MintError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| MintError::Generate)?;
    let der = pair.to_pkcs8v1().map_err(|_| MintError::Generate)?;
    let file = folder.join("issuer.pem");
    let pem = Pem::new("PRIVATE KEY", der.as_ref());
    write(&file, &encode_config(&pem, EncodeConfig::new().set_line_ending(LineEnding::LF)))?;
    let key = SigningKey::read(&file)?;
    let text = serde_json::to_string_pretty(&json!({ "keys": [key.public()] }))
        .map_err(|_| MintError::Generate)?;
    write(&folder.join("jwks.json"), &text)
}

fn write(file: &Path, text: &str) -> Result<(), MintError> {
    let opened = private::file().write(true).create_new(true).open(file);
    opened
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .map_err(|source| MintError::File { file: file.to_owned(), source })
}

#[expect(clippy::disallowed_methods, reason = "a token is issued now; no request is")]
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
