use super::{Framing, Span};

/// Decodes `body` in pieces of `step` bytes. Returns the content, the number of bytes of the message, and whether
/// the message was complete.
fn decode(body: &[u8], step: usize) -> Option<(Vec<u8>, usize, bool)> {
    let (mut framing, mut content, mut taken) = (Framing::CHUNKED, Vec::new(), 0);
    for part in body.chunks(step) {
        let mut rest = part;
        while !rest.is_empty() && !framing.is_done() {
            let Span { skip, data } = framing.next(rest).ok()?;
            content.extend_from_slice(&rest[skip..skip + data]);
            rest = &rest[skip + data..];
            taken += skip + data;
        }
        if framing.is_done() {
            break;
        }
    }
    Some((content, taken, framing.is_done()))
}

#[track_caller]
fn check(body: &[u8], expected: Option<(&[u8], usize, bool)>) {
    for step in 1..=body.len() {
        let got = decode(body, step);
        let got = got.as_ref().map(|(content, taken, done)| (content.as_slice(), *taken, *done));
        assert_eq!(got, expected, "{} by {step}", String::from_utf8_lossy(body));
    }
}

#[test]
fn chunks_are_decoded_however_they_are_cut() {
    check(b"3\r\nabc\r\n0\r\n\r\nGET /", Some((b"abc", 13, true)));
    check(b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n", Some((b"abc", 23, true)));
    check(b"3 \t;a=\"b c\"\r\nabc\r\n0\r\n\r\n", Some((b"abc", 23, true)));
    check(b"A\r\n0123456789\r\n", Some((b"0123456789", 15, false)));
    check(b"00000000000000000002\r\nhi\r\n000\r\n\r\n", Some((b"hi", 33, true)));
    check(b"1\r\na\r\n1\r\nb\r\n0\r\nX:\r\nY-1: a\tb\r\n\r\n", Some((b"ab", 31, true)));
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    for body in [
        b"3\nabc".as_slice(),
        b"-3\r\nabc",
        b"+3\r\nabc",
        b"0x3\r\nabc",
        b" 3\r\nabc",
        b"3 x\r\nabc",
        b"3\r\nabcd\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"\r\nabc",
        b"fffffffffffffffff\r\n",
        b"0\r\n\n",
        b"0\n\r\n",
        b"3;a\x0b\r\nabc",
        b"3;a\nabc",
        b"3;a\rb\r\nabc",
        // Trailers are fields: a name, a colon, a value, CR LF.
        b"0\r\nno colon\r\n\r\n",
        b"0\r\nnocolon\r\n\r\n",
        b"0\r\n: x\r\n\r\n",
        b"0\r\n X: folded\r\n\r\n",
        b"0\r\nX: y\r\n folded\r\n\r\n",
        b"0\r\nX : y\r\n\r\n",
        b"0\r\nX: y\n\r\n",
        b"0\r\nX: y\x0b\r\n\r\n",
        b"0\r\nX: y\r\n\n",
    ] {
        check(body, None);
    }
    check(&[b"0\r\nX: ".as_slice(), &[b'x'; 5000], b"\r\n\r\n"].concat(), None);
    check(&[b"3;".as_slice(), &[b'x'; 5000], b"\r\nabc"].concat(), None);
}

#[test]
fn a_length_is_counted_down() {
    let mut framing = Framing::Length(5);
    assert_eq!(framing.next(b"abc"), Ok(Span { skip: 0, data: 3 }));
    assert!(!framing.is_done());
    assert_eq!(framing.next(b"deGET"), Ok(Span { skip: 0, data: 2 }));
    assert!(framing.is_done());
}
