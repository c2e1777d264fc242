//! The keys that vouch for a journal: Ed25519 (RFC 8032), PKCS#8 and `SubjectPublicKeyInfo` in PEM.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pem::{EncodeConfig, LineEnding, Pem, encode_config};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde::{Deserialize, Serialize};

/// The bytes before the 32 bytes of an Ed25519 key in its `SubjectPublicKeyInfo` (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A file cannot be read or written.
    #[error("the key `{}` cannot be read or made", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The file is not an Ed25519 private key.
    #[error(
        "`{}` is no Ed25519 private key in PKCS#8 PEM; `openssl genpkey -algorithm ed25519` makes one",
        .0.display()
    )]
    Private(PathBuf),
    /// The file contains no Ed25519 public key.
    #[error(
        "`{}` holds no Ed25519 public key in PEM; `openssl pkey -pubout` makes one of the private key",
        .0.display()
    )]
    Public(PathBuf),
    /// The system cannot generate a key.
    #[error("the system makes no key")]
    Generate,
}

/// The public half of a key that signs checkpoints.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads the public keys in a file: PEM blocks, one after the other.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or contains anything but Ed25519 keys.
    pub fn read_all(path: &Path) -> Result<Vec<Self>, SigningError> {
        let pem = fs::read(path).map_err(|error| SigningError::File(path.to_owned(), error))?;
        let none = || SigningError::Public(path.to_owned());
        let mut keys = Vec::new();
        for der in SubjectPublicKeyInfoDer::pem_slice_iter(&pem) {
            let der = der.map_err(|_| none())?;
            let raw = der.as_ref().strip_prefix(&SPKI).ok_or_else(none)?;
            keys.push(Self(raw.try_into().map_err(|_| none())?));
        }
        if keys.is_empty() { Err(none()) } else { Ok(keys) }
    }

    /// The key as a PEM block.
    #[must_use]
    pub fn to_pem(self) -> String {
        block("PUBLIC KEY", [&SPKI[..], &self.0].concat())
    }

    /// Whether `signature` is a valid signature of `message` by this key.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        let raw = STANDARD.decode(text.as_bytes()).ok().and_then(|raw| raw.try_into().ok());
        raw.map(Self).ok_or_else(|| serde::de::Error::custom("is no Ed25519 key"))
    }
}

/// The private keys of a gate: one, or during a rotation the new one and the old one.
pub struct Signer {
    pairs: Vec<(Ed25519KeyPair, PublicKey)>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys()).finish()
    }
}

impl Signer {
    /// Reads private keys.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read, or is not an Ed25519 key.
    pub fn read(files: &[PathBuf]) -> Result<Self, SigningError> {
        Ok(Self { pairs: files.iter().map(|file| read(file)).collect::<Result<_, _>>()? })
    }

    /// Reads the private key in `file`, which is created if it does not exist. Returns whether it was created.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or created.
    pub fn read_or_make(file: &Path) -> Result<(Self, bool), SigningError> {
        let missing = !file.exists();
        if missing {
            make(file)?;
        }
        Ok((Self { pairs: vec![read(file)?] }, missing))
    }

    /// The public keys, in the order of the signatures.
    pub fn keys(&self) -> impl Iterator<Item = PublicKey> {
        self.pairs.iter().map(|(_, key)| *key)
    }

    /// A signature by each key.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<Vec<u8>> {
        self.pairs.iter().map(|(pair, _)| pair.sign(message).as_ref().to_vec()).collect()
    }
}

fn read(file: &Path) -> Result<(Ed25519KeyPair, PublicKey), SigningError> {
    let pem = fs::read(file).map_err(|error| SigningError::File(file.to_owned(), error))?;
    let none = || SigningError::Private(file.to_owned());
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| none())?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
    let pair = pair.map_err(|_| none())?;
    let public = pair.public_key().as_ref().try_into().map_err(|_| none())?;
    Ok((pair, PublicKey(public)))
}

/// A block of PEM (RFC 7468).
fn block(label: &str, der: impl Into<Vec<u8>>) -> String {
    encode_config(&Pem::new(label, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
}

fn make(file: &Path) -> Result<(), SigningError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| SigningError::Generate)?;
    let der = pair.to_pkcs8v1().map_err(|_| SigningError::Generate)?;
    let pem = block("PRIVATE KEY", der.as_ref());
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let written = opened.and_then(|mut opened| {
        opened.write_all(pem.as_bytes())?;
        opened.sync_all()
    });
    written.map_err(|error| SigningError::File(file.to_owned(), error))
}
