//! Everything before forwarding: judging, recording, refusing.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use pingora::proxy::Session;
use pingora::{BError, Error, ErrorType};
use policy_store::source::FactsError;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Ctx, Service, pace};
use crate::accept::{Arrival, Malformed};
use crate::body::{self, BodyFault};
use crate::pipeline::{First, Permit, Sent, TRIES};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::trail::Trail;

/// A body that is refused unread is still taken off the wire up to this length, so that the
/// client, which may be sending it, gets the answer.
const DRAINED: Duration = Duration::from_secs(2);

/// The body of a request that may have to be judged by it.
pub(super) enum Body<'a> {
    /// It came with the head.
    Here(&'a Bytes),
    /// Pingora has to read it.
    Coming(&'a mut Session),
}

impl Service {
    /// Judges a request and makes its intent durable.
    async fn judge(&self, mut sent: Body<'_>, ctx: &mut Ctx, now: f64) -> Result<(), Refusal> {
        let (Some(arrival), Some(trail)) = (ctx.arrival.as_deref(), ctx.trail.as_deref_mut())
        else {
            return Err(Refusal::Internal("a request without a head".to_owned()));
        };
        if self.rate.as_ref().is_some_and(|rate| !rate.allows(arrival.client)) {
            return Err(Refusal::RateLimited);
        }
        let mut body = None;
        for _ in 0..TRIES {
            let permit = match self.pipeline.admit(arrival, now, trail).await? {
                First::Guest(permit) => Some(permit),
                First::Caller(admitted) => {
                    let just_read = admitted.reads_body() && body.is_none();
                    let mut waited = false;
                    if just_read {
                        (body, waited) = match &mut sent {
                            Body::Here(bytes) => (Some(self.judged_body(bytes, arrival)?), false),
                            Body::Coming(session) => {
                                (Some(self.read_body(session, arrival).await?), true)
                            }
                        };
                        ctx.body_was_read = arrival.has_body;
                    }
                    let bytes = body.clone().unwrap_or_default();
                    let sent = Sent { bytes: &bytes, just_read: waited };
                    self.pipeline.conclude(arrival, *admitted, sent, trail).await?
                }
            };
            if let Some(permit) = permit {
                return self.record(ctx, permit).await;
            }
        }
        Err(Refusal::Unloaded(FactsError::Late))
    }

    async fn record(&self, ctx: &mut Ctx, permit: Permit) -> Result<(), Refusal> {
        let Some(trail) = ctx.trail.take() else {
            return Err(Refusal::Internal("a request without a trail".to_owned()));
        };
        match self.ledger.intent(trail, permit).await {
            Ok(recorded) => {
                ctx.recorded = Some(recorded);
                Ok(())
            }
            Err((refusal, trail)) => {
                ctx.trail = trail;
                Err(refusal)
            }
        }
    }

    /// A body that came with its head, if it may be judged.
    fn judged_body(&self, body: &Bytes, arrival: &Arrival) -> Result<Bytes, Refusal> {
        if body.len() > self.json_body {
            return Err(BodyFault::TooLarge.into());
        }
        if arrival.has_body {
            body::supported(&arrival.control)?;
        }
        Ok(body.clone())
    }

    /// Reads the body whole. Pingora keeps a copy, and sends that on byte for byte.
    async fn read_body(&self, session: &mut Session, arrival: &Arrival) -> Result<Bytes, Refusal> {
        if !arrival.has_body {
            return Ok(Bytes::new());
        }
        let header = session.req_header().headers.get("content-length");
        let length = header.and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > self.json_body) {
            return Err(BodyFault::TooLarge.into());
        }
        body::supported(&arrival.control)?;
        let lost = |error: BError| Malformed::Request("the body did not come whole").with(&error);
        let downstream = session.as_downstream_mut();
        if arrival.control.expects_continue {
            downstream.write_continue_response().await.map_err(lost)?;
        }
        downstream.enable_retry_buffering();
        let mut body = BytesMut::new();
        let whole = async {
            while let Some(part) = downstream.read_request_body().await.map_err(lost)? {
                if body.len() + part.len() > self.json_body {
                    return Err(Refusal::Body(BodyFault::TooLarge));
                }
                body.extend_from_slice(&part);
            }
            Ok(())
        };
        let read = tokio::time::timeout(self.body_timeout, whole).await;
        read.map_err(|_| Malformed::Request("the body did not come in time"))??;
        if session.as_downstream().retry_buffer_truncated() {
            return Err(BodyFault::TooLarge.into());
        }
        Ok(body.freeze())
    }

    /// Records a refusal; gives its answer.
    async fn refuse(&self, ctx: &mut Ctx, refusal: &Refusal) -> Reply {
        let (Some(arrival), Some(trail)) = (ctx.arrival.as_deref(), ctx.trail.as_deref_mut())
        else {
            return Reply { status: 500, headers: Vec::new(), body: None };
        };
        let mut answer = trail.refused(refusal);
        let mut place = self.redirects.place(arrival, &answer);
        if place.is_some() {
            trail.record.status = Some(302);
        }
        if !matches!(refusal, Refusal::Unrecordable(_))
            && let Err(unrecordable) = self.ledger.denial(trail).await
        {
            answer = trail.refused(&unrecordable);
            place = None;
        }
        self.ledger.count(trail);
        let mut reply = match place {
            Some(place) => Reply::redirect(place, ctx.id),
            None => Reply::problem(&answer, ctx.id),
        };
        reply.headers.extend(self.cors.headers(arrival, false));
        reply
    }

    /// Judges a request. A panic in it is a refusal like any other.
    async fn judged(&self, sent: Body<'_>, ctx: &mut Ctx) -> Result<(), Refusal> {
        let Some((at, started)) = ctx.trail.as_deref().map(Trail::begun) else {
            return Err(Refusal::Internal("a request without a trail".to_owned()));
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds since the epoch stay below 2^53"
        )]
        let seconds = (at.unix_timestamp_nanos() / 1_000) as f64 / 1e6;
        let judged = AssertUnwindSafe(self.judge(sent, ctx, seconds)).catch_unwind().await;
        let refusal = match judged {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(refusal)) => refusal,
            Err(panic) => Refusal::Internal(panic_text(&*panic)),
        };
        // A panic may have taken the trail with it: the refusal is recorded all the same.
        if let (None, Some(arrival)) = (&ctx.trail, ctx.arrival.as_deref()) {
            ctx.trail = Some(Box::new(Trail::begin(arrival, ctx.id, at, started)));
        }
        Err(refusal)
    }

    /// Everything before forwarding. What the gate answers itself, unless the request is to be forwarded.
    pub(super) async fn answered(&self, sent: Body<'_>, ctx: &mut Ctx) -> Option<Reply> {
        let preflight =
            |arrival: &Arrival| arrival.fault.is_none() && self.cors.is_preflight(arrival);
        if let Some(arrival) = ctx.arrival.as_deref().filter(|arrival| preflight(arrival)) {
            return Some(Reply::preflight(self.cors.headers(arrival, true), ctx.id));
        }
        let refusal = self.judged(sent, ctx).await.err()?;
        let reply = self.refuse(ctx, &refusal).await;
        if refusal.hides_existence()
            && let Some((_, began)) = ctx.trail.as_deref().map(Trail::begun)
        {
            pace::even(began).await;
        }
        Some(reply)
    }

    /// Everything before forwarding, of a request that pingora has.
    pub(super) async fn gate(&self, session: &mut Session, ctx: &mut Ctx) -> pingora::Result<bool> {
        let Some(reply) = self.answered(Body::Coming(session), ctx).await else { return Ok(false) };
        let Some(arrival) = ctx.arrival.as_deref() else {
            return Err(Error::explain(ErrorType::InternalError, "a request without a head"));
        };
        // A client that waits for `100 Continue` may or may not send the body now: what comes next
        // could be that, or another request.
        let waits = arrival.control.expects_continue && arrival.has_body && !ctx.body_was_read;
        if arrival.fault.is_none() && !waits {
            let downstream = session.as_downstream_mut();
            downstream.set_close_on_response_before_downstream_finish(false);
            downstream.set_total_drain_timeout(Some(DRAINED));
        }
        reply.send(session, arrival.head_only).await?;
        Ok(true)
    }
}

impl Ctx {
    /// Begins a request.
    pub(crate) fn begin(arrival: Arrival) -> Self {
        let id = Uuid::now_v7();
        let trail = Trail::begin(&arrival, id, now(), Instant::now());
        let (arrival, trail) = (Some(Box::new(arrival)), Some(Box::new(trail)));
        Self { arrival, trail, id, ..Self::default() }
    }
}

impl Malformed {
    /// The same fault; the cause goes to the log.
    fn with(self, error: &BError) -> Refusal {
        tracing::debug!(%error, "a body was lost");
        self.into()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one reading of the wall clock for a request")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without a message"))
}
