//! The head of an upstream's answer. The oracle reads what the client is sent, strictly: whatever came, that has one
//! meaning.

use proxy::parsers::answer;
use tests::model::Dice;

use crate::{damage, one_of, run};

const LINES: [&str; 18] = [
    "Content-Length: 5",
    "Content-Length: 5, 5",
    "Content-Length : 6",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip, chunked",
    "Connection: close, X-Hop",
    "X-Hop: 1",
    "Keep-Alive: timeout=5",
    "Upgrade: h2c",
    "Trailer: X",
    "X-Folded: a\r\n b",
    "X-Audit-User-Id: somebody",
    "Set-Cookie: a=b",
    "Date: Mon, 01 Jan 2024 00:00:00 GMT",
    "X-Request-Id: theirs",
    "Proxy-Authenticate: Basic",
    "X-Odd:\t\x0b",
];

fn made_up(dice: &mut Dice) -> Vec<u8> {
    let version = one_of(dice, &["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0"]);
    let status = one_of(
        dice,
        &["200 OK", "204 No Content", "304 ", "101 Switching", "103 Early", "999", "20"],
    );
    let mut head = format!("{version} {status}\r\n");
    for _ in 0..dice.below(6) {
        head = head + one_of(dice, &LINES) + one_of(dice, &["\r\n", "\r\n", "\r\n", "\n"]);
    }
    let mut bytes = (head + "\r\n").into_bytes();
    damage(dice, &mut bytes, 3);
    bytes.extend_from_slice(b"hello HTTP/1.1 200 OK\r\n\r\n");
    bytes
}

#[test]
fn the_head_of_an_answer_has_one_meaning() {
    run("answer", |dice| {
        let bytes = made_up(dice);
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let Some(Ok(passed)) = answer(&bytes, dice.below(4) == 0) else { return };
        assert!(passed.length <= bytes.len());
        let came = &bytes[..passed.length];
        assert!(came.ends_with(b"\n\r\n") || came.ends_with(b"\n\n"), "{shown:?}");
        let text: String = passed.head.iter().map(|byte| char::from(*byte)).collect();
        assert!(text.ends_with("\r\n"), "{shown:?}");
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let start = lines.next().unwrap();
        let status: u16 = start.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        assert!((100..=999).contains(&status) && status != 101, "{shown:?}");
        let (mut lengths, mut codings) = (0, 0);
        for line in lines {
            let (name, value) =
                line.split_once(": ").unwrap_or_else(|| panic!("{line:?} of {shown:?}"));
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            assert!(!name.is_empty() && name.chars().all(token), "{name:?} of {shown:?}");
            let control = |c: char| c != '\t' && (c < ' ' || c == '\x7f');
            assert!(!value.contains(control), "{value:?} of {shown:?}");
            let name = name.to_ascii_lowercase();
            let never = [
                "connection",
                "keep-alive",
                "upgrade",
                "trailer",
                "proxy-authenticate",
                "x-request-id",
            ];
            assert!(
                !never.contains(&name.as_str()) && !name.starts_with("x-audit-"),
                "{name} of {shown:?}"
            );
            lengths += usize::from(name == "content-length");
            codings += usize::from(name == "transfer-encoding");
        }
        assert!(lengths + codings <= 1, "{shown:?}");
        assert!(!(status < 200 || status == 204) || lengths + codings == 0, "{shown:?}");
    });
}
