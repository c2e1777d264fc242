//! The canonical form of a path (`gate.md`, "Canonical path").

/// The canonical form, if there is one.
pub(super) fn canonical(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let (last, others) = segments.split_last()?;
    if others.contains(&"") {
        return None;
    }
    let made: Option<Vec<String>> = others.iter().chain([last]).map(|it| segment(it)).collect();
    Some(format!("/{}", made?.join("/")))
}

fn segment(raw: &str) -> Option<String> {
    let (mut made, mut decoded) = (String::new(), Vec::new());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let value = hexadecimal(digits)?;
            if is_dangerous(value) {
                return None;
            }
            decoded.push(value);
            if is_unreserved(value) {
                made.push(char::from(value));
            } else {
                let escape = format!("%{value:02X}");
                made.push_str(&escape);
            }
        } else if is_unreserved(byte) || b"!$&'()*+,=:@".contains(&byte) {
            decoded.push(byte);
            made.push(char::from(byte));
        } else {
            return None;
        }
    }
    let text = String::from_utf8(decoded).ok()?;
    let fine = !text.contains(char::is_control) && !hides_something(&made);
    (fine && made != "." && made != "..").then_some(made)
}

/// Whether a dot, a slash, a backslash or a control byte is encoded twice or more.
fn hides_something(made: &str) -> bool {
    let mut once = made.to_owned();
    while once.contains("%25") {
        once = once.replace("%25", "%");
    }
    let escapes = once.match_indices('%').filter_map(|(at, _)| once.as_bytes().get(at + 1..at + 3));
    escapes.filter_map(|digits| hexadecimal([digits[0], digits[1]])).any(is_dangerous)
}

fn is_dangerous(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7F || b"./\\".contains(&byte)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn hexadecimal(digits: [u8; 2]) -> Option<u8> {
    let text = std::str::from_utf8(&digits).ok()?;
    let all = digits.iter().all(u8::is_ascii_hexdigit);
    all.then(|| u8::from_str_radix(text, 16).ok()).flatten()
}

/// A piece of an `application/x-www-form-urlencoded` text, if its escapes are good.
pub(super) fn form_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hexadecimal([rest.next()?, rest.next()?])?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}
