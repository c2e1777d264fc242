//! Checkpoints: signed statements of how far a journal has come.
//!
//! A checkpoint is a line of JSON. Each signature is over the bytes of the line up to, and without,
//! `,"signatures":`; there is one for each of `keys`, in their order. A checkpoint that was signed
//! with a trusted key makes the other keys that it names trusted from there on: so keys change.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::encode;
use super::seal::{Head, Position};
use super::signing::{PublicKey, Signer};

/// The end of what is signed.
const SIGNATURES: &[u8] = b",\"signatures\":";

/// What is said about a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Of which journal.
    pub instance: String,
    /// The segment that is being written: its file's name without what follows the last point.
    pub segment: String,
    /// The number of the last record.
    pub seq: u64,
    /// The chain after it.
    pub head: Head,
    /// When that was so.
    #[serde(with = "encode::micros")]
    pub time: OffsetDateTime,
    /// How many records the segment has by then.
    pub count: u64,
    /// Every intent with a number up to this one has its outcome.
    pub settled: u64,
    /// Nothing will follow in this segment.
    #[serde(default, skip_serializing_if = "is_false")]
    pub closed: bool,
    /// Everything up to `seq` was taken away, as the configuration has it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pruned: bool,
    /// Which checkpoint of its journal it is, from 1: one that is taken out leaves a gap. Versions before did not
    /// count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The record up to which the database had taken everything by then: what it lacks of that was removed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<u64>,
    /// Who signs.
    pub keys: Vec<PublicKey>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A line that was read, with what it is signed with.
#[derive(Debug, Clone)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    signed: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

impl Checkpoint {
    /// Where the journal was.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { seq: self.seq, head: self.head }
    }

    /// Signs it; its keys become those of the signer. Gives the line, with its line feed.
    ///
    /// # Errors
    ///
    /// When it has no spelling.
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
    /// Reads a line, with or without its line feed; nothing if it is none. Nothing is verified.
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

    /// The keys it is signed with, truly.
    #[must_use]
    pub fn signers(&self) -> Vec<PublicKey> {
        let pairs = self.checkpoint.keys.iter().zip(&self.signatures);
        pairs.filter(|(key, it)| key.verifies(&self.signed, it)).map(|(key, _)| *key).collect()
    }

    /// Whether it is signed with a trusted key. The keys that it names are trusted from then on.
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
