//! The lines that wait for the next write, in one reused buffer.

use std::collections::VecDeque;
use std::time::Instant;

use super::GATHERED;
use crate::Phase;

/// The capacity in bytes that is kept for the next lines; more is released when nothing waits.
const ROOM: usize = 16 * GATHERED;
/// The capacity in lines that is kept.
const LINES: usize = 2048;

/// Waiting lines, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    text: Vec<u8>,
    /// The length of the text before the oldest line, which is gone.
    start: usize,
    lines: VecDeque<Line>,
    /// Since when a line waits that no attempt to write has included.
    untried: Option<Instant>,
}

#[derive(Debug)]
struct Line {
    length: usize,
    since: Instant,
    phase: Phase,
    /// Whether a request waits for the line.
    awaited: bool,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len().saturating_sub(self.start)
    }

    /// Since when the oldest line waits.
    pub(super) fn since(&self) -> Option<Instant> {
        self.lines.front().map(|line| line.since)
    }

    pub(super) fn push(&mut self, text: &[u8], phase: Phase, awaited: bool) {
        self.text.extend_from_slice(text);
        // Lines go together: those that come before the next attempt to write share a time.
        let since = *self.untried.get_or_insert_with(Instant::now);
        self.lines.push_back(Line { length: text.len(), since, phase, awaited });
    }

    /// How many of the oldest lines fit into `bytes` together.
    pub(super) fn fitting(&self, mut bytes: usize) -> usize {
        let fits = self.lines.iter().take_while(|line| {
            let left = bytes.checked_sub(line.length);
            bytes = left.unwrap_or_default();
            left.is_some()
        });
        fits.count()
    }

    /// Notes an attempt to write: lines that come later have not waited for as long.
    pub(super) fn tried(&mut self) {
        self.untried = None;
    }

    /// The text of the oldest `count` lines.
    pub(super) fn first(&self, count: usize) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.text.get(self.start..).unwrap_or_default();
        self.lines.iter().take(count).map_while(move |line| {
            let (text, behind) = rest.split_at_checked(line.length)?;
            rest = behind;
            Some(text)
        })
    }

    /// Removes the oldest `count` lines. Returns how many of them were awaited.
    pub(super) fn remove_first(&mut self, count: usize) -> u64 {
        let mut awaited = 0;
        for line in self.lines.drain(..count) {
            self.start = self.start.saturating_add(line.length);
            awaited += u64::from(line.awaited);
        }
        self.tidy();
        awaited
    }

    /// Removes all awaited lines. Returns how many intents were among them.
    pub(super) fn remove_awaited(&mut self) -> u64 {
        let (mut from, mut to, mut intents) = (self.start, self.start, 0);
        for line in &self.lines {
            let end = from.saturating_add(line.length);
            if line.awaited {
                intents += u64::from(line.phase == Phase::Intent);
            } else {
                if from > to {
                    self.text.copy_within(from..end, to);
                }
                to = to.saturating_add(line.length);
            }
            from = end;
        }
        self.text.truncate(to);
        self.lines.retain(|line| !line.awaited);
        self.tidy();
        intents
    }

    /// Releases the room of removed lines. Mostly nothing is left, and the buffer is cleared. Otherwise the removed
    /// part is cut off when it is longer than the rest, so that no byte is moved often.
    fn tidy(&mut self) {
        if self.lines.is_empty() {
            self.text.clear();
            self.text.shrink_to(ROOM);
            self.lines.shrink_to(LINES);
            self.start = 0;
        } else if self.start > self.bytes() {
            self.text.drain(..self.start);
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(waiting: &Waiting, expected: &[Vec<u8>]) {
        let texts: Vec<_> = waiting.first(usize::MAX).map(<[u8]>::to_vec).collect();
        assert!(texts == expected);
        assert_eq!((waiting.count(), waiting.is_empty()), (expected.len(), expected.is_empty()));
        assert_eq!(waiting.bytes(), texts.concat().len());
        assert_eq!(waiting.since().is_some(), !expected.is_empty());
        assert!(waiting.text.len() <= 2 * waiting.bytes(), "what is gone takes no memory");
    }

    #[test]
    fn lines_come_out_as_they_went_in_and_the_awaited_can_be_taken_out() {
        let (mut waiting, mut expected) = (Waiting::default(), Vec::new());
        let mut chance = 1_u64;
        for step in 0..20_000_usize {
            // Knuth's, of which the upper half is random enough.
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let [.., length, some, kind] = chance.to_le_bytes();
            match kind {
                0..200 => {
                    let text = step.to_string().repeat(usize::from(length));
                    let awaited = some % 3 == 0;
                    let phase = if some % 2 == 0 { Phase::Intent } else { Phase::Outcome };
                    waiting.push(text.as_bytes(), phase, awaited);
                    expected.push((text.into_bytes(), awaited, phase));
                }
                200..250 => {
                    let count = waiting.fitting(usize::from(some) * 100);
                    let awaited = expected.drain(..count).filter(|(_, awaited, _)| *awaited);
                    assert_eq!(awaited.count() as u64, waiting.remove_first(count));
                }
                _ => {
                    let gone = expected.extract_if(.., |(_, awaited, _)| *awaited);
                    let intents = gone.filter(|(.., phase)| *phase == Phase::Intent).count();
                    assert_eq!(waiting.remove_awaited(), intents as u64);
                }
            }
            if step % 50 == 0 {
                let texts: Vec<_> = expected.iter().map(|(text, ..)| text.clone()).collect();
                check(&waiting, &texts);
            }
        }
    }

    #[test]
    fn as_many_fit_as_are_no_longer_together() {
        let mut waiting = Waiting::default();
        for text in ["aaa", "bb", "", "c"] {
            waiting.push(text.as_bytes(), Phase::Outcome, false);
        }
        let fitting: Vec<_> = (0..8).map(|bytes| waiting.fitting(bytes)).collect();
        assert_eq!(fitting, [0, 0, 0, 1, 1, 3, 4, 4]);
    }

    #[test]
    fn after_a_burst_the_memory_is_given_back() {
        let mut waiting = Waiting::default();
        for _ in 0..10_000 {
            waiting.push(&[b' '; 1000], Phase::Outcome, false);
        }
        while !waiting.is_empty() {
            let fitting = waiting.fitting(GATHERED);
            assert_eq!(waiting.remove_first(fitting), 0);
        }
        assert!(waiting.text.capacity() <= ROOM, "{}", waiting.text.capacity());
        assert!(waiting.lines.capacity() <= 2 * LINES, "{}", waiting.lines.capacity());
        waiting.push(b"next", Phase::Outcome, false);
        check(&waiting, &[b"next".to_vec()]);
    }
}
