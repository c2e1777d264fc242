//! How a request comes changes nothing: whole, in pieces, in chunks, by HTTP/1.0. The upstream gets the same, and the
//! client gets the same answer, however odd the upstream's is.

use crate::http::answers::{CASES, ODD, ODD_OPAQUE, Script, stand, upstream};
use tests::{
    client::{Answer, Connection},
    stand::Stand,
    tokens::token,
    upstream::Behaviour,
};

const USER: &str = "kauvery-doctor";
/// A body that is judged, and one that is not.
const JSON: &str = r#"{"first_name":"A","last_name":"B"}"#;

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Whole,
    /// The body comes after a while, as most clients send it.
    Late,
    /// Each byte by itself.
    Bytes,
    Chunked,
    ChunkedBytes,
    /// The client waits to be asked for the body, or sends it at once.
    Expecting,
    Http10,
    Http10Late,
    Http10KeepAlive,
}

const FORMS: [Form; 9] = [
    Form::Whole,
    Form::Late,
    Form::Bytes,
    Form::Chunked,
    Form::ChunkedBytes,
    Form::Expecting,
    Form::Http10,
    Form::Http10Late,
    Form::Http10KeepAlive,
];

impl Form {
    fn is_http_10(self) -> bool {
        matches!(self, Self::Http10 | Self::Http10Late | Self::Http10KeepAlive)
    }

    /// The head and the body of a request in this form.
    fn request(self, method: &str, path: &str, body: &str) -> (String, String) {
        let version = if self.is_http_10() { "1.0" } else { "1.1" };
        let chunked = matches!(self, Self::Chunked | Self::ChunkedBytes);
        let framing = match (chunked, body.is_empty()) {
            (_, true) => String::new(),
            (true, _) => "Transfer-Encoding: chunked\r\n".to_owned(),
            (false, _) => format!("Content-Length: {}\r\n", body.len()),
        };
        let more = match self {
            Self::Expecting if !body.is_empty() => "Expect: 100-continue\r\n",
            Self::Http10KeepAlive => "Connection: keep-alive\r\n",
            _ => "",
        };
        let head = format!(
            "{method} {path} HTTP/{version}\r\nHost: x.example\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\n{framing}{more}\r\n",
            token(USER)
        );
        let (first, second) = body.split_at(body.len() / 2);
        let chunks = format!(
            "{:x};x=y\r\n{first}\r\n0{:X}\r\n{second}\r\n0\r\nX-Auth-User-Id: evil\r\n\r\n",
            first.len(),
            second.len()
        );
        (head, if chunked && !body.is_empty() { chunks } else { body.to_owned() })
    }

    /// Sends a request in this form.
    async fn send(self, client: &mut Connection, method: &str, path: &str, body: &str) {
        let (head, body) = self.request(method, path, body);
        match self {
            Self::Whole | Self::Chunked | Self::Http10 | Self::Http10KeepAlive => {
                client.write((head + &body).as_bytes()).await;
            }
            Self::Late | Self::Http10Late | Self::Expecting => {
                client.write(head.as_bytes()).await;
                client.write(body.as_bytes()).await;
            }
            Self::Bytes | Self::ChunkedBytes => {
                for byte in (head + &body).as_bytes() {
                    client.write(&[*byte]).await;
                }
            }
        }
    }
}

/// What a client can tell of an answer, but for how its end is told, which HTTP/1.0 knows less ways of.
fn told(answer: &Answer, broken: bool) -> (u16, String, Vec<String>) {
    let own = ["x-request-id", "date", "connection", "transfer-encoding", "content-length"];
    let fields = answer.head.headers.iter().map(|(name, value)| format!("{name}: {value}"));
    let fields = fields
        .filter(|line| !own.contains(&line.split(':').next().unwrap().to_lowercase().as_str()));
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let body = if answer.status == 502 { answer.reason() } else { body };
    (answer.status, if broken { String::new() } else { body }, fields.collect())
}

