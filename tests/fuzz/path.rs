//! Canonical paths. The oracle is what a careless upstream makes of one: it decodes as often as it can.

use proxy::http::canonical;
use tests::model::Dice;

use crate::{damage, one_of, run};

fn made_up(dice: &mut Dice) -> Vec<u8> {
    let mut path = String::new();
    for _ in 0..=dice.below(4) {
        path.push('/');
        for _ in 0..dice.below(3) {
            path += one_of(
                dice,
                &[
                    "api",
                    "patients",
                    "a-1",
                    "%41",
                    "%2e",
                    "%252e",
                    "%25",
                    "%2f",
                    "%5c",
                    "%00",
                    "..",
                    ".",
                    ";x",
                    "%3b",
                    "\u{e9}",
                    "%C3%A9",
                    "%c3",
                    "%E2%82%AC",
                    "%c0%ae",
                    "@acme%2fhello",
                    "~",
                    "%7E",
                ],
            );
        }
    }
    let mut bytes = path.into_bytes();
    damage(dice, &mut bytes, 3);
    bytes
}

/// Decodes percent-encodings once; what is no encoding stays.
fn decoded(text: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        let value = digits.filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match value {
            Some(two) if text[at] == b'%' => {
                out.push(u8::from_str_radix(two, 16).unwrap());
                at += 3;
            }
            _ => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

#[test]
fn a_canonical_path_means_the_same_however_often_it_is_decoded() {
    run("path", |dice| {
        let raw = made_up(dice);
        let Ok(path) = canonical::path(&raw) else { return };
        let shown = String::from_utf8_lossy(&raw).into_owned();
        assert_eq!(canonical::path(path.as_bytes()).as_deref(), Ok(path.as_str()), "{shown:?}");
        assert_eq!(decoded(&raw), decoded(path.as_bytes()), "{shown:?}");
        let slashes = path.matches('/').count();
        let mut text = path.clone().into_bytes();
        for _ in 0..4 {
            let segments: Vec<&[u8]> = text.split(|byte| *byte == b'/').collect();
            assert_eq!(segments.len(), slashes + 1, "{shown:?}");
            assert!(!segments.iter().any(|it| *it == b"." || *it == b".."), "{shown:?}");
            assert!(
                !text.iter().any(|byte| *byte < b' ' || matches!(byte, 0x7F | b'\\')),
                "{shown:?}"
            );
            text = decoded(&text);
        }
    });
}
