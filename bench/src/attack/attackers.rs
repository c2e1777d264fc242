//! The attackers: each is a few connections that send what a limit is for, at a fixed rate.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// What is attacked, by whom and when.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) proxy: SocketAddr,
    pub(super) admin: SocketAddr,
    /// Of somebody whose only role is OTHER.
    pub(super) token: String,
    pub(super) from: Instant,
    pub(super) until: Instant,
}

/// Between two connections of an attacker: of four that are one client, and of two hundred.
const OFTEN: Duration = Duration::from_millis(4);
const SELDOM: Duration = Duration::from_millis(200);

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// An attack.
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// How many attack, and what each does; what it counts is told in the unit.
    attackers: u32,
    unit: &'static str,
    does: fn(Target, u32, &'static AtomicU64) -> Work,
}

/// All of them: part 3 of issue 15, and what else limits are for.
pub(super) const ATTACKS: [Attack; 9] = [
    Attack {
        name: "names",
        about: "60 kB of member names that are new each time, in a body that is judged, by somebody signed in",
        attackers: 2,
        unit: "requests",
        does: |to, number, count| Box::pin(requests(to, number, 100, count, names)),
    },
    Attack {
        name: "paths",
        about: "8 kB paths that are new each time, with methods that no route has, by somebody signed in",
        attackers: 4,
        unit: "requests",
        does: |to, number, count| Box::pin(requests(to, number, 500, count, paths)),
    },
    Attack {
        name: "idle",
        about: "connections from one address that say nothing, or half a head",
        attackers: 4,
        unit: "connections",
        does: |to, _, count| Box::pin(idle(to, 0, (OFTEN, 1_500), count)),
    },
    Attack {
        name: "crowd",
        about: "the same from 200 addresses",
        attackers: 200,
        unit: "connections",
        does: |to, number, count| Box::pin(idle(to, number, (SELDOM, 60), count)),
    },
    Attack {
        name: "uploads",
        about: "bodies that are judged and never come, from 200 addresses, by somebody signed in",
        attackers: 200,
        unit: "connections",
        does: |to, number, count| Box::pin(uploads(to, number, count)),
    },
    Attack {
        name: "strangers",
        about: "no token, and an 8 kB path",
        attackers: 8,
        unit: "requests",
        does: |to, number, count| Box::pin(requests(to, number, 500, count, strangers)),
    },
    Attack {
        name: "public",
        about: "a public route that is recorded",
        attackers: 8,
        unit: "requests",
        does: |to, number, count| Box::pin(requests(to, number, 500, count, public)),
    },
    Attack {
        name: "readers",
        about: "requests whose answers nobody reads, 16 at a time on a connection",
        attackers: 200,
        unit: "connections",
        does: |to, number, count| Box::pin(readers(to, number, count)),
    },
    Attack {
        name: "admin",
        about: "half heads on the admin listener",
        attackers: 4,
        unit: "connections",
        does: |to, _, count| {
            let to = Target { proxy: to.admin, ..to };
            Box::pin(idle(to, 0, (OFTEN, 1_500), count))
        },
    },
];

/// Attacks until it is over; tells what was done.
pub(super) fn run(attack: &'static Attack, target: &Target) -> String {
    let count: &'static AtomicU64 = Box::leak(Box::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let all = tokio::task::LocalSet::new();
    all.block_on(&runtime, async {
        tokio::time::sleep_until(target.from.into()).await;
        let mut attackers = JoinSet::new();
        for number in 0..attack.attackers {
            attackers.spawn_local((attack.does)(target.clone(), number, count));
        }
        // Some wait for answers that do not come.
        let end = tokio::time::timeout_at(target.until.into(), async {
            while attackers.join_next().await.is_some() {}
        });
        let _over = end.await;
    });
    let seconds = (target.until - target.from).as_secs();
    format!("{} {}/s", count.load(Ordering::Relaxed) / seconds.max(1), attack.unit)
}

/// A connection from an address of this attacker's own, 127.0.1.0 and on.
async fn connect(to: SocketAddr, number: u32) -> std::io::Result<TcpStream> {
    let [.., high, low] = number.to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 1 + high, 1 + low.min(250)], 0)))?;
    socket.connect(to).await
}

