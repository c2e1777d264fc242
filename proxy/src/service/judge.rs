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

use super::{Ctx, Service};
use crate::accept::{Arrival, Malformed};
use crate::body::{self, BodyFault};
use crate::pipeline::{First, Permit, Sent, TRIES};
use crate::refusal::Refusal;
use crate::reply;
use crate::trail::Trail;

/// A body that is refused unread is still taken off the wire up to this length, so that the
/// client, which may be sending it, gets the answer.
const DRAINED: Duration = Duration::from_secs(2);

impl Service {
    /// Judges a request and makes its intent durable.
    async fn judge(
        &self,
        mut session: Option<&mut Session>,
        ctx: &mut Ctx,
        now: f64,
    ) -> Result<(), Refusal> {
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
                    if just_read {
                        body = Some(self.read_body(session.as_deref_mut(), arrival).await?);
                        ctx.body_was_read = arrival.has_body;
                    }
                    let bytes = body.clone().unwrap_or_default();
                    let sent = Sent { bytes: &bytes, just_read };
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

    /// Reads the body whole. Pingora keeps a copy, and sends that on byte for byte.
    async fn read_body(
        &self,
        session: Option<&mut Session>,
        arrival: &Arrival,
    ) -> Result<Bytes, Refusal> {
        if !arrival.has_body {
            return Ok(Bytes::new());
        }
        let Some(session) = session else {
            return Err(Refusal::Internal("a body that cannot be read yet".to_owned()));
        };
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

    /// Records a refusal, and then answers it.
    async fn refuse(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        refusal: &Refusal,
    ) -> pingora::Result<()> {
        let (Some(arrival), Some(trail)) = (ctx.arrival.as_deref(), ctx.trail.as_deref_mut())
        else {
            return reply::write(session, 500, &[], None, false).await;
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
        let (mut headers, body) = if let Some(place) = place {
            (reply::redirect(place, ctx.id), None)
        } else {
            let (headers, body) = reply::problem(&answer, ctx.id);
            (headers, Some(body))
        };
        headers.extend(self.cors.headers(arrival, false));
        let status = if place.is_some() { 302 } else { answer.status };
        // A client that waits for `100 Continue` may or may not send the body now: what comes next
        // could be that, or another request.
        let waits = arrival.control.expects_continue && arrival.has_body && !ctx.body_was_read;
        let keep = arrival.fault.is_none() && !waits;
        let downstream = session.as_downstream_mut();
        if keep {
            downstream.set_close_on_response_before_downstream_finish(false);
            downstream.set_total_drain_timeout(Some(DRAINED));
        }
        reply::write(session, status, &headers, body, arrival.head_only).await
    }

    /// Begins a request. One without a body is judged at once, and its identity written to the end
    /// of `head`, which lacks its empty line: so pingora parses what goes out, and nothing is put
    /// into it afterwards.
    pub(crate) async fn begin(&self, arrival: Arrival, head: &mut BytesMut) -> Ctx {
        let mut ctx = Ctx { id: Uuid::now_v7(), ..Ctx::default() };
        let (at, started) = (now(), Instant::now());
        let later = arrival.has_body || arrival.fault.is_some() || self.cors.is_preflight(&arrival);
        ctx.trail = Some(Box::new(Trail::begin(&arrival, ctx.id, at, started)));
        ctx.arrival = Some(Box::new(arrival));
        if later {
            return ctx;
        }
        ctx.judged = Some(self.judged(None, &mut ctx).await);
        if let Some(recorded) = &ctx.recorded {
            ctx.identity_said = self.forwarding.write_identity(recorded, head);
        }
        ctx
    }

    /// Judges a request. A panic in it is a refusal like any other.
    async fn judged(&self, session: Option<&mut Session>, ctx: &mut Ctx) -> Result<(), Refusal> {
        let Some((at, started)) = ctx.trail.as_deref().map(Trail::begun) else {
            return Err(Refusal::Internal("a request without a trail".to_owned()));
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds since the epoch stay below 2^53"
        )]
        let seconds = (at.unix_timestamp_nanos() / 1_000) as f64 / 1e6;
        let judged = AssertUnwindSafe(self.judge(session, ctx, seconds)).catch_unwind().await;
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

    /// Everything before forwarding.
    pub(super) async fn gate(&self, session: &mut Session, ctx: &mut Ctx) -> pingora::Result<bool> {
        let Some(arrival) = ctx.arrival.as_deref() else {
            return Err(Error::explain(ErrorType::InternalError, "a request without a head"));
        };
        if arrival.fault.is_none() && self.cors.is_preflight(arrival) {
            let mut headers = self.cors.headers(arrival, true);
            headers.push(("X-Request-Id", ctx.id.to_string()));
            reply::write(session, 204, &headers, None, false).await?;
            return Ok(true);
        }
        let judged = match ctx.judged.take() {
            Some(judged) => judged,
            None => self.judged(Some(session), ctx).await,
        };
        let Err(refusal) = judged else { return Ok(false) };
        self.refuse(session, ctx, &refusal).await?;
        Ok(true)
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
