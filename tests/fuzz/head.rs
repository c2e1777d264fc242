//! The head of a request. The oracle reads as RFC 9112 says and no more leniently; a second one reads as the most
//! careless upstream does.

use proxy::parsers::{Framing, Read, request};
use tests::model::Dice;

use crate::{damage, one_of, run};

const TARGETS: [&str; 8] = [
    "/",
    "/api/patients",
    "/api/patients/patient-1?organization_id=org-1",
    "/a//b",
    "/a/%2e%2e/b",
    "/%41?%zz",
    "http://x.example/api",
    "*",
];
const NAMES: [&str; 20] = [
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "X-Auth-User-Id",
    "x_auth_roles",
    "X~Auth~User~Id",
    "X-Tenant",
    "Content-Type",
    "Authorization",
    "Cookie",
    "X-Forwarded-For",
    "Expect",
    "Proxy",
    "X-Organization-Id",
    "Accept",
    "X-Original-URL",
    "TE",
    "Remote-User",
    "X-A",
];
const VALUES: [&str; 14] = [
    "x.example",
    "5",
    "0",
    "chunked",
    "close",
    "keep-alive, X-A",
    "platform-admin",
    "a b\tc",
    "application/json",
    "Bearer a.b.c",
    "",
    "100-continue",
    "+5",
    "chunked, chunked",
];

fn made_up(dice: &mut Dice) -> Vec<u8> {
    let method = one_of(dice, &["GET", "POST", "HEAD", "DELETE", "TRACE", "get"]);
    let version = one_of(dice, &["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0"]);
    let mut head = format!("{method} {} {version}\r\n", one_of(dice, &TARGETS));
    if dice.below(8) > 0 {
        head += "Host: x.example\r\n";
    }
    for _ in 0..dice.below(6) {
        let (name, value) = (one_of(dice, &NAMES), one_of(dice, &VALUES));
        let space = one_of(dice, &[" ", "", "\t", "  "]);
        head.extend([name, ":", space, value, space, "\r\n"]);
    }
    let mut bytes = (head + "\r\n").into_bytes();
    damage(dice, &mut bytes, 4);
    bytes.extend_from_slice(b"GET /next HTTP/1.1\r\nHost: y\r\n\r\n");
    bytes
}

/// A head as RFC 9112 lets a strict reader take it.
struct Strict {
    length: usize,
    target: String,
    fields: Vec<(String, Vec<u8>)>,
}

/// `None`: a strict reader refuses the head.
fn strict(bytes: &[u8]) -> Option<Strict> {
    let mut start = 0;
    while bytes[start..].starts_with(b"\r\n") {
        start += 2;
    }
    let (mut lines, mut at) = (Vec::new(), start);
    loop {
        let end = at + bytes[at..].iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
        (bytes[end] == b'\r' && bytes.get(end + 1) == Some(&b'\n')).then_some(())?;
        let line = &bytes[at..end];
        at = end + 2;
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut words = lines.first()?.split(|byte| *byte == b' ');
    let (_method, target, version) = (words.next()?, words.next()?, words.next()?);
    (words.next().is_none() && version.starts_with(b"HTTP/1.")).then_some(())?;
    let mut fields = Vec::new();
    for line in &lines[1..] {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        (!name.is_empty() && name.bytes().all(plain)).then_some(())?;
        let mut value = line[colon + 1..].to_vec();
        while value.last().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            value.pop();
        }
        while value.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            value.remove(0);
        }
        let allowed = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7F);
        value.iter().all(allowed).then_some(())?;
        fields.push((name.to_owned(), value));
    }
    let target = String::from_utf8_lossy(target).into_owned();
    Some(Strict { length: at, target, fields })
}

/// The fields as a careless reader takes them: LF ends a line, every character of a name that is neither letter nor
/// digit is `_`.
fn careless(head: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head).into_owned();
    let lines = text.split('\n').skip(1).map(|line| line.trim_end_matches('\r'));
    let fields = lines.filter_map(|line| line.split_once(':'));
    fields
        .map(|(name, value)| {
            let fold =
                |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
            (name.chars().map(fold).collect(), value.trim().to_owned())
        })
        .collect()
}

fn framing(fields: &[(String, Vec<u8>)]) -> Option<Framing> {
    let all = |name: &str| {
        let named = fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>()
    };
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Some(Framing::None),
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().ok().map(Framing::Length)
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Some(Framing::Chunked),
        _ => None,
    }
}

#[test]
fn heads_are_read_as_every_reader_reads_them() {
    run("head", |dice| {
        let bytes = made_up(dice);
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let Read::Accepted(accepted) = request(&bytes) else { return };
        let strict = strict(&bytes).unwrap_or_else(|| panic!("not to be accepted: {shown:?}"));
        assert_eq!(accepted.length, strict.length, "{shown:?}");
        assert_eq!(Some(accepted.framing), framing(&strict.fields), "{shown:?}");
        let sent = String::from_utf8_lossy(&accepted.head).into_owned();
        let target = sent.split(' ').nth(1).unwrap();
        let path = target.split('?').next().unwrap();
        assert!(path.starts_with('/') && !path.contains("//"), "{shown:?} {target}");
        assert!(
            strict.target.ends_with(target) || strict.target.contains('%') || target == "/",
            "{shown:?}"
        );
        let fields = careless(&accepted.head);
        let count = |name: &str| fields.iter().filter(|(own, _)| own == name).count();
        assert_eq!(count("host"), 1, "{shown:?}");
        for never in ["content_length", "transfer_encoding", "connection", "te"] {
            assert_eq!(count(never), 0, "{never}: {shown:?}");
        }
        let expects = |(name, value): &(String, String)| {
            name == "expect" && value.eq_ignore_ascii_case("100-continue")
        };
        assert!(!fields.iter().any(expects), "{shown:?}");
        for (name, value) in &fields {
            let prefixed = ["x_auth_", "x_audit_"].iter().any(|start| name.starts_with(start));
            let whole = ["x_tenant", "x_organization_id", "proxy", "remote_user", "x_original_url"];
            let own = prefixed || whole.contains(&name.as_str());
            assert!(!own, "{name}: {value} of {shown:?}");
        }
    });
}