/// Sends requests over one connection, each after the answer to the one before, at most `rate` a second.
async fn requests(
    to: Target,
    number: u32,
    rate: u32,
    count: &AtomicU64,
    spell: fn(&Target, u64) -> Vec<u8>,
) {
    let mut turn = tokio::time::interval(Duration::from_secs(1) / rate);
    let (mut open, mut buffer) = (None, vec![0; 64 * 1024]);
    for serial in 0_u64.. {
        turn.tick().await;
        let request = spell(&to, u64::from(number) << 32 | serial);
        let mut stream = match open.take() {
            Some(stream) => stream,
            None => match connect(to.proxy, number).await {
                Ok(stream) => stream,
                Err(_refused) => continue,
            },
        };
        if stream.write_all(&request).await.is_ok()
            && stream.read(&mut buffer).await.is_ok_and(|read| read > 0)
        {
            count.fetch_add(1, Ordering::Relaxed);
            open = Some(stream);
        }
    }
}

fn names(to: &Target, serial: u64) -> Vec<u8> {
    let members: Vec<String> =
        (0..100).map(|it| format!("\"{serial:016}-{it:03}-{}\":1", "x".repeat(570))).collect();
    let body = format!("{{{}}}", members.join(","));
    let head = format!(
        "PATCH /api/users/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        to.token,
        body.len()
    );
    (head + &body).into_bytes()
}

fn paths(to: &Target, serial: u64) -> Vec<u8> {
    let (long, token) = ("x".repeat(7_900), &to.token);
    let line = format!("PROPFIND /api/{serial:016}/{long} HTTP/1.1\r\n");
    format!("{line}Host: x\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
}

fn strangers(_: &Target, serial: u64) -> Vec<u8> {
    let long = "x".repeat(7_900);
    format!("GET /api/patients/{serial:016}{long} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()
}

fn public(_: &Target, _: u64) -> Vec<u8> {
    let body = r#"{"email":"a@b.example","password":"x"}"#;
    let head = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Opens connections as `client`, one each time that `every` has passed, and holds the last `most` of them. Every other
/// one sends half a head.
async fn idle(to: Target, client: u32, (every, most): (Duration, usize), count: &AtomicU64) {
    let mut turn = tokio::time::interval(every);
    let mut held = VecDeque::new();
    for serial in 0_u32.. {
        turn.tick().await;
        let Ok(mut stream) = connect(to.proxy, client).await else { continue };
        if serial % 2 == 0 {
            let _gone =
                stream.write_all(b"GET /api/patients HTTP/1.1\r\nHost: x\r\nX-Half: ").await;
        }
        count.fetch_add(1, Ordering::Relaxed);
        held.push_back(stream);
        if held.len() > most {
            held.pop_front();
        }
    }
}

async fn uploads(to: Target, number: u32, count: &AtomicU64) {
    let mut turn = tokio::time::interval(SELDOM);
    let mut held = VecDeque::new();
    let begun = format!(
        "PATCH /api/users/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
        to.token
    );
    loop {
        turn.tick().await;
        let Ok(mut stream) = connect(to.proxy, number).await else { continue };
        let _gone = stream.write_all(begun.as_bytes()).await;
        count.fetch_add(1, Ordering::Relaxed);
        held.push_back(stream);
        if held.len() > 50 {
            held.pop_front();
        }
    }
}

async fn readers(to: Target, number: u32, count: &AtomicU64) {
    let mut turn = tokio::time::interval(Duration::from_secs(2));
    let mut held = VecDeque::new();
    let all = public(&to, 0).repeat(16);
    loop {
        turn.tick().await;
        let Ok(mut stream) = connect(to.proxy, number).await else { continue };
        let sent = tokio::time::timeout(Duration::from_secs(1), stream.write_all(&all)).await;
        count.fetch_add(u64::from(sent.is_ok()), Ordering::Relaxed);
        held.push_back(stream);
        if held.len() > 20 {
            held.pop_front();
        }
    }
}
