//! Whatever an upstream answers, a client gets one answer that can be read in one way only, and the next
//! request gets its own.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tests::{
    client::{Answer, Connection, Request, parse_head},
    stand::Stand,
    tokens::token,
    upstream::{dechunk, head_end},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const USER: &str = "kauvery-doctor";
/// What is answered as the test wants it, and what is always answered well.
pub(crate) const ODD: &str = "/api/patients";
pub(crate) const ODD_OPAQUE: &str = "/api/auth/login";
const PLAIN: &str = "/api/visits";
const WELL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell";

/// What an upstream says, and what becomes of it.
pub(crate) struct Case {
    pub(crate) method: &'static str,
    pub(crate) said: &'static str,
    /// Whether the upstream then ends the connection.
    pub(crate) ends: bool,
    pub(crate) status: u16,
    pub(crate) body: &'static str,
    /// Whether the next request goes over the same connection to the upstream.
    goes_on: bool,
}

const fn get(said: &'static str, status: u16, body: &'static str, goes_on: bool) -> Case {
    Case { method: "GET", said, ends: false, status, body, goes_on }
}

pub(crate) const CASES: [Case; 46] = [
    get("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true),
    get("HTTP/1.1 299 \r\ncontent-length:5\r\n\r\nhello", 299, "hello", true),
    get("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", true),
    get("HTTP/1.1 204 No Content\r\n\r\n", 204, "", true),
    get("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, "", true),
    // Chunks, and trailers, which are not passed on.
    get(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
        200,
        "hello",
        true,
    ),
    get(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\nX-Audit-User-Id: a\r\nX: y\r\n\r\n",
        200,
        "",
        true,
    ),
    // The same length twice is one length.
    get(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        200,
        "hello",
        true,
    ),
    get(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, Content-Length\r\nContent-Length: 5\r\n\r\nhello",
        200,
        "hello",
        true,
    ),
    // The connection ends, in every way that this can be told.
    get(
        "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 5\r\n\r\nhello",
        200,
        "hello",
        false,
    ),
    get("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", false),
    Case { ends: true, ..get("HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", false) },
    Case { ends: true, ..get("HTTP/1.0 200 OK\r\n\r\n", 200, "", false) },
    // More than was announced is nobody's answer.
    get(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        200,
        "hello",
        false,
    ),
    get("HTTP/1.1 204 No Content\r\n\r\nevil", 204, "", false),
    get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nevil", 200, "", false),
    Case {
        method: "HEAD",
        ..get("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "", false)
    },
    // HEAD has no body, whatever is said of one.
    Case { method: "HEAD", ..get("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "", true) },
    Case {
        method: "HEAD",
        ..get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, "", true)
    },
    // Hints come before the answer.
    get(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        200,
        "hello",
        true,
    ),
    // Two readers could read these in two ways, or nobody has asked for them.
    get("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 502, "", false),
    get(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        502,
        "",
        false,
    ),
    get("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", 502, "", false),
    get("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 502, "", false),
    get("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502, "", false),
    get("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 502, "", false),
    get("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 502, "", false),
    get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 502, "", false),
    get("HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello", 502, "", false),
    get("HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\nhello", 502, "", false),
    get("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", 502, "", false),
    get("HTTP/1.1 200 OK\r\nContent-Length: 5\x0b\r\n\r\nhello", 502, "", false),
    get("HTTP/1.1 200 OK\r\nX y: z\r\nContent-Length: 5\r\n\r\nhello", 502, "", false),
    get("HTTP/1.1 200 OK\r\nY: a\rb\r\nContent-Length: 5\r\n\r\nhello", 502, "", false),
    get("HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 502, "", false),
    // What is odd and is read in one way by everybody is mended.
    get("HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 200, "", true),
    get("HTTP/1.1 200 OK\r\nY : z\r\nContent-Length : 5\r\n\r\nhello", 200, "hello", true),
    get("HTTP/1.1 200 OK\r\nY: a,\r\n\t b\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true),
    get("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", 200, "hello", true),
    get(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
        200,
        "hello",
        true,
    ),
    get("HTTP/1.1 200 OK\nY: z\nContent-Length: 5\n\nhello", 200, "hello", true),
    get(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000000005;a=b\r\nhello\r\n00\r\n\r\n",
        200,
        "hello",
        true,
    ),
    // A body that must not be there is not passed on, and nothing after it is believed.
    get("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil", 204, "", false),
    get(
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        204,
        "",
        false,
    ),
    get("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 304, "", false),
    get("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, "", true),
];

/// What an upstream answers [`ODD`] with, whether it then ends the connection, and over which of its connections
/// it was asked for what.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) said: Vec<u8>,
    pub(crate) ends: bool,
    pub(crate) asked: Vec<(usize, String)>,
}

type Shared = Arc<Mutex<Script>>;

pub(crate) async fn upstream(said: &[u8], ends: bool) -> (SocketAddr, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let script = Script { said: said.to_vec(), ends, asked: Vec::new() };
    let (address, script) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(script)));
    let shared = Arc::clone(&script);
    tokio::spawn(async move {
        for number in 0.. {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(socket, number, Arc::clone(&shared)));
        }
    });
    (address, script)
}

async fn answer(mut socket: TcpStream, number: usize, script: Shared) {
    let mut read = Vec::new();
    while socket.read_buf(&mut read).await.is_ok_and(|length| length > 0) {
        let Some(end) = head_end(&read) else { continue };
        let head = parse_head(&read[..end]);
        let chunked = head.header("transfer-encoding").is_some();
        let length = head.header("content-length").map_or(0, |length| length.parse().unwrap());
        let whole = if chunked {
            dechunk(&read[end..]).map(|(length, _)| length)
        } else {
            Some(length).filter(|length| *length <= read.len() - end)
        };
        let Some(body) = whole else { continue };
        read.drain(..end + body);
        let target = head.start.split(' ').nth(1).unwrap().to_owned();
        let (said, ends) = {
            let mut script = script.lock().unwrap();
            script.asked.push((number, target.clone()));
            (script.said.clone(), script.ends)
        };
        let odd = [ODD, ODD_OPAQUE].contains(&target.as_str());
        socket.write_all(if odd { &said } else { WELL.as_bytes() }).await.unwrap();
        if odd && ends {
            return;
        }
    }
}

pub(crate) async fn stand(upstream: SocketAddr) -> Stand {
    let ground = Stand::builder().prepare().await;
    ground.with("upstream.address", upstream.to_string()).start().await
}

fn ask(method: &str, path: &str) -> Request {
    Request::new(method, path).token(&token(USER))
}

#[tokio::test]
async fn every_answer_is_read_in_one_way() {
    let (address, script) = upstream(b"", false).await;
    let (stand, mut faults) = (stand(address).await, Vec::new());
    for case in CASES {
        let said = case.said.as_bytes().to_vec();
        *script.lock().unwrap() = Script { said, ends: case.ends, asked: Vec::new() };
        let mut client = Connection::open(stand.proxy()).await;
        let odd = client.send(&ask(case.method, ODD)).await.unwrap();
        let body = String::from_utf8(odd.body.clone()).unwrap();
        let body = if odd.status == 502 { "" } else { &body };
        let lost = odd.head.all("x-audit-user-id").count() + odd.head.all("x").count();
        // On the same connection: whatever was left of the odd one would come first.
        let next = client.send(&ask("GET", PLAIN)).await.unwrap();
        let asked = script.lock().unwrap().asked.clone();
        let goes_on = asked.first().unwrap().0 == asked.last().unwrap().0;
        let got = (odd.status, body, lost, odd.complete, next.body == b"well", goes_on);
        let expected = (case.status, case.body, 0, true, true, case.goes_on);
        if got != expected || asked.len() != 2 {
            faults.push(format!("{:?}\n  {expected:?}\n  {got:?}", case.said));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// An answer and its outcome where the upstream breaks off.
async fn broken_off(said: &str) -> (Option<Answer>, serde_json::Value) {
    let (address, _) = upstream(said.as_bytes(), true).await;
    let stand = stand(address).await;
    let mut client = Connection::open(stand.proxy()).await;
    let answer = client.send(&ask("GET", ODD)).await;
    let id = answer.as_ref().unwrap().id().to_owned();
    assert!(answer.as_ref().unwrap().status == 502 || client.ends().await);
    (answer, stand.ground.journal.outcome(&id).await)
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_passed_on_as_a_whole_one() {
    for said in [
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    ] {
        let (answer, outcome) = broken_off(said).await;
        assert!(answer.is_none_or(|answer| !answer.complete), "{said}");
        assert_eq!((&outcome["status"], &outcome["success"]), (&json!(200), &json!(false)));
    }
    for said in ["HTTP/1.1 200 OK\r\nContent-", "", "HTTP/1.1 200 OK\r\n"] {
        let (answer, outcome) = broken_off(said).await;
        assert_eq!(answer.unwrap().reason(), "upstream_unreachable", "{said}");
        assert_eq!((&outcome["status"], &outcome["success"]), (&json!(502), &json!(false)));
    }
}

/// The maximum is the same whether the head comes whole or in pieces.
#[tokio::test]
async fn the_head_of_an_answer_has_a_maximum() {
    let mut head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n".to_vec();
    while head.len() < 255 * 1024 {
        head.extend_from_slice(&[b"X-More: ".as_slice(), &[b'm'; 2000], b"\r\n"].concat());
    }
    for (more, status) in [(0, 200), (4, 502)] {
        let more = [b"X-More: ".as_slice(), &[b'm'; 2000], b"\r\n"].concat().repeat(more);
        let said = [head.as_slice(), &more, b"\r\nhello"].concat();
        let (address, _) = upstream(&said, false).await;
        let answer = tests::client::send(stand(address).await.proxy(), &ask("GET", ODD)).await;
        assert_eq!(answer.status, status, "{} bytes", said.len());
    }
}

#[tokio::test]
async fn a_head_without_end_is_not_gathered_for_ever() {
    let mut said = b"HTTP/1.1 200 OK\r\n".to_vec();
    while said.len() < 300 * 1024 {
        said.extend(b"X-More: and more and more and more\r\n");
    }
    let (address, _) = upstream(&said, false).await;
    let answer = tests::client::send(stand(address).await.proxy(), &ask("GET", ODD)).await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream_unreachable"));
}

/// Fields for one hop, and those that the gate says itself.
#[tokio::test]
async fn fields_of_an_answer() {
    let said = "HTTP/1.1 200 All well\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
        X-Request-Id: theirs\r\nX-Audit-Note: seen\r\nX-Kept: \t a  b \r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
        Upgrade: h2c\r\nTrailer: X\r\nContent-Length: 0\r\n\r\n";
    let (address, _) = upstream(said.as_bytes(), false).await;
    let stand = stand(address).await;
    let answer = tests::client::send(stand.proxy(), &ask("GET", ODD)).await;
    assert_eq!(answer.head.start, "HTTP/1.1 200 All well");
    let mut got: Vec<_> =
        answer.head.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let id = got.iter().position(|line| *line == format!("X-Request-Id: {}", answer.id())).unwrap();
    got.remove(id);
    let date = got.iter().position(|line| line.starts_with("Date: ") && line.ends_with(" GMT"));
    got.remove(date.expect("the gate dates what the upstream did not"));
    assert_eq!(got, ["X-Kept: a  b", "Set-Cookie: a=1", "Set-Cookie: b=2", "Content-Length: 0"]);
    assert_ne!(answer.id(), "theirs");
    let outcome = stand.ground.journal.outcome(answer.id()).await;
    assert_eq!(outcome["details"]["x-audit-note"], "seen");
}

/// A connection that the upstream has closed meanwhile is not used: neither for what may be sent twice, nor for
/// what may not.
#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_not_used() {
    let (address, script) = upstream(WELL.as_bytes(), true).await;
    let stand = stand(address).await;
    let mut client = Connection::open(stand.proxy()).await;
    for _ in 0..3 {
        assert_eq!(client.send(&ask("GET", ODD)).await.unwrap().status, 200);
        // The end of the other connection may be on its way: this one is safe, and may be sent twice.
        assert_eq!(client.send(&ask("GET", PLAIN)).await.unwrap().status, 200);
        let post = Request::new("POST", PLAIN).token(&token(USER)).json("{}");
        assert_eq!(client.send(&post).await.unwrap().status, 200);
    }
    assert_eq!(script.lock().unwrap().asked.len(), 9);
}
