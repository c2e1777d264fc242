//! The way of one request: judged, recorded, forwarded, answered. Reads the wall clock.

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

/// What serves requests.
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

/// What is kept of a request until it is answered.
#[derive(Debug)]
struct Ctx {
    arrival: Box<Arrival>,
    trail: Option<Box<Trail>>,
    id: Uuid,
    /// When the request came, by the wall and by the steady clock.
    at: OffsetDateTime,
    started: Instant,
    recorded: Option<Recorded>,
    /// The body, if it was read to be judged.
    body: Option<Bytes>,
    upstream_status: Option<u16>,
    /// Whether a head is on its way to the client: another one would be read as part of it.
    begun: bool,
    /// The status that the client was sent, once it was.
    told: Option<u16>,
    /// What went wrong after the intent was recorded.
    failure: Option<Refusal>,
    /// What the upstream tells the record.
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

    /// The time, by the wall clock of the request's arrival and the steady clock since.
    fn now(&self) -> OffsetDateTime {
        self.at + self.started.elapsed()
    }

    /// Records how a request that was forwarded has ended: the status that the client was sent, and what went
    /// wrong besides.
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
    /// Serves a request. Whether another one can follow on the connection.
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

/// Sends an answer of the gate's own. Whether the client is there, and the connection is meant to go on.
async fn reply_to(
    ctx: &Ctx,
    reply: &Reply,
    mut persistence: Persistence,
    client: &mut ClientStream,
) -> bool {
    // A client that waits to be asked for its body may send the body now, or another request: what comes next could
    // be either.
    if ctx.arrival.control.expects_continue && ctx.body.is_none() && !client.incoming.is_done() {
        client.lose();
    }
    if client.is_lost() {
        persistence = Persistence::Close;
    }
    let spelled = reply.spell(ctx.arrival.head_only, persistence, ctx.now());
    client.say(&spelled).await && persistence != Persistence::Close
}

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the one reading of the wall clock for a request")]
pub(crate) fn wall_clock() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
