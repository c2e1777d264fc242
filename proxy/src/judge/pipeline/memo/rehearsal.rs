//! Puts recent questions to new policies before they are in force, the most frequent first. After the swap the
//! answers are already remembered, and requests do not all wait for Cedar at once.
//!
//! The remembered answer is the one that the request itself would get: the
//! same question, under the key made from the question.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use policy_store::bundle::breathe;
use policy_store::watch::Published;

use super::{Answers, Given, Memo};
use crate::judge::pipeline::ask::Answer;

/// The maximum time of a rehearsal. New policies may revoke what the old ones allow, so they must not wait long.
const LONGEST: Duration = Duration::from_millis(400);

/// The maximum number of questions put to new policies, the most frequent ones. All due questions are in memory at
/// once, and many more could not be answered in [`LONGEST`].
const MOST: usize = 16 * 1024;

/// A due question: how often it was asked lately, and a function that asks it.
type Due<'a> = (u32, Box<dyn FnOnce() + 'a>);

impl Memo {
    /// Puts recent questions to `next`, which is about to be in force.
    pub(crate) fn rehearse(&self, next: &Published) {
        let Some(kept) = &self.kept else { return };
        let (began, tick) = (Instant::now(), self.tick.load(Ordering::Relaxed));
        let mut due = Vec::new();
        kept.early.add_due(next, (tick, began), &mut due);
        kept.late.add_due(next, (tick, began), &mut due);
        kept.act_in.add_due(next, (tick, began), &mut due);
        keep_most_frequent(&mut due);
        due.sort_by_key(|(uses, _)| Reverse(*uses));
        let (all, mut asked) = (due.len(), 0);
        for (_, ask) in due {
            breathe();
            if began.elapsed() >= LONGEST {
                break;
            }
            ask();
            asked += 1;
        }
        let took_ms = began.elapsed().as_millis();
        tracing::info!(
            asked,
            left = all - asked,
            took_ms,
            "asked new policies what was asked lately"
        );
    }
}

/// Drops the least frequent questions beyond [`MOST`].
fn keep_most_frequent(due: &mut Vec<Due<'_>>) {
    if due.len() > MOST {
        due.select_nth_unstable_by_key(MOST, |(uses, _)| Reverse(*uses));
        due.truncate(MOST);
    }
}

impl<A: Answer> Answers<A> {
    fn add_due<'a>(
        &'a self,
        next: &'a Published,
        (tick, began): (u32, Instant),
        due: &mut Vec<Due<'a>>,
    ) {
        let known = self.0.iter().inspect(|_| breathe()).map(|(_, given)| given);
        // Looking through a full memory takes longer than new policies may wait.
        let known = known.take_while(|_| began.elapsed() < LONGEST);
        for question in known.filter_map(|given| self.due(next, given, tick)) {
            due.push(question);
            if due.len() >= 2 * MOST {
                keep_most_frequent(due);
            }
        }
    }

    /// The question as due; `None` if it was not asked lately, has a known answer, or no longer arises.
    fn due<'a>(&'a self, next: &'a Published, given: Arc<Given<A>>, tick: u32) -> Option<Due<'a>> {
        let uses = given.uses.lately(tick)?;
        let access = given.asked.access_in(&next.bundle)?;
        let key = A::key(next, &given.asked.seen(&access));
        if self.0.contains_key(&key) {
            return None;
        }
        let ask = move || {
            // Two questions that the old policies could tell apart may be the same for the new ones.
            if self.0.contains_key(&key) {
                return;
            }
            let seen = given.asked.seen(&access);
            // A question that fails is not remembered: the next request asks it again and is refused.
            if let Ok(answer) = Given::new(&next.bundle, &seen, None, given.uses.same()) {
                self.0.insert(key, answer);
            }
        };
        Some((uses, Box::new(ask)))
    }
}