#[tokio::test]
async fn an_answer_is_the_same_however_its_request_came() {
    let (address, script) = upstream(b"", false).await;
    let (stand, mut faults) = (stand(address).await, Vec::new());
    for case in CASES.iter().filter(|case| case.method == "GET") {
        for (path, form) in
            [ODD, ODD_OPAQUE].iter().flat_map(|path| FORMS.map(|form| (*path, form)))
        {
            let said = case.said.as_bytes().to_vec();
            *script.lock().unwrap() = Script { said, ends: case.ends, asked: Vec::new() };
            let mut client = Connection::open(stand.proxy()).await;
            form.send(&mut client, "POST", path, JSON).await;
            let answer = client.read(false).await;
            let got = answer.as_ref().map(|it| {
                assert!(it.head.header("date").is_some(), "{form:?} {}", case.said);
                let chunks = it.head.header("transfer-encoding").is_some();
                assert!(!(chunks && form.is_http_10()), "{form:?} {}", case.said);
                (told(it, false).0, told(it, false).1, it.complete)
            });
            let body = if case.status == 502 { "upstream_unreachable" } else { case.body };
            let expected = Some((case.status, body.to_owned(), true));
            if got != expected {
                faults.push(format!("{form:?} {path} {:?}\n  {expected:?}\n  {got:?}", case.said));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn the_upstream_gets_the_same_however_the_request_came() {
    let stand = Stand::sqlite().await;
    for (path, judged) in [("/api/visits", true), ("/api/auth/login", false)] {
        let mut first: Option<Vec<String>> = None;
        for form in FORMS {
            let mut client = Connection::open(stand.proxy()).await;
            form.send(&mut client, "POST", path, JSON).await;
            let answer = client.read(false).await.expect("an answer");
            assert_eq!(answer.status, 200, "{form:?} {path}");
            let seen = stand.ground.upstream.take().remove(0);
            assert_eq!(String::from_utf8_lossy(&seen.body), JSON, "{form:?} {path}");
            let raw = [seen.raw_head.as_slice(), &seen.raw_body].concat();
            let raw = String::from_utf8_lossy(&raw).into_owned();
            assert!(!raw.contains("evil") && !raw.contains("x=y"), "{form:?} {path}: {raw}");
            let lines: Vec<String> = raw
                .lines()
                .take_while(|line| !line.is_empty())
                .filter(|line| !line.starts_with("X-Request-Id") && !line.starts_with("Expect"))
                .filter(|line| judged || !line.starts_with("Transfer-Encoding"))
                .filter(|line| judged || !line.starts_with("Content-Length"))
                .map(str::to_owned)
                .collect();
            assert_eq!(first.get_or_insert_with(|| lines.clone()), &lines, "{form:?} {path}");
        }
    }
}

#[tokio::test]
async fn a_connection_goes_on_as_its_version_says() {
    let stand = Stand::sqlite().await;
    for form in FORMS {
        let mut client = Connection::open(stand.proxy()).await;
        form.send(&mut client, "POST", "/api/visits", JSON).await;
        let answer = client.read(false).await.expect("an answer");
        let said = answer.head.header("connection");
        if matches!(form, Form::Http10 | Form::Http10Late) {
            assert!(said == Some("close") && client.ends().await, "{form:?}");
            continue;
        }
        assert_eq!(said, (form == Form::Http10KeepAlive).then_some("keep-alive"), "{form:?}");
        form.send(&mut client, "POST", "/api/visits", JSON).await;
        assert_eq!(client.read(false).await.expect("another answer").status, 200, "{form:?}");
    }
}

/// HTTP/1.0 knows no chunks, no interim answers, and no expectation; a request without a host gets the upstream's.
#[tokio::test]
async fn http_1_0_gets_what_it_knows() {
    let stand = Stand::sqlite().await;
    let early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    stand.ground.upstream.on("/api/visits", Behaviour::Raw(early.to_vec()));
    let request = format!(
        "POST /api/visits HTTP/1.0\r\nAuthorization: Bearer {}\r\nConnection: keep-alive\r\n\
         Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{{}}",
        token(USER)
    );
    let raw = everything(&stand, request.as_bytes()).await;
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{raw}");
    assert_eq!(body, "hello", "{raw}");
    let lower = head.to_ascii_lowercase();
    assert!(!lower.contains("transfer-encoding") && lower.contains("connection: close"), "{raw}");
    let seen = stand.ground.upstream.take().remove(0);
    assert!(seen.head.start.ends_with(" HTTP/1.1"), "{}", seen.head.start);
    let upstream = stand.ground.upstream.address().to_string();
    assert!(seen.head.all("host").eq([upstream.as_str()]), "{:?}", seen.head);
    assert_eq!(seen.head.header("expect"), None);
}

/// Sends bytes, and reads all that comes until the connection ends.
async fn everything(stand: &Stand, bytes: &[u8]) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::TcpStream::connect(stand.proxy()).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut read = Vec::new();
    tests::wait::in_time("the end", socket.read_to_end(&mut read)).await.unwrap();
    String::from_utf8_lossy(&read).into_owned()
}

/// A date that the upstream gives is kept; every other answer, a refusal too, is dated by the gate.
#[tokio::test]
async fn every_answer_is_dated_once() {
    let stand = Stand::sqlite().await;
    let old = "Mon, 01 Jan 2024 00:00:00 GMT";
    let headers = vec![("Date".to_owned(), old.to_owned())];
    stand.ground.upstream.on("/api/visits", Behaviour::Answer(200, headers, b"{}".to_vec()));
    assert!(stand.get(USER, "/api/visits").await.head.all("date").eq([old]));
    for (user, path) in
        [(USER, "/api/patients"), (USER, "/nowhere"), ("nobody-knows-me", "/api/visits")]
    {
        let answer = stand.get(user, path).await;
        let dates: Vec<_> = answer.head.all("date").collect();
        assert!(
            dates.len() == 1 && dates[0].ends_with(" GMT") && dates[0].len() == 29,
            "{dates:?}"
        );
    }
    let bare = everything(&stand, b"\x16\x03\x01\r\n\r\n").await;
    assert!(bare.starts_with("HTTP/1.1 400") && bare.contains("\r\nDate: "), "{bare}");
}

/// Nothing of a request follows it: whatever form the last one on a connection had, the next one is whole.
#[tokio::test]
async fn requests_on_one_connection_do_not_touch_each_other() {
    let stand = Stand::sqlite().await;
    for first in FORMS.into_iter().filter(|form| !form.is_http_10()) {
        for (path, user) in [("/api/visits", USER), ("/api/auth/login", USER), ("/api/visits", "")]
        {
            let mut client = Connection::open(stand.proxy()).await;
            for _ in 0..3 {
                let (head, body) = first.request("POST", path, JSON);
                let head = if user.is_empty() { head.replace("Bearer ", "Bearer x") } else { head };
                client.write((head + &body).as_bytes()).await;
                let status = client.read(false).await.expect("an answer").status;
                assert_eq!(status, if user.is_empty() { 401 } else { 200 }, "{first:?} {path}");
                if first == Form::Expecting && user.is_empty() {
                    client = Connection::open(stand.proxy()).await;
                }
                Form::Whole.send(&mut client, "GET", "/api/patients", "").await;
                assert_eq!(client.read(false).await.expect("an answer").status, 200, "{first:?}");
            }
            // Whatever came after a request at the upstream would be the start of the next one.
            let probe = stand.get(USER, "/api/patients").await;
            assert_eq!(probe.status, 200, "{first:?} {path}");
            for seen in stand.ground.upstream.take() {
                let raw = String::from_utf8_lossy(&seen.raw_head).into_owned();
                assert!(raw.starts_with("POST /") || raw.starts_with("GET /"), "{first:?}: {raw}");
                assert!(seen.method() != "GET" || seen.body.is_empty(), "{first:?}: {raw}");
                assert!(seen.method() != "GET" || !raw.contains("Transfer-Encoding"), "{raw}");
            }
        }
    }
}
