//! JSON that is judged. The oracle is a small reader of RFC 8259 that notices members that are there twice.

use std::collections::BTreeSet;

use proxy::judge::strict_json::parse_object;
use tests::model::Dice;

use crate::{damage, one_of, run};

fn value(dice: &mut Dice, depth: usize) -> String {
    match dice.below(if depth == 0 { 7 } else { 9 }) {
        0 => "null".to_owned(),
        1 => "true".to_owned(),
        2 => one_of(
            dice,
            &["0", "-1", "1.50", "1e400", "-0.0e+1", "123456789012345678901234567890", "01"],
        )
        .to_owned(),
        3..=6 => format!("\"{}\"", word(dice)),
        7 => {
            let items: Vec<_> = (0..dice.below(3)).map(|_| value(dice, depth - 1)).collect();
            format!("[{}]", items.join(" , "))
        }
        _ => object(dice, depth - 1),
    }
}

fn word(dice: &mut Dice) -> &'static str {
    one_of(
        dice,
        &[
            "a",
            "b",
            "\\u0061",
            "roles",
            "organization_id",
            "\\ud83d",
            "\\ud83d\\ude00",
            "\u{e9}",
            "\\n",
            "",
        ],
    )
}

fn object(dice: &mut Dice, depth: usize) -> String {
    let members: Vec<_> =
        (0..dice.below(4)).map(|_| format!("\"{}\":{}", word(dice), value(dice, depth))).collect();
    format!("{{{}}}", members.join(","))
}

/// Reads one value at `at`; gives the place after it.
struct Oracle<'a>(&'a [u8]);

impl Oracle<'_> {
    fn space(&self, mut at: usize) -> usize {
        while self.0.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            at += 1;
        }
        at
    }

    fn byte(&self, at: usize, byte: u8) -> Option<usize> {
        (self.0.get(at) == Some(&byte)).then_some(at + 1)
    }

    fn value(&self, at: usize) -> Option<usize> {
        let at = self.space(at);
        let end = match self.0.get(at)? {
            b'{' => self.object(at)?,
            b'[' => self.array(at)?,
            b'"' => self.string(at)?.1,
            b't' => self.word(at, b"true")?,
            b'f' => self.word(at, b"false")?,
            b'n' => self.word(at, b"null")?,
            _ => self.number(at)?,
        };
        Some(self.space(end))
    }

    fn word(&self, at: usize, word: &[u8]) -> Option<usize> {
        self.0[at..].starts_with(word).then_some(at + word.len())
    }

    fn object(&self, at: usize) -> Option<usize> {
        let (mut names, mut at) = (BTreeSet::new(), self.space(self.byte(at, b'{')?));
        if let Some(end) = self.byte(at, b'}') {
            return Some(end);
        }
        loop {
            let (name, end) = self.string(self.space(at))?;
            names.insert(name).then_some(())?;
            at = self.value(self.byte(self.space(end), b':')?)?;
            match self.0.get(at)? {
                b',' => at += 1,
                b'}' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    fn array(&self, at: usize) -> Option<usize> {
        let mut at = self.space(self.byte(at, b'[')?);
        if let Some(end) = self.byte(at, b']') {
            return Some(end);
        }
        loop {
            at = self.value(at)?;
            match self.0.get(at)? {
                b',' => at += 1,
                b']' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// A string in UTF-16, as JavaScript has it: a surrogate may stand alone.
    fn string(&self, at: usize) -> Option<(Vec<u16>, usize)> {
        let (mut at, mut text) = (self.byte(at, b'"')?, Vec::new());
        loop {
            match *self.0.get(at)? {
                b'"' => return Some((text, at + 1)),
                b'\\' => {
                    let escaped = *self.0.get(at + 1)?;
                    at += 2;
                    match escaped {
                        b'u' => {
                            let digits = std::str::from_utf8(self.0.get(at..at + 4)?).ok()?;
                            digits.bytes().all(|it| it.is_ascii_hexdigit()).then_some(())?;
                            text.push(u16::from_str_radix(digits, 16).ok()?);
                            at += 4;
                        }
                        b'b' => text.push(8),
                        b'f' => text.push(12),
                        b'n' => text.push(10),
                        b'r' => text.push(13),
                        b't' => text.push(9),
                        b'"' | b'\\' | b'/' => text.push(escaped.into()),
                        _ => return None,
                    }
                }
                ..b' ' => return None,
                _ => {
                    let rest = std::str::from_utf8(&self.0[at..]).ok()?;
                    let first = rest.chars().next()?;
                    text.extend(first.encode_utf16(&mut [0; 2]).iter());
                    at += first.len_utf8();
                }
            }
        }
    }

    fn number(&self, start: usize) -> Option<usize> {
        let digits =
            |from: usize| self.0[from..].iter().take_while(|it| it.is_ascii_digit()).count();
        let whole = self.byte(start, b'-').unwrap_or(start);
        let count = digits(whole);
        (count == 1 || (count > 1 && self.0[whole] != b'0')).then_some(())?;
        let mut at = whole + count;
        if let Some(fraction) = self.byte(at, b'.') {
            at = fraction + Some(digits(fraction)).filter(|count| *count > 0)?;
        }
        if let Some(exponent) = self.byte(at, b'e').or(self.byte(at, b'E')) {
            let sign = self.byte(exponent, b'+').or(self.byte(exponent, b'-')).unwrap_or(exponent);
            at = sign + Some(digits(sign)).filter(|count| *count > 0)?;
        }
        Some(at)
    }
}

/// Whether the text is one object, in UTF-8, with no member twice at any depth.
fn is_one_object(text: &[u8]) -> bool {
    let oracle = Oracle(text);
    let object = std::str::from_utf8(text).ok().and_then(|_| oracle.object(oracle.space(0)));
    object.is_some_and(|end| oracle.space(end) == text.len())
}

#[test]
fn what_is_judged_is_one_object_to_every_reader() {
    run("json", |dice| {
        let mut text = object(dice, 3).into_bytes();
        damage(dice, &mut text, 3);
        let shown = String::from_utf8_lossy(&text).into_owned();
        if parse_object(&text).is_ok() {
            assert!(is_one_object(&text), "{shown}");
        }
    });
}
