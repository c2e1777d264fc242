//! Remembers decisions. This is exact: a decision is a pure function of the question put to the policies, and
//! the key holds everything that the policies can see of the question.
//!
//! Facts are in the key as their versions, and the bundle as the number of the policies of a slice.
//! So an entry is never wrong, only out of use, and an edit of one policy invalidates no
//! other entries. The key leaves out what the policies cannot see, according to
//! [`View`](policy_store::bundle::View): the path except for the patterns that they compare it
//! with, the names of a caller and of an object, the token's age, the client's address. If a name
//! is not seen, the key has the likeness of the fact in its place: a thousand nurses
//! of one hospital share one entry.

mod key;
mod rehearsal;
mod room;
mod uses;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use policy_store::bundle::Bundle;
use policy_store::watch::Published;

use super::Witness;
use super::ask::{Answer, MayActIn};
use super::seen::{Remembered, Seen};
use crate::judge::decide::{Denied, Early, Judged};

pub(super) use key::{ActInKey, EarlyKey, LateKey};
use room::{Bounded, bounded};
use uses::Uses;

/// The maximum number of bytes that the client may have chosen in a question whose decision is remembered. Long
/// questions are rarely repeated, and a few of them could fill the memory.
const LARGEST: usize = 4 * 1024;
/// The length of a tick, over which the uses of an answer are counted.
const TICK: Duration = Duration::from_secs(30);

/// The remembered decisions.
#[derive(Debug)]
pub(crate) struct Memo {
    /// `None`: nothing is remembered.
    kept: Option<Kept>,
    /// The number of ticks so far.
    tick: AtomicU32,
}

#[derive(Debug)]
struct Kept {
    early: Answers<Early>,
    late: Answers<Judged>,
    act_in: Answers<MayActIn>,
}

/// The answers of one kind. A look-up only writes the answer's use counter, next to its reference count, which is
/// written anyway. A list in the order of use would be shared memory that every worker writes at every
/// request.
#[derive(Debug)]
struct Answers<A: Answer>(Bounded<A>);

/// An answer with the inputs of its question.
#[derive(Debug)]
pub(super) struct Given<A> {
    answer: A,
    asked: Remembered,
    /// The size in bytes of the answer, the inputs and the key.
    weight: u64,
    uses: Uses,
}

impl<A> Deref for Given<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.answer
    }
}

impl Memo {
    /// Remembers decisions in at most `bytes` bytes; `None`: remembers nothing.
    pub(crate) fn new(bytes: Option<u64>) -> Self {
        Self { kept: bytes.map(Kept::new), tick: AtomicU32::new(0) }
    }

    /// The size in bytes of the remembered decisions.
    pub(crate) fn held(&self) -> u64 {
        self.kept.as_ref().map_or(0, Kept::held)
    }

    /// Counts the ticks. Never ends.
    pub(crate) async fn keep_time(&self) {
        loop {
            tokio::time::sleep(TICK).await;
            self.tick.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn early(
        &self,
        published: &Published,
        seen: &Seen<'_>,
        witness: Option<&Witness>,
    ) -> Result<Arc<Given<Early>>, Denied> {
        self.given(|kept| &kept.early, published, seen, witness)
    }

    pub(super) fn late(
        &self,
        published: &Published,
        seen: &Seen<'_>,
        witness: Option<&Witness>,
    ) -> Result<Arc<Given<Judged>>, Denied> {
        self.given(|kept| &kept.late, published, seen, witness)
    }

    pub(super) fn act_in(
        &self,
        published: &Published,
        seen: &Seen<'_>,
        witness: Option<&Witness>,
    ) -> Result<bool, Denied> {
        self.given(|kept| &kept.act_in, published, seen, witness).map(|given| given.0)
    }

    /// The remembered answer, or a new one, which is then remembered. Failures (broken policies, or a question that
    /// cannot be put) are not remembered.
    fn given<A: Answer>(
        &self,
        answers: impl FnOnce(&Kept) -> &Answers<A>,
        published: &Published,
        seen: &Seen<'_>,
        witness: Option<&Witness>,
    ) -> Result<Arc<Given<A>>, Denied> {
        let ask = |tick| Given::new(&published.bundle, seen, witness, Uses::once(tick));
        let remembers = seen.chosen() <= LARGEST;
        let Some(kept) = self.kept.as_ref().filter(|_| remembers) else { return ask(0) };
        let (answers, tick) = (answers(kept), self.tick.load(Ordering::Relaxed));
        let key = A::key(published, seen);
        if let Some(known) = answers.0.get(&key) {
            known.uses.again(tick);
            return Ok(known);
        }
        let given = ask(tick)?;
        answers.0.insert(key, Arc::clone(&given));
        Ok(given)
    }
}

impl<A: Answer> Given<A> {
    fn new(
        bundle: &Bundle,
        seen: &Seen<'_>,
        witness: Option<&Witness>,
        uses: Uses,
    ) -> Result<Arc<Self>, Denied> {
        let answer = A::ask(bundle, seen, witness)?;
        let asked = Remembered::of(seen);
        let weight = room::weight::<A>(&asked);
        Ok(Arc::new(Self { answer, asked, weight, uses }))
    }
}

impl Kept {
    fn new(bytes: u64) -> Self {
        // Half for decisions after the layer `role`: they depend on tenant, object and body, so there are more of them.
        let (eighth, half) = (bytes / 8, bytes / 2);
        let (early, act_in) = (Answers(bounded(eighth * 3)), Answers(bounded(eighth)));
        Self { early, late: Answers(bounded(half)), act_in }
    }

    fn held(&self) -> u64 {
        self.early.0.weight() + self.late.0.weight() + self.act_in.0.weight()
    }
}

#[cfg(test)]
mod tests;
