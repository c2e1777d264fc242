//! What was asked lately is asked of new policies before they are in force, the most frequent first: a swap
//! then finds its answers remembered, and not all requests at once wait for Cedar.
//!
//! What is remembered this way is no other answer than the one that the request itself would get: the
//! same question, under the key that is made of it.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use policy_store::bundle::breathe;
use policy_store::watch::Published;

use super::{Answers, Given, Memo};
use crate::judge::pipeline::ask::Answer;

/// New policies may take back what the old ones allow: they wait no longer than this for it.
const LONGEST: Duration = Duration::from_millis(400);

/// No more questions than this are put to new policies, the most frequent of all: what is due has to be in memory at
/// once, and many more could not be answered in that time.
const MOST: usize = 16 * 1024;

/// A question that is new, and how often it was asked of those before.
type Due<'a> = (u32, Box<dyn FnOnce() + 'a>);

impl Memo {
    /// Asks `next`, which is about to be in force, what those before it were asked lately.
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

/// Forgets the least frequent beyond [`MOST`].
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
        // A full memory takes longer to look through than new policies may wait.
        let known = known.take_while(|_| began.elapsed() < LONGEST);
        for question in known.filter_map(|given| self.due(next, given, tick)) {
            due.push(question);
            if due.len() >= 2 * MOST {
                keep_most_frequent(due);
            }
        }
    }

    /// `None`: it was not asked lately, the answer is known, or nobody would ask it any more.
    fn due<'a>(&'a self, next: &'a Published, given: Arc<Given<A>>, tick: u32) -> Option<Due<'a>> {
        let uses = given.uses.lately(tick)?;
        let access = given.asked.access_in(&next.bundle)?;
        let key = A::key(next, &given.asked.seen(&access));
        if self.0.contains_key(&key) {
            return None;
        }
        let ask = move || {
            // Those before told two apart that are one to these.
            if self.0.contains_key(&key) {
                return;
            }
            let seen = given.asked.seen(&access);
            // One that cannot be answered is asked again by whoever needs it, and refused.
            if let Ok(answer) = Given::new(&next.bundle, &seen, None, given.uses.same()) {
                self.0.insert(key, answer);
            }
        };
        Some((uses, Box::new(ask)))
    }
}
