//! Bytes that two readers could read in two ways are refused, and nothing after them is taken for a request.

use tests::{
    client::{Answer, Connection, Request},
    stand::Stand,
    tokens::token,
    wait::eventually,
};

const USER: &str = "kauvery-doctor";
/// A route whose body is judged, and one whose body is streamed unread.
const ROUTES: [&str; 2] = ["/api/visits", "/api/auth/login"];

/// Sends `bytes`, which are refused: with 400, a record, an end of the connection, and nothing of them forwarded.
async fn refused(stand: &Stand, bytes: &[u8]) -> Result<Answer, String> {
    let shown = String::from_utf8_lossy(bytes).into_owned();
    let fault = |what: String| Err(format!("{shown:?}: {what}"));
    let mut client = Connection::open(stand.proxy()).await;
    client.write(bytes).await;
    // Another request behind: where it begins cannot be known.
    client.write(&Request::get("/healthz").to_bytes(stand.proxy())).await;
    let Some(answer) = client.read(false).await else { return fault("no answer".to_owned()) };
    if (answer.status, answer.reason().as_str()) != (400, "request_invalid") {
        return fault(format!("{} {}", answer.status, answer.reason()));
    }
    if client.read(false).await.is_some() {
        return fault("a second answer".to_owned());
    }
    Ok(answer)
}

fn head(method: &str, path: &str, lines: &[u8]) -> Vec<u8> {
    let start = format!(
        "{method} {path} HTTP/1.1\r\nHost: x.example\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\n",
        token(USER)
    );
    [start.as_bytes(), lines, b"\r\n"].concat()
}

