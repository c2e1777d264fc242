//! Intents without an outcome.
//!
//! Memory holds only the intents that were open at the same time, however long the journal. Lines that this program
//! wrote begin with id and phase, so that hardly any line has to be parsed.

use std::collections::HashMap;
use std::io;

use serde::Deserialize;
use uuid::Uuid;

use crate::entry::{Phase, Record};
use crate::journal::now;
use crate::lines::{Line, read_line};
use crate::seal::Sealed;
use crate::segments::SegmentFile;

/// The part of a record that matches it with another record.
#[derive(Deserialize)]
struct Start<'a> {
    id: &'a str,
    phase: Phase,
}

/// The intents with numbers above `settled` that have no outcome, in order. `last` is the number of the last record.
/// In a `damaged` journal, what cannot be read is skipped.
pub(super) fn open(
    segments: &[SegmentFile],
    settled: u64,
    last: u64,
    damaged: bool,
) -> io::Result<Vec<Record>> {
    let mut open: HashMap<Uuid, (u64, Vec<u8>)> = HashMap::new();
    for (index, segment) in segments.iter().enumerate() {
        let end = segments.get(index + 1).map_or(last, |next| next.first.saturating_sub(1));
        if end > settled {
            match read(segment, settled, &mut open) {
                Err(error) if damaged => {
                    let segment = &segment.stem;
                    tracing::error!(%segment, %error, "open intents may be among what cannot be read");
                }
                read => read?,
            }
        }
    }
    let mut intents: Vec<_> = open.into_iter().collect();
    intents.sort_unstable_by_key(|(_, (seq, _))| *seq);
    let record = |(id, (_, line)): (Uuid, (u64, Vec<u8>))| {
        // A record of another version still gets its outcome, if only with the id.
        let parsed = serde_json::from_slice(&line);
        parsed.unwrap_or_else(|_| Record::new(id, Phase::Intent, now()))
    };
    Ok(intents.into_iter().map(record).collect())
}

fn read(
    segment: &SegmentFile,
    settled: u64,
    open: &mut HashMap<Uuid, (u64, Vec<u8>)>,
) -> io::Result<()> {
    let (mut reader, mut line) = (segment.open()?, Vec::new());
    while let Line::Whole(_) = read_line(&mut reader, &mut line)? {
        let Some((id, phase)) = start(&line) else { continue };
        match phase {
            Phase::Intent => {
                let seq = Sealed::parse(&line).and_then(|sealed| sealed.seq()).unwrap_or(u64::MAX);
                if seq > settled {
                    open.insert(id, (seq, line.clone()));
                }
            }
            // A denial after an intent: the intent was written but could not be synced, so the request was refused.
            Phase::Outcome | Phase::Denial => drop(open.remove(&id)),
        }
    }
    Ok(())
}

/// The id and the phase of a record.
fn start(line: &[u8]) -> Option<(Uuid, Phase)> {
    if let Some(rest) = line.strip_prefix(br#"{"id":""#)
        && let Some((id, rest)) = rest.split_at_checked(36)
        && let Some(rest) = rest.strip_prefix(br#"","phase":""#)
    {
        let phases = [
            (&b"intent\""[..], Phase::Intent),
            (b"outcome\"", Phase::Outcome),
            (b"denial\"", Phase::Denial),
        ];
        let known = phases.into_iter().find(|(word, _)| rest.starts_with(word));
        if let (Ok(id), Some((_, phase))) = (Uuid::try_parse_ascii(id), known) {
            return Some((id, phase));
        }
    }
    let parsed: Start<'_> = serde_json::from_slice(line).ok()?;
    Some((parsed.id.parse().ok()?, parsed.phase))
}
