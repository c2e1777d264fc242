//! Who hears what the policies are asked: tests of a bundle and explanations. A request that is served
//! has no witness, and pays one comparison for that, where Cedar is asked at all.

use std::sync::{Arc, Mutex, PoisonError};

use policy_store::bundle::Slice;

use crate::judge::decide::Question;

/// At which point of the line a question is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The layers up to `role`.
    Early,
    /// The layers after it.
    Late,
    /// Whether the caller may act in a tenant.
    ActIn,
}

/// A question that was put.
#[derive(Debug, Clone)]
pub struct Put {
    /// When.
    pub moment: Moment,
    /// The action that it is about.
    pub action: Arc<str>,
    /// Request and entities, as Cedar saw them.
    pub question: Question,
}

/// Keeps the questions that were put, in their order.
#[derive(Debug, Default)]
pub struct Witness(Mutex<Vec<Put>>);

impl Witness {
    /// What was heard since the last time.
    pub fn take(&self) -> Vec<Put> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells it, if there is one.
    pub(super) fn hear(witness: Option<&Self>, moment: Moment, slice: &Slice, question: &Question) {
        let Some(Self(heard)) = witness else { return };
        let action = Arc::from(slice.action.id().unescaped());
        let put = Put { moment, action, question: question.clone() };
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(put);
    }
}
