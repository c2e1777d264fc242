//! Remembers decisions, exactly: a decision is a pure function of what is put to the policies, and
//! the key holds all of it that they can see.
//!
//! Facts are in the key as their versions, the bundle as the number of those policies of a slice that are
//! asked; so an entry is never wrong, only no longer asked for, and an edit of one policy makes nothing
//! else forgotten. What is left out is what the policies cannot look at, as
//! [`View`](policy_store::bundle::View) has it: the path but for the forms that they hold it
//! against, the names of a caller and of an object, the token's age, the client's address. Where a name
//! is not seen, what is said of its bearer is in the key as the likeness of the fact: a thousand nurses
//! of one hospital have one entry.

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

/// A decision is not remembered when the client chose more bytes of its question than this: hardly anybody asks
/// the same again, and whoever writes such questions could fill the memory with a few of them.
const LARGEST: usize = 4 * 1024;
/// How often an answer was given is counted for so long.
const TICK: Duration = Duration::from_secs(30);

/// The decisions that are remembered.
#[derive(Debug)]
pub(crate) struct Memo {
    /// `None`: nothing is.
    kept: Option<Kept>,
    /// Counts times of [`TICK`].
    tick: AtomicU32,
}

#[derive(Debug)]
struct Kept {
    early: Answers<Early>,
    late: Answers<Judged>,
    act_in: Answers<MayActIn>,
}

/// A look into it writes nothing but that there was one, and next to the answer, which is counted as held
/// anyway: what is asked for often is shared by all workers, and a list in the order of use would be
/// written by each of them at each request.
#[derive(Debug)]
struct Answers<A: Answer>(Bounded<A>);

/// An answer, with what was asked.
#[derive(Debug)]
pub(super) struct Given<A> {
    answer: A,
    asked: Remembered,
    /// How much room the two and their key take, in bytes.
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
    /// Remembers up to so many bytes of decisions; nothing at all without a number.
    pub(crate) fn new(bytes: Option<u64>) -> Self {
        Self { kept: bytes.map(Kept::new), tick: AtomicU32::new(0) }
    }

    /// How many bytes the decisions take that are remembered.
    pub(crate) fn held(&self) -> u64 {
        self.kept.as_ref().map_or(0, Kept::held)
    }

    /// Keeps the time in which answers are given.
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

    /// The remembered answer, or a new one, which is remembered unless it is that the policies are
    /// broken or cannot be asked.
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
        // Half of it for what is decided after the layer `role`, which depends on tenant, object and body.
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
