//! Records the questions that are put to the policies, for tests of a bundle and for explanations. A request in a
//! running gate has no witness; that costs one comparison each time Cedar is asked.

use std::sync::{Arc, Mutex, PoisonError};

use policy_store::bundle::Slice;

use crate::judge::decide::Question;

/// The point of the pipeline at which a question is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The layers up to `role`.
    Early,
    /// The layers after `role`.
    Late,
    /// The check whether the caller may act in a tenant.
    ActIn,
}

/// A question that was put to the policies.
#[derive(Debug, Clone)]
pub struct Put {
    /// The point at which it was put.
    pub moment: Moment,
    /// The action of the request.
    pub action: Arc<str>,
    /// The request and the entities, as Cedar saw them.
    pub question: Question,
}

/// A log of the questions, in the order in which they were put.
#[derive(Debug, Default)]
pub struct Witness(Mutex<Vec<Put>>);

impl Witness {
    /// Takes the questions recorded since the last call.
    pub fn take(&self) -> Vec<Put> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records a question, if there is a witness.
    pub(super) fn hear(witness: Option<&Self>, moment: Moment, slice: &Slice, question: &Question) {
        let Some(Self(heard)) = witness else { return };
        let action = Arc::from(slice.action.id().unescaped());
        let put = Put { moment, action, question: question.clone() };
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(put);
    }
}
