//! The one `ProxyHttp`: each of pingora's phases is one call into a stage. Reads the clock.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{BError, Error, ErrorSource, ErrorType};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accept::{Arrival, Malformed};
use crate::body::{self, BodyFault};
use crate::cors::Cors;
use crate::forward::Forwarding;
use crate::ledger::{Ledger, Recorded};
use crate::limit::RateLimit;
use crate::pipeline::{First, Permit, Pipeline};
use crate::refusal::Refusal;
use crate::reply::{self, Redirects};
use crate::trail::Trail;

/// A body that is refused unread is still taken off the wire up to this length, so that the
/// client, which may be sending it, gets the answer.
const DRAINED: Duration = Duration::from_secs(2);

/// The gate as pingora sees it.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) pipeline: Pipeline,
    pub(crate) ledger: Ledger,
    pub(crate) forwarding: Forwarding,
    pub(crate) cors: Cors,
    pub(crate) redirects: Redirects,
    pub(crate) rate: Option<RateLimit>,
    pub(crate) upstream: Upstream,
    pub(crate) json_body: usize,
    pub(crate) body_timeout: Duration,
}

/// The application behind the gate.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Its address, as last resolved.
    pub(crate) address: Arc<ArcSwapOption<std::net::SocketAddr>>,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
}

/// What is kept of a request between pingora's phases.
#[derive(Debug, Default)]
pub(crate) struct Ctx {
    arrival: Option<Box<Arrival>>,
    trail: Option<Box<Trail>>,
    id: Uuid,
    recorded: Option<Recorded>,
    body_was_read: bool,
    upstream_status: Option<u16>,
    /// A refusal that came after the intent: how the upstream failed.
    failure: Option<Refusal>,
    /// What the upstream tells the record.
    audit: Vec<(String, String)>,
}

