//! Checkpoints: signed statements of how far a journal has come.
//!
//! A checkpoint is a line of JSON. Each signature is over the bytes of the line up to, and without, `,"signatures":`;
//! there is one for each of `keys`, in the same order. A checkpoint that is signed with a trusted key makes the other
//! keys that it names trusted from there on, which is how keys are rotated.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::encode;
use super::seal::{Head, Position};
use super::signing::{PublicKey, Signer};

/// The text that ends the signed part of a line.
const SIGNATURES: &[u8] = b",\"signatures\":";

/// A statement about a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The id of the journal.
    pub instance: String,
    /// The stem of the segment that is being written: its file name without the extension.
    pub segment: String,
    /// The number of the last record.
    pub seq: u64,
    /// The chain after the last record.
    pub head: Head,
    /// The time of the statement.
    #[serde(with = "encode::micros")]
    pub time: OffsetDateTime,
    /// The number of records in the segment at that time.
    pub count: u64,
    /// The number up to which every intent has its outcome.
    pub settled: u64,
    /// Whether the segment is closed: nothing will follow in it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub closed: bool,
    /// Whether everything up to `seq` was removed, as the configuration says.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pruned: bool,
    /// The number of the checkpoint in its journal, from 1, so that a removed checkpoint leaves a gap. Older versions
    /// did not number checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The record up to which the database had taken everything at that time. A record that the database lacks up to
    /// there was removed from the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<u64>,
    /// The public keys of the signer.
    pub keys: Vec<PublicKey>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A checkpoint that was read, with its signatures.
#[derive(Debug, Clone)]
pub struct SignedCheckpoint {
    /// The statement.
    pub checkpoint: Checkpoint,
    signed: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

impl Checkpoint {
    /// The position of the last record.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { seq: self.seq, head: self.head }
    }

    /// Signs the checkpoint; its keys become those of the signer. Returns the line, with its line feed.
    ///
    /// # Errors
    ///
    /// Fails if the checkpoint has no spelling as JSON.
    pub fn sign(mut self, signer: &Signer) -> Result<Vec<u8>, serde_json::Error> {
        self.keys = signer.keys().collect();
        let mut line = serde_json::to_vec(&self)?;
        line.pop();
        let signatures = signer.sign(&line);
        let signatures: Vec<String> = signatures.iter().map(|it| STANDARD.encode(it)).collect();
        line.extend_from_slice(SIGNATURES);
        serde_json::to_writer(&mut line, &signatures)?;
        line.extend_from_slice(b"}\n");
        Ok(line)
    }
}

impl SignedCheckpoint {
    /// Parses a line, with or without its line feed; `None` if the line is not a checkpoint. Nothing is verified.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Signatures {
            signatures: Vec<String>,
        }
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let end = memchr::memmem::rfind(line, SIGNATURES)?;
        let checkpoint = serde_json::from_slice(line).ok()?;
        let read: Signatures = serde_json::from_slice(line).ok()?;
        let signatures = read.signatures.iter().map(|it| STANDARD.decode(it).ok());
        Some(Self {
            checkpoint,
            signed: line.get(..end)?.to_vec(),
            signatures: signatures.collect::<Option<_>>()?,
        })
    }

    /// The keys whose signatures are valid.
    #[must_use]
    pub fn signers(&self) -> Vec<PublicKey> {
        let pairs = self.checkpoint.keys.iter().zip(&self.signatures);
        pairs.filter(|(key, it)| key.verifies(&self.signed, it)).map(|(key, _)| *key).collect()
    }

    /// Whether the checkpoint is signed with a trusted key. If so, all keys that it names become trusted.
    #[must_use]
    pub fn verify(&self, trusted: &mut Vec<PublicKey>) -> bool {
        let good = self.signers().iter().any(|key| trusted.contains(key));
        if good {
            let new = self.checkpoint.keys.iter().filter(|key| !trusted.contains(key));
            let new: Vec<_> = new.copied().collect();
            trusted.extend(new);
        }
        good
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            instance: "gate-1".into(),
            segment: "audit-1".into(),
            seq: 7,
            head: Head::default(),
            time: datetime!(2025-01-02 3:04:05 UTC),
            count: 7,
            settled: 5,
            closed: false,
            pruned: false,
            number: Some(3),
            delivered: None,
            keys: Vec::new(),
        }
    }

    fn signer(directory: &std::path::Path, names: &[&str]) -> Signer {
        let files: Vec<_> = names.iter().map(|name| directory.join(name)).collect();
        for file in &files {
            Signer::read_or_make(file).unwrap();
        }
        Signer::read(&files).unwrap()
    }

    #[test]
    fn what_was_signed_verifies_and_what_was_changed_does_not() {
        let place = tempfile::tempdir().unwrap();
        let signer = signer(place.path(), &["a"]);
        let line = checkpoint().sign(&signer).unwrap();
        let read = SignedCheckpoint::parse(&line).unwrap();
        assert_eq!(read.checkpoint, Checkpoint { keys: signer.keys().collect(), ..checkpoint() });
        let mut trusted: Vec<_> = signer.keys().collect();
        assert!(read.verify(&mut trusted));
        for at in 0..line.len() - 1 {
            let mut changed = line.clone();
            changed[at] ^= 1;
            let good = SignedCheckpoint::parse(&changed).is_some_and(|it| it.verify(&mut trusted));
            assert!(!good, "byte {at}: {}", String::from_utf8_lossy(&changed));
        }
    }

    #[test]
    fn keys_change_with_an_overlap_and_not_without() {
        let place = tempfile::tempdir().unwrap();
        let (old, both, new) = (
            signer(place.path(), &["a"]),
            signer(place.path(), &["b", "a"]),
            signer(place.path(), &["b"]),
        );
        let said = |signer| SignedCheckpoint::parse(&checkpoint().sign(signer).unwrap()).unwrap();
        let mut trusted: Vec<_> = old.keys().collect();
        assert!(!said(&new).verify(&mut trusted));
        assert!(said(&both).verify(&mut trusted));
        assert!(said(&new).verify(&mut trusted));
    }

    #[test]
    fn a_public_key_is_read_as_it_is_written() {
        let place = tempfile::tempdir().unwrap();
        let keys: Vec<_> = signer(place.path(), &["a", "b"]).keys().collect();
        let file = place.path().join("pub");
        std::fs::write(&file, keys.iter().map(|key| key.to_pem()).collect::<String>()).unwrap();
        assert_eq!(PublicKey::read_all(&file).unwrap(), keys);
        assert!(PublicKey::read_all(&place.path().join("a")).is_err(), "a private key is none");
    }
}
