//! Fuzz targets of the parsers that read what strangers send, each held against a reader that shares no code with the
//! gate. No instrumented build and no nightly compiler are needed.
//!
//! Each target runs for `CEDARGATE_FUZZ_SECONDS` (10); `CEDARGATE_SEED` repeats a run:
//!
//! ```sh
//! CEDARGATE_FUZZ_SECONDS=600 cargo test --release --workspace --test fuzz -- --nocapture
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the functions that tests share are tests too"
)]

mod answer;
mod framing;
mod head;
mod json;
mod path;
mod token;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use tests::model::Dice;
use tests::seed::seed;

/// Calls `target` with dice until the time is over. A failure prints the seed of the call that failed.
fn run(name: &str, mut target: impl FnMut(&mut Dice)) {
    let told = std::env::var("CEDARGATE_FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
    let time = Duration::from_secs(told.unwrap_or(10));
    let (first, begun, mut count) = (seed(), Instant::now(), 0_u64);
    while begun.elapsed() < time {
        let own = first.wrapping_add(count);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&mut Dice::new(own)))) {
            eprintln!("fuzz target `{name}`: CEDARGATE_SEED={own} repeats this");
            resume_unwind(panic);
        }
        count += 1;
    }
    println!("fuzz target `{name}`: {count} inputs in {time:?}, beginning with seed {first}");
    assert!(count > 0);
}

/// One of these.
fn one_of<'a, T: ?Sized>(dice: &mut Dice, of: &[&'a T]) -> &'a T {
    of[dice.below(of.len())]
}

/// Bytes that parsers look at.
const INTERESTING: &[u8] = b"\r\n\t :;,=\"\\/%.?#\0\x0b\x0c\x7f\x80\xff_-~!*'|^`{}[]0159afAFxXeE+";

/// Damages `bytes` in up to `most` places.
fn damage(dice: &mut Dice, bytes: &mut Vec<u8>, most: usize) {
    for _ in 0..dice.below(most + 1) {
        let at = dice.below(bytes.len() + 1);
        let byte = INTERESTING[dice.below(INTERESTING.len())];
        match dice.below(5) {
            0 if at < bytes.len() => drop(bytes.remove(at)),
            1 if at < bytes.len() => bytes[at] = byte,
            2 => {
                let end = (at + dice.below(12)).min(bytes.len());
                let copied = bytes[at..end].to_vec();
                let to = dice.below(bytes.len() + 1);
                bytes.splice(to..to, copied);
            }
            3 => bytes.truncate(at.max(1)),
            _ => bytes.insert(at, byte),
        }
    }
}

/// `bytes` in pieces of random length.
fn pieces<'a>(dice: &mut Dice, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(dice.between(1, bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}
