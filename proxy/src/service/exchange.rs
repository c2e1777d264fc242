//! Forwards a judged request, and its response back to the client.

use std::io;
use std::pin::pin;

use bytes::{BufMut as _, BytesMut};
use uuid::Uuid;

use super::{Ctx, Service, reply_to};
use crate::accept::{Malformed, Persistence};
use crate::forward::relay::{
    Answer, AnswerRules, Broken, Link, LinkIncoming, SENT, Turn, Upload, UploadEnd, failure,
    pass_on, upload,
};
use crate::http::connection::{BodyLost, ClientStream, Outgoing};
use crate::http::date;
use crate::http::framing::Framing;
use crate::judge::refusal::{Blanks, Refusal};
use crate::service::reply::Reply;

/// The maximum number of interim responses (1xx) before the final one.
const HINTS: usize = 16;

/// The reason why an exchange failed.
#[derive(Debug, thiserror::Error)]
enum End {
    /// The upstream or the gate failed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The body of the request does not arrive completely.
    #[error(transparent)]
    Lost(BodyLost),
    /// The client does not read the response.
    #[error("the client does not take the answer: {0}")]
    Gone(io::Error),
}

impl End {
    /// The word for the record, and the refusal. A client that is gone gets no refusal.
    fn told(self) -> (&'static str, Option<Refusal>) {
        match self {
            Self::Refused(refusal @ Refusal::Internal(_)) => ("internal", Some(refusal)),
            Self::Refused(refusal) => ("upstream_failed", Some(refusal)),
            Self::Lost(BodyLost::Gone(_)) | Self::Gone(_) => ("client_gone", None),
            Self::Lost(lost @ BodyLost::Slow) => {
                ("client_slow", Some(Malformed::from(&lost).into()))
            }
            Self::Lost(lost @ BodyLost::Misframed(_)) => {
                ("body_misframed", Some(Malformed::from(&lost).into()))
            }
        }
    }
}

/// The parameters of one exchange.
#[derive(Clone, Copy)]
struct Way {
    persistence: Persistence,
    /// Whether the client waits for `100 Continue`.
    expects: bool,
    rules: AnswerRules,
}

impl Service {
    /// Forwards a request and its response. Returns whether another request can follow.
    pub(super) async fn exchange(
        &self,
        mut ctx: Ctx,
        (mut head, framing): (BytesMut, Option<Framing>),
        persistence: Persistence,
        client: &mut ClientStream,
    ) -> bool {
        let control = &ctx.arrival.control;
        let expects = control.expects_continue && ctx.body.is_none() && !client.incoming.is_done();
        let rules = AnswerRules { head_only: ctx.arrival.head_only, own_cors: self.cors.is_on() };
        let mut way = Way { persistence, expects, rules };
        let ended = match self.complete(&ctx, &mut head, framing, expects) {
            Ok(()) => self.forward(&mut ctx, head, &mut way, client).await,
            Err(refusal) => Err(refusal.into()),
        };
        match ended {
            Ok((link, answer)) => {
                if let Some(link) = link {
                    self.upstream.idle.put(link, &answer);
                }
                ctx.close(Some(answer.status), None);
                way.persistence != Persistence::Close && client.drain().await
            }
            Err(end) => self.failed(ctx, end, persistence, client).await,
        }
    }

    /// Completes the head for the upstream: framing, identity and empty line.
    fn complete(
        &self,
        ctx: &Ctx,
        head: &mut BytesMut,
        framing: Option<Framing>,
        expects: bool,
    ) -> Result<(), Refusal> {
        let Some(recorded) = &ctx.recorded else {
            return Err(Refusal::Internal("no recorded permit".to_owned()));
        };
        let length = match (framing, &ctx.body) {
            (None, _) => None,
            // A judged body was read completely, so its length is known, even if the client sent it in chunks.
            (Some(_), Some(body)) => Some(body.len() as u64),
            (Some(Framing::Length(length)), None) => Some(length),
            (Some(Framing::Chunked(_)), None) => {
                head.put_slice(b"Transfer-Encoding: chunked\r\n");
                None
            }
        };
        if let Some(length) = length {
            head.put_slice(b"Content-Length: ");
            head.put_slice(itoa::Buffer::new().format(length).as_bytes());
            head.put_slice(b"\r\n");
        }
        if expects {
            head.put_slice(b"Expect: 100-continue\r\n");
        }
        self.forwarding.write_identity(recorded, head)?;
        head.put_slice(b"\r\n");
        Ok(())
    }

