//! Chunked bodies. The oracle is a reader that has the whole body before it.

use proxy::parsers::{Body, chunked};
use tests::model::Dice;

use crate::{damage, one_of, pieces, run};

fn made_up(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..dice.below(4) {
        let data = vec![b'x'; dice.below(20) + 1];
        let zeros = "0".repeat(dice.below(3) * dice.below(12));
        let extension = one_of(dice, &["", "", ";a=b", " ;a", ";a=\"b c\"", "\t"]);
        bytes.extend(format!("{zeros}{:x}{extension}\r\n", data.len()).into_bytes());
        bytes.extend(data);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n");
    for _ in 0..dice.below(3) {
        bytes.extend(one_of(dice, &["X: y\r\n", "X:\r\n", "X-Auth-User-Id: a b\r\n"]).as_bytes());
    }
    bytes.extend(b"\r\n");
    damage(dice, &mut bytes, 3);
    bytes.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
    bytes
}

/// The line at `at`, and the place after it. `Err`: a CR or LF stands alone; `Ok(None)`: the line is not whole.
fn line(bytes: &[u8], at: usize) -> Result<Option<(&[u8], usize)>, ()> {
    let Some(end) = bytes[at..].iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return Ok(None);
    };
    match (bytes[at + end], bytes.get(at + end + 1)) {
        (b'\r', Some(b'\n')) => Ok(Some((&bytes[at..at + end], at + end + 2))),
        (b'\r', None) => Ok(None),
        _ => Err(()),
    }
}

fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7F))
}

fn size(line: &[u8]) -> Result<u64, ()> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (number, rest) = line.split_at(digits);
    let spaces = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let extension = &rest[spaces..];
    if digits == 0
        || digits > 64
        || !(extension.is_empty() || extension[0] == b';')
        || !is_plain(rest)
    {
        return Err(());
    }
    let number = std::str::from_utf8(number).map_err(drop)?.trim_start_matches('0');
    if number.is_empty() { Ok(0) } else { u64::from_str_radix(number, 16).map_err(drop) }
}

fn trailer(line: &[u8]) -> Result<(), ()> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(())?;
    let name = &line[..colon];
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let fine = !name.is_empty() && name.iter().all(token) && is_plain(&line[colon + 1..]);
    if fine { Ok(()) } else { Err(()) }
}

/// The content and the length of a whole body; `Ok(None)`: the body is not whole.
fn oracle(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, ()> {
    let (mut at, mut content) = (0, Vec::new());
    loop {
        let Some((head, after)) = line(bytes, at)? else { return Ok(None) };
        let size = usize::try_from(size(head)?).unwrap_or(usize::MAX);
        at = after;
        if size == 0 {
            break;
        }
        let Some(data) = at.checked_add(size).and_then(|end| bytes.get(at..end)) else {
            return Ok(None);
        };
        content.extend_from_slice(data);
        at += size;
        match bytes.get(at..at + 2) {
            Some(b"\r\n") => at += 2,
            Some(_) => return Err(()),
            None => return Ok(None),
        }
    }
    loop {
        let Some((field, after)) = line(bytes, at)? else { return Ok(None) };
        at = after;
        if field.is_empty() {
            return Ok(Some((content, at)));
        }
        trailer(field)?;
    }
}

#[test]
fn chunks_are_read_as_one_who_has_them_all_reads_them() {
    run("framing", |dice| {
        let bytes = made_up(dice);
        let read = chunked(pieces(dice, &bytes));
        let shown = String::from_utf8_lossy(&bytes);
        match (oracle(&bytes), read) {
            (Ok(Some((content, taken))), got) => {
                assert_eq!(got, Some(Body { content, taken, whole: true }), "{shown:?}");
            }
            // A reader that has not seen the end yet may have seen a fault, or not.
            (Ok(None) | Err(()), None) => {}
            (Ok(None) | Err(()), Some(body)) => assert!(!body.whole, "{shown:?} {body:?}"),
        }
    });
}