async fn check(stand: &Stand, requests: impl IntoIterator<Item = Vec<u8>>) {
    let mut faults = Vec::new();
    for bytes in requests {
        match refused(stand, &bytes).await {
            Err(fault) => faults.push(fault),
            Ok(answer) => {
                assert!(!answer.id().is_empty());
                if !stand.ground.upstream.take().is_empty() {
                    faults.push(format!("{:?} was forwarded", String::from_utf8_lossy(&bytes)));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// RFC 9112, 2.2 lets a reader take LF alone for the end of a line. The gate does not: a reader before or behind it
/// may take the line for a longer one.
#[tokio::test]
async fn only_cr_lf_ends_a_line() {
    let stand = Stand::sqlite().await;
    let lines: [&[u8]; 7] = [
        b"Foo: bar\nContent-Length: 5\r\n",
        b"Content-Length: 5\nFoo: bar\r\n",
        b"Foo: bar\n",
        b"\nFoo: bar\r\n",
        b"Foo: bar\r\n\n",
        b"Foo: a\rb\r\n",
        b"Foo: bar\r\r\n",
    ];
    let heads = lines.iter().flat_map(|lines| {
        ROUTES.map(|path| [head("POST", path, lines), b"hello".to_vec()].concat())
    });
    let whole = String::from_utf8(head("GET", "/api/patients", b"")).unwrap();
    let each = whole.match_indices("\r\n").map(|(at, _)| {
        let (before, after) = whole.split_at(at);
        format!("{before}\n{}", &after[2..]).into_bytes()
    });
    check(&stand, heads.chain(each)).await;
}

#[tokio::test]
async fn only_space_and_tab_are_trimmed_from_a_value() {
    let stand = Stand::sqlite().await;
    let controls = (0..0x20).chain([0x7F]).filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n'));
    let mut requests = Vec::new();
    for byte in controls {
        for (name, value) in [
            ("Content-Length", "5"),
            ("Transfer-Encoding", "chunked"),
            ("X-Anything", "a"),
            ("Connection", "close"),
            ("X-Tenant", "kauvery"),
        ] {
            for parts in [[&[byte][..], value.as_bytes()], [value.as_bytes(), &[byte][..]]] {
                let line = [name.as_bytes(), b": ", parts[0], parts[1], b"\r\n"].concat();
                requests.push([head("POST", "/api/visits", &line), b"hello".to_vec()].concat());
            }
        }
    }
    check(&stand, requests).await;
    let spaced = head("POST", "/api/visits", b"Content-Length: \t 2 \t\r\n");
    let answer = tests::client::send_raw(stand.proxy(), &[spaced, b"{}".to_vec()].concat()).await;
    assert_eq!(answer.unwrap().status, 200);
}

/// Bodies whose chunks or trailers are none, wherever in the body the fault is.
const MISFRAMED: [&[u8]; 22] = [
    b"2\n{}\r\n0\r\n\r\n",
    b"2\r\n{}\n0\r\n\r\n",
    b"2\r\n{}\r\n0\n\r\n",
    b"2\r\n{}\r\n0\r\n\n",
    b"2\r\n{}x\r\n0\r\n\r\n",
    b"2\r\n{}\r\n\r\n",
    b"x\r\n{}\r\n0\r\n\r\n",
    b"-2\r\n{}\r\n0\r\n\r\n",
    b"+2\r\n{}\r\n0\r\n\r\n",
    b"0x2\r\n{}\r\n0\r\n\r\n",
    b" 2\r\n{}\r\n0\r\n\r\n",
    b"2 x\r\n{}\r\n0\r\n\r\n",
    b"2;a\x0b\r\n{}\r\n0\r\n\r\n",
    b"2;a\nb\r\n{}\r\n0\r\n\r\n",
    b"10000000000000002\r\n{}\r\n0\r\n\r\n",
    b"2\r\n{}\r\n0\r\nno colon\r\n\r\n",
    b"2\r\n{}\r\n0\r\nnocolon\r\n\r\n",
    b"2\r\n{}\r\n0\r\n: x\r\n\r\n",
    b"2\r\n{}\r\n0\r\nX : y\r\n\r\n",
    b"2\r\n{}\r\n0\r\nX: y\r\n folded\r\n\r\n",
    b"2\r\n{}\r\n0\r\nX: y\n\r\n",
    b"2\r\n{}\r\n0\r\nX: a\x00b\r\n\r\n",
];

#[tokio::test]
async fn a_body_that_is_badly_framed_is_400_wherever_it_goes() {
    let stand = Stand::sqlite().await;
    let requests = MISFRAMED.iter().flat_map(|body| {
        ROUTES.map(|path| {
            [head("POST", path, b"Transfer-Encoding: chunked\r\n"), body.to_vec()].concat()
        })
    });
    check(&stand, requests).await;
    // The upstream's connections that saw a part of such a body are not used again.
    let login = Request::new("POST", ROUTES[1]).json("{}");
    assert_eq!(stand.send(&login).await.status, 200);
    eventually("all that were forwarded have an outcome", || async {
        let records = stand.ground.journal.records();
        let misframed = records.iter().filter(|it| it["details"]["error"] == "body_misframed");
        (misframed.count() == MISFRAMED.len()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn chunks_that_are_merely_odd_arrive() {
    let stand = Stand::sqlite().await;
    for body in [
        b"0000000000000000000002\r\n{}\r\n000\r\n\r\n".as_slice(),
        b"2;a=b;c=\"d e\"\r\n{}\r\n0;x\r\n\r\n",
        b"2 \t;a\r\n{}\r\n0\r\n\r\n",
        b"1\r\n{\r\n1\r\n}\r\n0\r\nX: y\r\nZ:\r\n\r\n",
    ] {
        for path in ROUTES {
            let head = head("POST", path, b"Transfer-Encoding: chunked\r\n");
            let answer = tests::client::send_raw(stand.proxy(), &[&head, body].concat()).await;
            let shown = String::from_utf8_lossy(body);
            assert_eq!(answer.expect("an answer").status, 200, "{path} {shown:?}");
            let seen = stand.ground.upstream.take().remove(0);
            assert_eq!(seen.body, b"{}", "{path} {shown:?}");
        }
    }
}
