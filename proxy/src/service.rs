//! The one `ProxyHttp`: each of pingora's phases is one call into a stage. Reads the clock.

mod judge;
mod pace;
mod whole;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{BError, Error, ErrorSource, ErrorType};
use uuid::Uuid;

use crate::accept::Arrival;
use crate::cors::Cors;
use crate::forward::Forwarding;
use crate::ledger::{Ledger, Recorded};
use crate::limit::RateLimit;
use crate::pipeline::Pipeline;
use crate::refusal::{Answer, Blanks, Refusal};
use crate::relay::Upstream;
use crate::reply::{Redirects, Reply};
use crate::trail::Trail;

pub(crate) use whole::Whole;

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

/// What pingora calls, shared with the connections.
#[derive(Debug, Clone)]
pub(crate) struct Front(pub(crate) Arc<Service>);

impl std::ops::Deref for Front {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
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

impl Ctx {
    /// Records how a request that was forwarded has ended: the status that the client was sent, and what went
    /// wrong besides.
    fn close(&mut self, status: Option<u16>, error: Option<&str>) {
        let Some(recorded) = self.recorded.take() else { return };
        let success = error.is_none() && status.is_some_and(|status| status < 400);
        let (told, failure) = (std::mem::take(&mut self.audit), self.failure.take());
        recorded.close(status, self.upstream_status, success, |trail| {
            trail.told_by_upstream(told);
            if let Some(failure) = failure {
                trail.failed(&failure);
            } else if let Some(error) = error {
                trail.record.details.insert("error".to_owned(), error.into());
            }
        });
    }
}

impl Service {
    /// The answer where the upstream has failed.
    fn failed(&self, ctx: &Ctx, answer: &Answer) -> Reply {
        let mut reply = Reply::problem(answer, ctx.id);
        if let Some(arrival) = &ctx.arrival {
            reply.headers.extend(self.cors.headers(arrival, false));
        }
        reply
    }
}

#[async_trait]
impl ProxyHttp for Front {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::default()
    }

    /// Takes over what was begun before pingora's parser.
    fn on_connection_reuse(
        &self,
        _session: &mut Session,
        ctx: &mut Ctx,
        begun: Box<dyn Any + Send + Sync>,
    ) {
        if let Ok(begun) = begun.downcast() {
            *ctx = *begun;
        }
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> pingora::Result<bool> {
        self.gate(session, ctx).await
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        ctx: &mut Ctx,
    ) -> pingora::Result<Box<HttpPeer>> {
        if ctx.recorded.is_none() {
            return Err(Error::explain(ErrorType::InternalError, "no recorded permit"));
        }
        let address = self.upstream.address.load();
        let Some(address) = address.as_deref() else {
            return Err(Error::explain(
                ErrorType::ConnectError,
                "the upstream's name is not resolved",
            )
            .into_up());
        };
        let mut peer = HttpPeer::new(*address, false, String::new());
        peer.options.connection_timeout = Some(self.upstream.connect_timeout);
        peer.options.total_connection_timeout = Some(self.upstream.connect_timeout);
        peer.options.read_timeout = Some(self.upstream.read_timeout);
        peer.options.write_timeout = Some(self.upstream.read_timeout);
        peer.options.idle_timeout = Some(Duration::from_mins(1));
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        head: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> pingora::Result<()> {
        let (Some(arrival), Some(recorded)) = (ctx.arrival.as_deref(), ctx.recorded.as_ref())
        else {
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
        let ours: Vec<_> = head
            .headers
            .keys()
            .filter(|name| name.as_str().starts_with("x-audit-"))
            .cloned()
            .collect();
        for name in ours {
            for value in head.headers.get_all(&name) {
                ctx.audit.push((
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                ));
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
            let exposed = head.headers.get_all("access-control-expose-headers");
            let exposed: Vec<_> = exposed.iter().cloned().collect();
            let theirs: Vec<_> = head
                .headers
                .keys()
                .filter(|name| name.as_str().starts_with("access-control-"))
                .cloned()
                .collect();
            for name in theirs {
                head.remove_header(&name);
            }
            if let Some(arrival) = &ctx.arrival {
                let exposed = exposed.iter().map(http::HeaderValue::as_bytes);
                for (name, value) in self.cors.headers_with(arrival, exposed) {
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
        if session.req_header().method.is_safe()
            && !session.as_downstream().retry_buffer_truncated()
        {
            error.retry.decide_reuse(client_reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Ctx,
    ) -> FailToProxy {
        let dead = matches!(error.esource(), ErrorSource::Downstream);
        let timeout = matches!(
            error.etype(),
            ErrorType::ReadTimedout | ErrorType::WriteTimedout | ErrorType::ConnectTimedout
        );
        let refusal = ctx.failure.take().unwrap_or_else(|| match error.esource() {
            ErrorSource::Upstream if timeout => Refusal::UpstreamTimeout(error.to_string()),
            ErrorSource::Upstream => Refusal::Unreachable(error.to_string()),
            _ => Refusal::Internal(error.to_string()),
        });
        let answer = refusal.answer(Blanks::default());
        let code = if dead || session.response_written().is_some() { 0 } else { answer.status };
        if code > 0 {
            let head_only = ctx.arrival.as_ref().is_some_and(|arrival| arrival.head_only);
            let _gone = self.failed(ctx, &answer).send(session, head_only).await;
        }
        ctx.failure = Some(refusal);
        FailToProxy { error_code: code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        let status = session.response_written().map(|head| head.status.as_u16());
        ctx.close(status, error.map(|error| error.etype().as_str()));
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }
}
