//! A journal as its format says, written by a hand that shares no code with the gate: what an
//! auditor's tools have to read, and what somebody who tampers with it has to write.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    digest::{Context, SHA256},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A chain, before and after a line.
pub type Chain = [u8; 32];

/// The day on which records are written.
const DAY: &str = "2025-01-02";

/// Before the first line of a journal.
pub const NOTHING: Chain = [0; 32];

/// 64 hexadecimal digits.
#[must_use]
pub fn hex(chain: &Chain) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|it| char::from(DIGITS[usize::from(it)]));
    chain.iter().flat_map(digits).collect()
}

/// The chain after a line, of which `hashed` is what stands before `,"chain":"`.
#[must_use]
pub fn follow(before: &Chain, hashed: &str) -> Chain {
    let mut context = Context::new(&SHA256);
    context.update(before);
    context.update(hashed.as_bytes());
    context.finish().as_ref().try_into().unwrap()
}

/// What of a line is hashed.
#[must_use]
pub fn hashed(line: &str) -> &str {
    line.split_once(",\"chain\":\"").unwrap().0
}

/// A line with its chain behind it, and the chain after it.
#[must_use]
pub fn seal(before: &Chain, hashed: &str) -> (String, Chain) {
    let chain = follow(before, hashed);
    (format!("{hashed},\"chain\":\"{}\"}}", hex(&chain)), chain)
}

/// A private key, and what is told of it.
#[derive(Debug)]
pub struct Key(Ed25519KeyPair);

impl Key {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(Ed25519KeyPair::generate().unwrap())
    }

    /// The public half, as checkpoints name it.
    #[must_use]
    pub fn public(&self) -> String {
        STANDARD.encode(self.0.public_key().as_ref())
    }

    /// The private half, as a gate reads it (`audit.signing_keys`).
    #[must_use]
    pub fn private_pem(&self) -> String {
        let der = self.0.to_pkcs8v1().unwrap();
        let body = STANDARD.encode(der.as_ref());
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    }

    /// The public half, as a file has it.
    #[must_use]
    pub fn pem(&self) -> String {
        let before = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let body = STANDARD.encode([&before, self.0.public_key().as_ref()].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }
}

/// A signed line: `said` are the members of a checkpoint before `keys`.
#[must_use]
pub fn sign(keys: &[Key], said: &str) -> String {
    let quoted = |all: Vec<String>| format!("[\"{}\"]", all.join("\",\""));
    let public = keys.iter().map(Key::public).collect();
    let signed = format!("{said},\"keys\":{}", quoted(public));
    let signature = |key: &Key| STANDARD.encode(key.0.sign(signed.as_bytes()).as_ref());
    let signatures = keys.iter().map(signature).collect();
    format!("{signed},\"signatures\":{}}}", quoted(signatures))
}

/// The members of a checkpoint before its keys.
#[must_use]
pub fn checkpoint(
    instance: &str,
    segment: &str,
    seq: u64,
    head: &str,
    count: u64,
    rest: &str,
) -> String {
    // A second a thousand records: the times rise and are no clock's.
    let (minute, second) = (seq / 60_000 % 60, seq / 1_000 % 60);
    format!(
        "{{\"instance\":\"{instance}\",\"segment\":\"{segment}\",\"seq\":{seq},\"head\":\"{head}\",\
         \"time\":\"2025-01-02T03:{minute:02}:{second:02}.000000Z\",\"count\":{count},\"settled\":{seq}{rest}"
    )
}

/// Writes a journal.
#[derive(Debug)]
pub struct Author {
    directory: PathBuf,
    instance: String,
    /// Who signs. More than one while a key is changed.
    pub keys: Vec<Key>,
    /// The number of the last record.
    pub seq: u64,
    /// The chain after it.
    pub chain: Chain,
    /// The day on which all of it was written.
    pub day: String,
    segment: Option<Segment>,
}

#[derive(Debug)]
struct Segment {
    stem: String,
    first: u64,
    file: BufWriter<File>,
}

