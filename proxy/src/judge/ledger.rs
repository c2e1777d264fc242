//! Stage 6 of 7: record. Makes the intent durable before the request is forwarded.

use std::sync::Arc;

use audit::{Journal, Record};
use base::chain;

use crate::judge::pipeline::Permit;
use crate::judge::refusal::Refusal;
use crate::judge::trail::Trail;
use crate::metrics::Metrics;

/// The journal and the metrics of requests.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    pub(crate) journal: Arc<Journal>,
    pub(crate) metrics: Arc<Metrics>,
}

/// A permit whose intent is durable. Only such a permit may be forwarded.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) permit: Permit,
    outcome: Outcome,
}

/// Writes the outcome when it is closed or, should a panic or a hard shutdown prevent that, when it
/// is dropped.
#[derive(Debug)]
struct Outcome {
    ledger: Ledger,
    trail: Option<Box<Trail>>,
    /// Whether the intent was only counted: then the outcome is only counted, too.
    counted: bool,
}

impl Ledger {
    /// Records that a request is about to be forwarded.
    ///
    /// # Errors
    ///
    /// Fails if the intent cannot be recorded: then the request is not forwarded. The trail is returned.
    pub(crate) async fn intent(
        &self,
        mut trail: Box<Trail>,
        permit: Permit,
    ) -> Result<Recorded, (Refusal, Option<Box<Trail>>)> {
        trail.intended();
        // The outcome exists before the intent is written, so that a client that disconnects leaves no open intent.
        let mut outcome = Outcome { ledger: self.clone(), trail: Some(trail), counted: false };
        let written = match outcome.trail.as_deref().filter(|trail| trail.recorded) {
            Some(trail) if trail.is_anonymous() => {
                self.journal.commit_or_count(&trail.record).await
            }
            Some(trail) => self.journal.commit(&trail.record).await.map(|()| false),
            None => Ok(false),
        };
        match written {
            Ok(counted) => {
                outcome.counted = counted;
                Ok(Recorded { permit, outcome })
            }
            Err(error) => Err((Refusal::Unrecordable(chain(&error)), outcome.trail.take())),
        }
    }

    /// Records a refusal before it is answered.
    ///
    /// # Errors
    ///
    /// Fails if the refusal cannot be recorded: then another refusal is answered.
    pub(crate) async fn denial(&self, trail: &Trail) -> Result<(), Refusal> {
        let written = match (trail.recorded, trail.is_anonymous()) {
            (false, _) => Ok(()),
            (true, true) => self.journal.commit_anonymous(&trail.record).await,
            (true, false) => self.journal.commit(&trail.record).await,
        };
        written.map_err(|error| Refusal::Unrecordable(chain(&error)))
    }

    /// Counts the request in the metrics.
    pub(crate) fn count(&self, trail: &Trail) {
        self.metrics.observe(&trail.record, &trail.timings());
    }
}

impl Recorded {
    /// The record of the intent.
    pub(crate) fn record(&self) -> Option<&Record> {
        self.outcome.trail.as_ref().map(|trail| &trail.record)
    }

    /// Records the outcome of the request.
    pub(crate) fn close(
        mut self,
        status: Option<u16>,
        upstream_status: Option<u16>,
        success: bool,
        amend: impl FnOnce(&mut Trail),
    ) {
        if let Some(mut trail) = self.outcome.trail.take() {
            trail.ended(status, upstream_status, Some(success));
            amend(&mut trail);
            self.outcome.ledger.outcome(&trail, self.outcome.counted);
        }
    }
}

impl Ledger {
    fn outcome(&self, trail: &Trail, counted: bool) {
        if counted {
            self.journal.count_outcome(&trail.record);
        } else if trail.recorded {
            self.journal.append_outcome(&trail.record);
        }
        self.count(trail);
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        if let Some(mut trail) = self.trail.take() {
            trail.ended(None, None, None);
            trail.record.details.insert("aborted".to_owned(), true.into());
            self.ledger.outcome(&trail, self.counted);
        }
    }
}
