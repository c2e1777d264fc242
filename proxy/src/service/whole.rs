//! A request that is whole when it is judged: answered or forwarded without pingora.

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

use super::judge::Body;
use super::{Ctx, Service};
use crate::accept::Arrival;
use crate::connection::ClientStream;
use crate::refusal::{Blanks, Refusal};
use crate::relay::{Answer, Broken, Hygiene, Link, failure, pass_on};

/// So many hints (1xx) may come before an answer.
const HINTS: usize = 16;

/// Such a request.
pub(crate) struct Whole {
    pub(crate) arrival: Arrival,
    /// What the upstream gets, but for the identity and the empty line.
    pub(crate) head: BytesMut,
    pub(crate) body: Bytes,
    /// Whether the connection ends with it.
    pub(crate) closes: bool,
}

impl Service {
    /// Serves it. Whether the connection goes on.
    pub(crate) async fn serve(&self, whole: Whole, client: &mut ClientStream) -> bool {
        let Whole { arrival, head, body, closes } = whole;
        let head_only = arrival.head_only;
        let mut ctx = Ctx::begin(arrival);
        if let Some(reply) = self.answered(Body::Here(&body), &mut ctx).await {
            return sent(&reply.spell(head_only, closes), client).await && !closes;
        }
        let mut out = BytesMut::with_capacity(1024);
        let (mut link, answer) = match self.ask(&mut ctx, head, &body, client, &mut out).await {
            Ok(begun) => begun,
            Err(refusal) => {
                let answer = refusal.answer(Blanks::default());
                let reply = self.failed(&ctx, &answer).spell(head_only, closes);
                let gone = !sent(&reply, client).await;
                ctx.failure = Some(refusal);
                ctx.close(Some(answer.status), Some("ConnectError"));
                return !gone && !closes;
            }
        };
        self.finish_head(&ctx, closes, &mut out);
        let passed = match client.send(&out).await {
            Ok(()) => pass_on(&mut link, &answer, client).await,
            Err(_gone) => Err(Broken::Client),
        };
        let error = match passed {
            Ok(()) => None,
            Err(Broken::Client) => Some("WriteError"),
            Err(Broken::Upstream(error)) => {
                ctx.failure = Some(failure(&error));
                Some("ReadError")
            }
        };
        if error.is_none() {
            self.upstream.idle.put(link, &answer);
        }
        ctx.close(Some(answer.status), error);
        error.is_none() && !closes
    }

    /// Forwards a request, and reads the head of the answer into `out`. What comes before that is passed on.
    async fn ask(
        &self,
        ctx: &mut Ctx,
        mut head: BytesMut,
        body: &Bytes,
        client: &mut ClientStream,
        out: &mut BytesMut,
    ) -> Result<(Link, Answer), Refusal> {
        let (Some(arrival), Some(recorded)) = (ctx.arrival.as_deref(), ctx.recorded.as_ref())
        else {
            return Err(Refusal::Internal("no recorded permit".to_owned()));
        };
        self.forwarding.write_identity(recorded, &mut head)?;
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(body);
        let safe = matches!(&*arrival.method, "GET" | "HEAD" | "OPTIONS");
        let hygiene = Hygiene { head_only: arrival.head_only, own_cors: self.cors.is_on() };
        let mut link = self.upstream.ask(recorded, &head, safe).await?;
        for _ in 0..HINTS {
            let mut answer = link.head(hygiene, out).await?;
            ctx.audit.append(&mut answer.told);
            if answer.status >= 200 {
                ctx.upstream_status = Some(answer.status);
                return Ok((link, answer));
            }
            // Hints while the answer is being made. A client that is gone is found out by the answer itself.
            self.finish_head(ctx, false, out);
            let _gone = sent(out, client).await;
            out.clear();
        }
        Err(Refusal::Unreachable("the upstream gives hints without end".to_owned()))
    }

    /// What the gate says in every answer, and the empty line.
    fn finish_head(&self, ctx: &Ctx, closes: bool, out: &mut BytesMut) {
        let mut id = Uuid::encode_buffer();
        let id: &str = ctx.id.hyphenated().encode_lower(&mut id);
        let mut say = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        };
        say("X-Request-Id", id);
        if self.cors.is_on()
            && let Some(arrival) = &ctx.arrival
        {
            self.cors.headers(arrival, false).iter().for_each(|(name, value)| say(name, value));
        }
        if closes {
            say("Connection", "close");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Sends something whole. Whether the client is there.
async fn sent(bytes: &[u8], client: &mut ClientStream) -> bool {
    client.send(bytes).await.is_ok() && client.send_held().await.is_ok()
}