impl Service {
    /// Judges a request and makes its intent durable.
    async fn judge(&self, session: &mut Session, ctx: &mut Ctx, now: f64) -> Result<(), Refusal> {
        let (Some(arrival), Some(trail)) = (ctx.arrival.as_deref(), ctx.trail.as_deref_mut()) else {
            return Err(Refusal::Internal("a request without a head".to_owned()));
        };
        if self.rate.as_ref().is_some_and(|rate| !rate.allows(arrival.client)) {
            return Err(Refusal::RateLimited);
        }
        let permit = match self.pipeline.admit(arrival, now, trail).await? {
            First::Guest(permit) => permit,
            First::Caller(admitted) => {
                let mut body = Bytes::new();
                if admitted.reads_body() {
                    body = self.read_body(session, arrival).await?;
                    ctx.body_was_read = arrival.has_body;
                }
                self.pipeline.conclude(arrival, *admitted, &body, trail).await?
            }
        };
        self.record(ctx, permit).await
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
                ctx.trail = Some(trail);
                Err(refusal)
            }
        }
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

    /// Records a refusal, and then answers it.
    async fn refuse(&self, session: &mut Session, ctx: &mut Ctx, refusal: &Refusal) -> pingora::Result<()> {
        let (Some(arrival), Some(trail)) = (ctx.arrival.as_deref(), ctx.trail.as_deref_mut()) else {
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
        let (mut headers, body) = match place {
            Some(place) => {
                let id = ctx.id.to_string();
                (vec![("Location", place.to_owned()), ("Cache-Control", "no-store".to_owned()), ("X-Request-Id", id)], None)
            }
            None => {
                let sent = arrival.control.authorization.is_some() || &*answer.reason != "token_missing";
                let (headers, body) = reply::problem(&answer, ctx.id, sent);
                (headers, Some(body))
            }
        };
        headers.extend(self.cors.headers(arrival, false));
        let status = if place.is_some() { 302 } else { answer.status };
        let keep = arrival.fault.is_none();
        let downstream = session.as_downstream_mut();
        if keep {
            downstream.set_close_on_response_before_downstream_finish(false);
            downstream.set_total_drain_timeout(Some(DRAINED));
        }
        reply::write(session, status, &headers, body, arrival.head_only).await
    }

    /// Everything before forwarding. A panic in it is a refusal like any other.
    async fn gate(&self, session: &mut Session, ctx: &mut Ctx) -> pingora::Result<bool> {
        let (at, started) = (now(), Instant::now());
        let Some(arrival) = ctx.arrival.as_deref() else {
            return Err(Error::explain(ErrorType::InternalError, "a request without a head"));
        };
        ctx.id = Uuid::now_v7();
        ctx.trail = Some(Box::new(Trail::begin(arrival, ctx.id, at, started)));
        if arrival.fault.is_none() && self.cors.is_preflight(arrival) {
            let mut headers = self.cors.headers(arrival, true);
            headers.push(("X-Request-Id", ctx.id.to_string()));
            reply::write(session, 204, &headers, None, false).await?;
            return Ok(true);
        }
        #[expect(clippy::cast_precision_loss, reason = "microseconds since the epoch stay below 2^53")]
        let seconds = (at.unix_timestamp_nanos() / 1_000) as f64 / 1e6;
        let judged = AssertUnwindSafe(self.judge(session, ctx, seconds)).catch_unwind().await;
        let refusal = match judged {
            Ok(Ok(())) => return Ok(false),
            Ok(Err(refusal)) => refusal,
            Err(panic) => Refusal::Internal(panic_text(&*panic)),
        };
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

#[async_trait]
impl ProxyHttp for Service {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::default()
    }

    /// Takes over the head that was read before pingora's parser.
    fn on_connection_reuse(&self, _session: &mut Session, ctx: &mut Ctx, head: Box<dyn Any + Send + Sync>) {
        ctx.arrival = head.downcast().ok();
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> pingora::Result<bool> {
        self.gate(session, ctx).await
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> pingora::Result<Box<HttpPeer>> {
        if ctx.recorded.is_none() {
            return Err(Error::explain(ErrorType::InternalError, "no recorded permit"));
        }
        let address = self.upstream.address.load();
        let Some(address) = address.as_deref() else {
            return Err(Error::explain(ErrorType::ConnectError, "the upstream's name is not resolved").into_up());
        };
        let mut peer = HttpPeer::new(*address, false, String::new());
        peer.options.connection_timeout = Some(self.upstream.connect_timeout);
        peer.options.total_connection_timeout = Some(self.upstream.connect_timeout);
        peer.options.read_timeout = Some(self.upstream.read_timeout);
        peer.options.write_timeout = Some(self.upstream.read_timeout);
        peer.options.idle_timeout = Some(Duration::from_secs(60));
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        head: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> pingora::Result<()> {
        let (Some(arrival), Some(recorded)) = (ctx.arrival.as_deref(), ctx.recorded.as_ref()) else {
            return Err(Error::explain(ErrorType::InternalError, "no recorded permit"));
        };
        let completed = self.forwarding.complete(head, arrival, recorded, ctx.body_was_read);
        completed.map_err(|refusal| {
            let error = Error::explain(ErrorType::InternalError, refusal.to_string());
            ctx.failure = Some(refusal);
            error
        })
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        head: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> pingora::Result<()> {
        if !head.status.is_informational() {
            ctx.upstream_status = Some(head.status.as_u16());
        }
        let ours: Vec<_> = head.headers.keys().filter(|name| name.as_str().starts_with("x-audit-")).cloned().collect();
        for name in ours {
            for value in head.headers.get_all(&name) {
                ctx.audit.push((name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
            }
            head.remove_header(&name);
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        head: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> pingora::Result<()> {
        head.insert_header("X-Request-Id", ctx.id.to_string())?;
        if self.cors.is_on() {
            let theirs: Vec<_> = head.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
            for name in theirs {
                head.remove_header(&name);
            }
            if let Some(arrival) = &ctx.arrival {
                for (name, value) in self.cors.headers(arrival, false) {
                    head.append_header(name, value)?;
                }
            }
        }
        Ok(())
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: BError,
        _ctx: &mut Ctx,
        client_reused: bool,
    ) -> BError {
        let mut error = error.more_context(format!("peer: {peer}"));
        // Once bytes have gone out only a safe method may be tried again, and only on a connection
        // that may have died of age.
        if session.req_header().method.is_safe() && !session.as_downstream().retry_buffer_truncated() {
            error.retry.decide_reuse(client_reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Ctx) -> FailToProxy {
        let dead = matches!(error.esource(), ErrorSource::Downstream);
        let timeout = matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout | ErrorType::ConnectTimedout);
        let refusal = ctx.failure.take().unwrap_or_else(|| match error.esource() {
            ErrorSource::Upstream if timeout => Refusal::UpstreamTimeout(error.to_string()),
            ErrorSource::Upstream => Refusal::Unreachable(error.to_string()),
            _ => Refusal::Internal(error.to_string()),
        });
        let answer = refusal.answer(crate::refusal::Blanks::default());
        let code = if dead || session.response_written().is_some() { 0 } else { answer.status };
        if code > 0 {
            let (mut headers, body) = reply::problem(&answer, ctx.id, true);
            let head_only = ctx.arrival.as_ref().is_some_and(|arrival| arrival.head_only);
            if let Some(arrival) = &ctx.arrival {
                headers.extend(self.cors.headers(arrival, false));
            }
            let _gone = reply::write(session, code, &headers, Some(body), head_only).await;
        }
        ctx.failure = Some(refusal);
        FailToProxy { error_code: code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        let Some(recorded) = ctx.recorded.take() else { return };
        let status = session.response_written().map(|head| head.status.as_u16());
        let success = error.is_none() && status.is_some_and(|status| status < 400);
        let (audit, failure) = (std::mem::take(&mut ctx.audit), ctx.failure.take());
        recorded.close(status, ctx.upstream_status, success, |trail| {
            trail.told_by_upstream(audit);
            if let Some(failure) = failure {
                trail.failed(&failure);
            } else if let Some(error) = error {
                trail.record.details.insert("error".to_owned(), error.etype().as_str().into());
            }
        });
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }
}