    /// Sends the request, and forwards the response. Returns the upstream connection if the whole request was sent on
    /// it: otherwise the upstream would take the start of the next request for the missing part.
    async fn forward(
        &self,
        ctx: &mut Ctx,
        mut head: BytesMut,
        way: &mut Way,
        client: &mut ClientStream,
    ) -> Result<(Option<Link>, Answer), End> {
        let judged = ctx.body.take();
        let here = || if way.expects { None } else { client.incoming.take_whole() };
        let body = judged.or_else(here);
        let Some(recorded) = &ctx.recorded else {
            return Err(Refusal::Internal("no recorded permit".to_owned()).into());
        };
        if let Some(body) = body {
            let safe = matches!(&*ctx.arrival.method, "GET" | "HEAD" | "OPTIONS");
            head.put_slice(&body);
            let mut link = self.upstream.ask(recorded, &head, safe).await?;
            let (from, to) = (&mut link.incoming, &mut client.outgoing);
            let answer = self.answer(ctx, way, from, to, &SENT).await?;
            return Ok((Some(link), answer));
        }
        let mut link = self.upstream.link(recorded).await?;
        let turn = Turn::new(false);
        let sent = Upload { head: &head, expects: way.expects };
        let sending = upload(sent, &mut client.incoming, &mut link.outgoing, &turn);
        let answering = self.answer(ctx, way, &mut link.incoming, &mut client.outgoing, &turn);
        let answer = beside(sending, answering, &turn).await?;
        Ok((turn.is_sent().then_some(link), answer))
    }

    /// Reads the head of the response, and forwards it with the interim responses before it and the body after it.
    async fn answer(
        &self,
        ctx: &mut Ctx,
        way: &mut Way,
        link: &mut LinkIncoming,
        client: &mut Outgoing,
        turn: &Turn,
    ) -> Result<Answer, End> {
        let mut out = BytesMut::with_capacity(1024);
        let answer = self.final_head(ctx, *way, link, client, (&mut out, turn)).await?;
        ctx.upstream_status = Some(answer.status);
        let http_11 = ctx.arrival.http_11;
        if (answer.is_open() && !http_11) || (way.expects && !turn.is_sent()) {
            way.persistence = Persistence::Close;
        }
        self.finish_head(ctx, &answer, way.persistence, &mut out);
        ctx.begun = true;
        client.send(&out).await.map_err(End::Gone)?;
        ctx.told = Some(answer.status);
        match pass_on(link, &answer, client, http_11, turn).await {
            Ok(()) => Ok(answer),
            Err(Broken::Client(error)) => Err(End::Gone(error)),
            Err(Broken::Upstream(error)) => Err(End::Refused(failure(&error))),
        }
    }

    /// Reads the head of the final response into `out`. Forwards the interim responses before it, unless the
    /// client speaks HTTP/1.0 (RFC 9110, 15.2).
    async fn final_head(
        &self,
        ctx: &mut Ctx,
        way: Way,
        link: &mut LinkIncoming,
        client: &mut Outgoing,
        (out, turn): (&mut BytesMut, &Turn),
    ) -> Result<Answer, End> {
        for _ in 0..HINTS {
            let mut answer = link.head(way.rules, out, turn).await?;
            ctx.audit.append(&mut answer.told);
            if answer.status >= 200 {
                return Ok(answer);
            }
            if answer.status == 100 && way.expects && !turn.is_sent() {
                turn.give(false);
            }
            if ctx.arrival.http_11 {
                say_id(ctx.id, out);
                out.put_slice(b"\r\n");
                ctx.begun = true;
                client.send(out).await.map_err(End::Gone)?;
                client.flush().await.map_err(End::Gone)?;
                ctx.begun = false;
            }
            out.clear();
        }
        Err(Refusal::Unreachable("the upstream gives hints without end".to_owned()).into())
    }