impl Author {
    /// Begins a journal in `directory`, with the public key beside it.
    #[must_use]
    pub fn new(directory: &Path, instance: &str, key: Key) -> Self {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("signing.pub"), key.pem()).unwrap();
        let instance = instance.to_owned();
        let directory = directory.to_owned();
        let (keys, day) = (vec![key], DAY.to_owned());
        Self { directory, instance, keys, seq: 0, chain: NOTHING, day, segment: None }
    }

    /// Begins a segment, and gives its stem.
    pub fn begin(&mut self) -> String {
        let first = self.seq + 1;
        let day = self.day.replace('-', "");
        let stem = format!("audit-{first:020}-{day}T030405.{:06}Z", first % 1_000_000);
        let file = File::create(self.directory.join(format!("{stem}.jsonl"))).unwrap();
        self.segment = Some(Segment { stem: stem.clone(), first, file: BufWriter::new(file) });
        let (instance, previous) = (&self.instance, hex(&self.chain));
        self.line(&format!(
            "{{\"phase\":\"segment\",\"version\":1,\"instance\":\"{instance}\",\"first\":{first},\
             \"previous\":\"{previous}\""
        ));
        stem
    }

    /// Writes the next record.
    pub fn record(&mut self) {
        self.seq += 1;
        let (seq, instance) = (self.seq, &self.instance);
        let members = members(seq, instance).replace(DAY, &self.day);
        self.line(&format!("{members}{seq}"));
    }

    fn line(&mut self, hashed: &str) {
        let (line, chain) = seal(&self.chain, hashed);
        self.chain = chain;
        writeln!(self.segment.as_mut().unwrap().file, "{line}").unwrap();
    }

    /// Signs how far it has come: the records are in the file before.
    pub fn checkpoint(&mut self, closed: bool) {
        let segment = self.segment.as_mut().unwrap();
        segment.file.flush().unwrap();
        let count = self.seq + 1 - segment.first;
        let rest = if closed { ",\"closed\":true" } else { "" };
        let head = hex(&self.chain);
        let said = checkpoint(&self.instance, &segment.stem, self.seq, &head, count, rest);
        let said = said.replace(DAY, &self.day);
        let line = sign(&self.keys, &said) + "\n";
        let path = self.directory.join(format!("{}.checkpoints", segment.stem));
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
        let fresh = self.directory.join("head.new");
        fs::write(&fresh, line).unwrap();
        fs::rename(fresh, self.directory.join("head")).unwrap();
    }

    /// Writes so many records into a new segment, with a checkpoint behind each `every`.
    pub fn segment(&mut self, records: u64, every: u64) -> String {
        let stem = self.begin();
        for number in 1..=records {
            self.record();
            if number % every == 0 && number < records {
                self.checkpoint(false);
            }
        }
        stem
    }

    /// Writes what waits to be written.
    pub fn flush(&mut self) {
        self.segment.as_mut().unwrap().file.flush().unwrap();
    }
}

/// A record up to its number. Its id says which number it has.
#[must_use]
pub fn members(seq: u64, instance: &str) -> String {
    let (second, micros) = (seq / 1_000 % 60, seq % 1_000 * 1_000);
    let minute = seq / 60_000 % 60;
    format!(
        "{{\"id\":\"01942500-0000-7000-8000-{seq:012x}\",\"phase\":\"denial\",\
         \"timestamp\":\"2025-01-02T03:{minute:02}:{second:02}.{micros:06}Z\",\
         \"event_type\":\"api_access\",\"action\":\"notes.read\",\"operation\":\"view\",\
         \"user_id\":\"user-{}\",\"organization_id\":\"7\",\"tenant_id\":\"7\",\
         \"roles\":[\"READER\"],\"resource_type\":\"Note\",\"resource_id\":\"{seq}\",\
         \"method\":\"GET\",\"endpoint\":\"/notes/{seq}\",\"route\":\"/notes/{{id}}\",\
         \"decision\":\"deny\",\"reason\":\"role\",\"policies\":[\"reader-reads\"],\
         \"policy_digest\":\"sha256:0123456789abcdef\",\"facts_age_ms\":12,\"break_glass\":null,\
         \"ip_address\":\"192.0.2.7\",\"user_agent\":\"curl/8.5.0\",\"status\":403,\
         \"upstream_status\":null,\"success\":false,\"duration_ms\":0.31,\"details\":{{}},\
         \"instance\":\"{instance}\",\"seq\":",
        seq % 97
    )
}

/// Compresses a file of a journal, as the gate does with those that are closed.
pub fn compress(path: &Path) {
    let packed = pack(&fs::read(path).unwrap());
    let mut name = path.as_os_str().to_owned();
    name.push(".zst");
    fs::write(name, packed).unwrap();
    fs::remove_file(path).unwrap();
}

/// Bytes, compressed, with a checksum.
#[must_use]
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What was compressed.
#[must_use]
pub fn unpack(bytes: &[u8]) -> Vec<u8> {
    zstd::decode_all(bytes).unwrap()
}
