//! Handles a request: judges, records, forwards and answers it. The wall clock is read here.

pub(crate) mod connection;
pub(crate) mod cors;
mod even;
mod exchange;
mod judge;
pub(crate) mod reply;

use std::time::{Duration, Instant};

use bytes::Bytes;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accept::{Accepted, Arrival, Persistence};
use crate::forward::Forwarding;
use crate::forward::relay::Upstream;
use crate::http::connection::ClientStream;
use crate::http::framing::Framing;
use crate::http::limit::RateLimit;
use crate::judge::ledger::{Ledger, Recorded};
use crate::judge::pipeline::Pipeline;
use crate::judge::refusal::Refusal;
use crate::judge::trail::Trail;
use crate::service::cors::Cors;
use crate::service::reply::{Redirects, Reply};

/// The service that handles requests.
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

/// The state of a request until it is answered.
#[derive(Debug)]
struct Ctx {
    arrival: Box<Arrival>,
    trail: Option<Box<Trail>>,
    id: Uuid,
    /// When the request arrived: by the wall clock, and below by the monotonic clock.
    at: OffsetDateTime,
    started: Instant,
    recorded: Option<Recorded>,
    /// The body, if it was read in order to be judged.
    body: Option<Bytes>,
    upstream_status: Option<u16>,
    /// Whether a head was sent to the client, which would read another one as part of the body.
    begun: bool,
    /// The status sent to the client, if any.
    told: Option<u16>,
    /// The failure after the intent was recorded, if any.
    failure: Option<Refusal>,
    /// The `X-Audit-*` fields of the upstream, for the record.
    audit: Vec<(String, String)>,
}

impl Ctx {
    fn begin(arrival: Arrival) -> Self {
        let (id, at, started) = (Uuid::now_v7(), wall_clock(), Instant::now());
        let trail = Some(Box::new(Trail::begin(&arrival, id, at, started)));
        Self {
            arrival: Box::new(arrival),
            trail,
            id,
            at,
            started,
            recorded: None,
            body: None,
            upstream_status: None,
            begun: false,
            told: None,
            failure: None,
            audit: Vec::new(),
        }
    }

    /// The current time: the wall clock at the request's arrival plus the monotonic time since.
    fn now(&self) -> OffsetDateTime {
        self.at + self.started.elapsed()
    }

    /// Records the outcome of a forwarded request: the status that the client received, and any error.
    fn close(&mut self, status: Option<u16>, error: Option<&str>) {
        let Some(recorded) = self.recorded.take() else { return };
        let success = error.is_none() && status.is_some_and(|status| status < 400);
        let (told, failure) = (std::mem::take(&mut self.audit), self.failure.take());
        recorded.close(status, self.upstream_status, success, |trail| {
            trail.told_by_upstream(told);
            if let Some(error) = error {
                trail.record.details.insert("error".to_owned(), error.into());
            }
            if let Some(failure) = failure {
                trail.failed(&failure);
            }
        });
    }
}

impl Service {
    /// Handles a request. Returns whether another one can follow on the connection.
    pub(crate) async fn serve(&self, accepted: Accepted, client: &mut ClientStream) -> bool {
        let Accepted { arrival, head, framing, persistence } = accepted;
        client.incoming.begin(framing.unwrap_or(Framing::NONE));
        if arrival.fault.is_some() {
            client.lose();
        }
        let mut ctx = Ctx::begin(arrival);
        match self.answered(client, &mut ctx).await {
            Some(reply) => {
                reply_to(&ctx, &reply, persistence, client).await && client.drain().await
            }
            None => self.exchange(ctx, (head, framing), persistence, client).await,
        }
    }
}

/// Sends a response of the gate itself. Returns whether the client is still there and the connection stays open.
async fn reply_to(
    ctx: &Ctx,
    reply: &Reply,
    mut persistence: Persistence,
    client: &mut ClientStream,
) -> bool {
    // A client that waits for `100 Continue` may now send its body or another request, so the next bytes are
    // ambiguous.
    if ctx.arrival.control.expects_continue && ctx.body.is_none() && !client.incoming.is_done() {
        client.lose();
    }
    if client.is_lost() {
        persistence = Persistence::Close;
    }
    let spelled = reply.spell(ctx.arrival.head_only, persistence, ctx.now());
    client.say(&spelled).await && persistence != Persistence::Close
}

/// The current time.
#[expect(clippy::disallowed_methods, reason = "the one reading of the wall clock for a request")]
pub(crate) fn wall_clock() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