    /// Writes the fields that the gate adds to every response, the framing of the body, and the empty line.
    fn finish_head(
        &self,
        ctx: &Ctx,
        answer: &Answer,
        persistence: Persistence,
        out: &mut BytesMut,
    ) {
        answer.write_framing(ctx.arrival.http_11, out);
        say_id(ctx.id, out);
        if !answer.is_dated {
            say("Date", &date::spell(ctx.now()), out);
        }
        if self.cors.is_on() {
            let exposes = answer.exposes.iter().map(Vec::as_slice);
            let headers = self.cors.headers_with(&ctx.arrival, exposes);
            for (name, value) in &headers {
                say(name, value, out);
            }
        }
        if let Some(word) = persistence.word() {
            say("Connection", word, out);
        }
        out.put_slice(b"\r\n");
    }

    /// Answers the client with the failure, if no response was begun, and records that the request failed. Returns
    /// whether another request can follow.
    async fn failed(
        &self,
        mut ctx: Ctx,
        end: End,
        persistence: Persistence,
        client: &mut ClientStream,
    ) -> bool {
        tracing::debug!(id = %ctx.id, error = %end, "a forwarded request was not answered whole");
        let ours = matches!(end, End::Refused(_));
        let (word, refusal) = end.told();
        let told = ctx.told;
        let answer = refusal.as_ref().map(|refusal| refusal.answer(Blanks::default()));
        ctx.failure = refusal;
        let (Some(answer), None, false) = (answer, told, ctx.begun) else {
            ctx.close(told, Some(word));
            if ctx.arrival.http_11 {
                client.lose();
            } else {
                client.cut();
            }
            return false;
        };
        let mut reply = Reply::problem(&answer, ctx.id);
        reply.headers.extend(self.cors.headers(&ctx.arrival, false));
        let persistence = if ours { persistence } else { Persistence::Close };
        let goes_on = reply_to(&ctx, &reply, persistence, client).await;
        // Recorded before the rest of the body is read: that time is not part of the request.
        ctx.close(Some(answer.status), Some(word));
        goes_on && client.drain().await
    }
}

/// Runs `answering` to its end with `sending` beside it, since a response may arrive before the body was sent. A client
/// that breaks off its body ends both. An upstream that does not accept the body may have responded already.
async fn beside<T>(
    sending: impl Future<Output = Result<(), UploadEnd>>,
    answering: impl Future<Output = Result<T, End>>,
    turn: &Turn,
) -> Result<T, End> {
    let (mut sending, mut answering) = (pin!(sending), pin!(answering));
    let mut is_sending = true;
    loop {
        tokio::select! {
            // Sending is polled first: it decides whose turn it is, on which the wait for the response depends.
            biased;
            ended = &mut sending, if is_sending => match ended {
                Err(UploadEnd::Client(lost)) => return Err(End::Lost(lost)),
                Ok(()) => is_sending = false,
                Err(UploadEnd::Upstream(error)) => {
                    tracing::debug!(%error, "the upstream does not take the body");
                    is_sending = false;
                    turn.give(true);
                }
            },
            answered = &mut answering => return answered,
        }
    }
}

fn say(name: &str, value: &str, out: &mut BytesMut) {
    for part in [name, ": ", value, "\r\n"] {
        out.put_slice(part.as_bytes());
    }
}

fn say_id(id: Uuid, out: &mut BytesMut) {
    say("X-Request-Id", id.hyphenated().encode_lower(&mut Uuid::encode_buffer()), out);
}
