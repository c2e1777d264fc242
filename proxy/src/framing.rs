//! Where a request's body ends (RFC 9112, section 6 and 7).
//!
//! The bytes of a body pass through here on their way to pingora, which therefore never sees a
//! byte of the next request, and never a chunk that two readers could read in two ways.

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// Chunks; this is where we are in them.
    Chunked(Chunk),
}

/// A place in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// In the size of a chunk; so many digits were read.
    Size { value: u64, digits: u8 },
    /// After the size, in an extension; so many bytes of it were read.
    Extension { value: u64, length: u16 },
    /// After the CR of the line of the size.
    SizeLf { value: u64 },
    /// In the data.
    Data { left: u64 },
    /// At the CR after the data.
    DataCr,
    /// At the LF after it.
    DataLf,
    /// In the trailers; so many bytes of this line, and of all lines.
    Trailer { line: u16, all: u16 },
    /// After a CR in the trailers.
    TrailerLf { line: u16, all: u16 },
    /// All was read.
    End,
}

/// The longest chunk extension, and the longest trailers.
const SIDE_BYTES: u16 = 4096;

/// A body that is not framed as RFC 9112 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not framed as it should be")]
pub(crate) struct Misframed;

impl Framing {
    /// No body.
    pub(crate) const NONE: Self = Self::Length(0);
    /// Chunks from the start.
    pub(crate) const CHUNKED: Self = Self::Chunked(Chunk::Size { value: 0, digits: 0 });

    /// Whether nothing of the message is left.
    pub(crate) fn is_done(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::End))
    }

    /// How many of `bytes` belong to the message; moves on by so many.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, Misframed> {
        self.take_without_trailers(bytes).map(|(taken, _)| taken)
    }

    /// The same, and how many of them come before the trailers and the empty line that ends them.
    pub(crate) fn take_without_trailers(
        &mut self,
        bytes: &[u8],
    ) -> Result<(usize, usize), Misframed> {
        match self {
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left = left.saturating_sub(taken as u64);
                Ok((taken, taken))
            }
            Self::Chunked(chunk) => take_chunks(chunk, bytes),
        }
    }
}

impl Chunk {
    fn is_behind_the_data(self) -> bool {
        matches!(self, Self::Trailer { .. } | Self::TrailerLf { .. } | Self::End)
    }
}

fn take_chunks(chunk: &mut Chunk, bytes: &[u8]) -> Result<(usize, usize), Misframed> {
    let mut taken = 0;
    let mut before_trailers = chunk.is_behind_the_data().then_some(0);
    while let Some(&byte) = bytes.get(taken) {
        if let Chunk::Data { left } = chunk {
            let rest = bytes.len() - taken;
            let step = usize::try_from(*left).unwrap_or(usize::MAX).min(rest);
            *left -= step as u64;
            taken += step;
            if *left == 0 {
                *chunk = Chunk::DataCr;
            }
            continue;
        }
        if *chunk == Chunk::End {
            break;
        }
        *chunk = step(*chunk, byte)?;
        taken += 1;
        if before_trailers.is_none() && chunk.is_behind_the_data() {
            before_trailers = Some(taken);
        }
    }
    Ok((taken, before_trailers.unwrap_or(taken)))
}

fn step(chunk: Chunk, byte: u8) -> Result<Chunk, Misframed> {
    match (chunk, byte) {
        (Chunk::Size { digits: 1.., value } | Chunk::Extension { value, .. }, b'\r') => {
            Ok(Chunk::SizeLf { value })
        }
        (Chunk::Size { digits: 1.., value }, b';' | b' ' | b'\t') => {
            Ok(Chunk::Extension { value, length: 1 })
        }
        (Chunk::Size { value, digits: 0..15 }, digit) if digit.is_ascii_hexdigit() => {
            let digit_value = char::from(digit).to_digit(16).ok_or(Misframed)?;
            let digits = if let Chunk::Size { digits, .. } = chunk { digits + 1 } else { 1 };
            Ok(Chunk::Size { value: value * 16 + u64::from(digit_value), digits })
        }
        (Chunk::Extension { value, length }, other) if is_plain(other) && length < SIDE_BYTES => {
            Ok(Chunk::Extension { value, length: length + 1 })
        }
        (Chunk::SizeLf { value: 0 }, b'\n') => Ok(Chunk::Trailer { line: 0, all: 0 }),
        (Chunk::SizeLf { value }, b'\n') => Ok(Chunk::Data { left: value }),
        (Chunk::DataCr, b'\r') => Ok(Chunk::DataLf),
        (Chunk::DataLf, b'\n') => Ok(Chunk::Size { value: 0, digits: 0 }),
        (Chunk::Trailer { line, all }, b'\r') => Ok(Chunk::TrailerLf { line, all }),
        (Chunk::Trailer { line, all }, other) if is_plain(other) && all < SIDE_BYTES => {
            Ok(Chunk::Trailer { line: line + 1, all: all + 1 })
        }
        (Chunk::TrailerLf { line: 0, .. }, b'\n') => Ok(Chunk::End),
        (Chunk::TrailerLf { all, .. }, b'\n') => Ok(Chunk::Trailer { line: 0, all }),
        _ => Err(Misframed),
    }
}

fn is_plain(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7F)
}

#[cfg(test)]
mod tests {
    use super::Framing;

    #[track_caller]
    fn check(body: &[u8], expected: Option<(usize, bool)>) {
        for step in [1, 3, body.len().max(1)] {
            let (mut framing, mut taken, mut failed) = (Framing::CHUNKED, 0, false);
            for part in body.chunks(step) {
                match framing.take(part) {
                    Ok(count) => taken += count,
                    Err(_) => failed = true,
                }
                if failed || framing.is_done() {
                    break;
                }
            }
            let got = (!failed).then(|| (taken, framing.is_done()));
            assert_eq!(got, expected, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn chunked_bodies() {
        check(b"3\r\nabc\r\n0\r\n\r\nGET /", Some((13, true)));
        check(b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n", Some((23, true)));
        check(b"A\r\n0123456789\r\n", Some((15, false)));
        check(b"3\nabc", None);
        check(b"-3\r\nabc", None);
        check(b"0x3\r\nabc", None);
        check(b"3\r\nabcd\r\n", None);
        check(b"\r\nabc", None);
        check(b"fffffffffffffffff\r\n", None);
        check(b"0\r\n\n", None);
    }

    #[test]
    fn trailers_are_told_from_the_rest() {
        let body = b"3\r\nabc\r\n0\r\nX-Audit: y\r\n\r\nHTTP/1.1";
        for step in 1..=body.len() {
            let (mut framing, mut kept) = (Framing::CHUNKED, Vec::new());
            for part in body.chunks(step) {
                let (_taken, passed) = framing.take_without_trailers(part).unwrap();
                kept.extend_from_slice(&part[..passed]);
            }
            assert!(framing.is_done());
            assert_eq!(kept, b"3\r\nabc\r\n0\r\n", "{step}");
        }
    }
}
