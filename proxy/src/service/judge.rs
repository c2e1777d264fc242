//! Handles a request up to forwarding: judges and records or refuses it.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use policy_store::source::FactsError;

use super::{Ctx, Service, even};
use crate::accept::{Arrival, Malformed};
use crate::http::connection::{BodyLost, ClientStream};
use crate::http::framing::Framing;
use crate::judge::body::{self, BodyFault};
use crate::judge::pipeline::{First, Permit, Sent, TRIES};
use crate::judge::refusal::Refusal;
use crate::judge::trail::Trail;
use crate::service::reply::Reply;

/// The interim response that tells a client to send its body (RFC 9110, 15.2.1).
const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Service {
    /// Judges a request and makes its intent durable.
    async fn judge(
        &self,
        client: &mut ClientStream,
        ctx: &mut Ctx,
        now: f64,
    ) -> Result<(), Refusal> {
        let Some(trail) = ctx.trail.as_deref_mut() else {
            return Err(Refusal::Internal("a request without a trail".to_owned()));
        };
        let arrival = &*ctx.arrival;
        if self.rate.as_ref().is_some_and(|rate| !rate.allows(arrival.client)) {
            return Err(Refusal::RateLimited);
        }
        for _ in 0..TRIES {
            let permit = match self.pipeline.admit(arrival, now, trail).await? {
                First::Guest(permit) => Some(permit),
                First::Caller(admitted) => {
                    let mut just_read = false;
                    if admitted.reads_body() && ctx.body.is_none() {
                        let (body, waited) = self.body(client, arrival).await?;
                        (ctx.body, just_read) = (Some(body), waited);
                    }
                    let bytes = ctx.body.clone().unwrap_or_default();
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

    /// Reads a body that is to be judged. Returns the body, and whether reading had to wait for the client.
    async fn body(
        &self,
        client: &mut ClientStream,
        arrival: &Arrival,
    ) -> Result<(Bytes, bool), Refusal> {
        if !arrival.has_body {
            return Ok((Bytes::new(), false));
        }
        let framing = client.incoming.body();
        if matches!(framing, Framing::Length(length) if length > self.json_body as u64) {
            return Err(BodyFault::TooLarge.into());
        }
        body::supported(&arrival.control)?;
        if let Some(body) = client.incoming.take_whole() {
            return Ok((body, false));
        }
        if arrival.control.expects_continue && !client.say(GO_ON).await {
            return Err(Malformed::Request("the body did not come whole").into());
        }
        let whole = tokio::time::timeout(self.body_timeout, self.rest_of_body(client)).await;
        Ok((whole.map_err(|_| lost(client, &BodyLost::Slow))??, true))
    }

    async fn rest_of_body(&self, client: &mut ClientStream) -> Result<Bytes, Refusal> {
        let mut body = BytesMut::new();
        loop {
            let part = match client.incoming.part().await {
                Ok(Some(part)) => part,
                Ok(None) => return Ok(body.freeze()),
                Err(fault) => return Err(lost(client, &fault)),
            };
            if body.len() + part.len() > self.json_body {
                return Err(BodyFault::TooLarge.into());
            }
            body.extend_from_slice(&part);
        }
    }

    /// Records a refusal and returns the response to it.
    async fn refuse(&self, ctx: &mut Ctx, refusal: &Refusal) -> Reply {
        let arrival = &*ctx.arrival;
        let Some(trail) = ctx.trail.as_deref_mut() else {
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

    /// Judges a request. A panic becomes a refusal.
    async fn judged(&self, client: &mut ClientStream, ctx: &mut Ctx) -> Result<(), Refusal> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds since the epoch stay below 2^53"
        )]
        let seconds = (ctx.at.unix_timestamp_nanos() / 1_000) as f64 / 1e6;
        let judged = AssertUnwindSafe(self.judge(client, ctx, seconds)).catch_unwind().await;
        let refusal = match judged {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(refusal)) => refusal,
            Err(panic) => Refusal::Internal(panic_text(&*panic)),
        };
        // A panic may have dropped the trail; the refusal is recorded with a new one.
        if ctx.trail.is_none() {
            ctx.trail = Some(Box::new(Trail::begin(&ctx.arrival, ctx.id, ctx.at, ctx.started)));
        }
        Err(refusal)
    }

    /// Handles a request up to forwarding. Returns the gate's own response; `None`: the request is to be forwarded.
    pub(super) async fn answered(&self, client: &mut ClientStream, ctx: &mut Ctx) -> Option<Reply> {
        let arrival = &*ctx.arrival;
        if arrival.fault.is_none() && self.cors.is_preflight(arrival) {
            return Some(Reply::preflight(self.cors.headers(arrival, true), ctx.id));
        }
        let refusal = self.judged(client, ctx).await.err()?;
        let reply = self.refuse(ctx, &refusal).await;
        if refusal.hides_existence() {
            even::wait(ctx.started).await;
        }
        Some(reply)
    }
}

/// The refusal of a body that does not arrive completely. Marks the start of the next request as unknown.
fn lost(client: &mut ClientStream, fault: &BodyLost) -> Refusal {
    tracing::debug!(error = %fault, "a body was lost");
    client.lose();
    Malformed::from(fault).into()
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without a message"))
}
