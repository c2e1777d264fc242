//! The framing of message bodies: where a body ends, and which bytes are content (RFC 9112, sections 6 and 7).
//!
//! Bodies of requests and responses are decoded here and framed anew by the gate. The chunk sizes, extensions and
//! trailers of one side never reach the other side, which might read them differently.

/// How the end of a body is determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A length: the number of remaining bytes.
    Length(u64),
    /// Chunks: the position reached in them.
    Chunked(Chunk),
}

/// A position in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// In the size of a chunk, after this number of digits.
    Size { value: u64, digits: u8 },
    /// In white space or an extension after the size; `side` bytes of them were read.
    Side { value: u64, side: u16, extension: bool },
    /// After the CR of the line with the size.
    SizeLf { value: u64 },
    /// In the data, of which this number of bytes is left.
    Data { left: u64 },
    /// At the CR after the data.
    DataCr,
    /// At the LF after the data.
    DataLf,
    /// At the start of a line of the trailers, of which `side` bytes were read.
    Trailer { side: u16 },
    /// In the name of a trailer field.
    TrailerName { side: u16 },
    /// In the value of a trailer field.
    TrailerValue { side: u16 },
    /// After the CR of a trailer field.
    TrailerLf { side: u16 },
    /// After the CR of the empty line that ends the message.
    LastLf,
    /// After the message.
    End,
}

/// The maximum length of a chunk extension, and of all trailers, in bytes.
const SIDE_BYTES: u16 = 4096;
/// The maximum number of digits of a chunk size. Leading zeros are legal (RFC 9112, 7.1).
const DIGITS: u8 = 64;

/// The error for a body that is not framed as RFC 9112 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not framed as RFC 9112 says")]
pub(crate) struct Misframed;

/// The next bytes of a message: `skip` bytes of framing, and after them `data` bytes of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) skip: usize,
    pub(crate) data: usize,
}

impl Framing {
    /// No body.
    pub(crate) const NONE: Self = Self::Length(0);
    /// Chunks, at their start.
    pub(crate) const CHUNKED: Self = Self::Chunked(Chunk::Size { value: 0, digits: 0 });

    /// Whether the message is complete.
    pub(crate) fn is_done(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::End))
    }

    /// Whether the body is chunked.
    pub(crate) fn is_chunked(self) -> bool {
        matches!(self, Self::Chunked(_))
    }

    /// The number of content bytes that are known to come next.
    pub(crate) fn expected(self) -> usize {
        match self {
            Self::Length(left) | Self::Chunked(Chunk::Data { left }) => {
                usize::try_from(left).unwrap_or(usize::MAX)
            }
            Self::Chunked(_) => 0,
        }
    }

    /// Splits `bytes` into framing and content up to the end of the next content in them, and advances past both.
    ///
    /// # Errors
    ///
    /// Fails if the message is not framed as RFC 9112 says: no bytes after the fault can be trusted.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Result<Span, Misframed> {
        match self {
            Self::Length(left) => {
                let data = shorter(*left, bytes.len());
                *left -= data as u64;
                Ok(Span { skip: 0, data })
            }
            Self::Chunked(chunk) => next_chunk(chunk, bytes),
        }
    }
}

fn shorter(left: u64, here: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(here)
}

fn next_chunk(chunk: &mut Chunk, bytes: &[u8]) -> Result<Span, Misframed> {
    let mut skip = 0;
    while let Some(&byte) = bytes.get(skip) {
        if let Chunk::Data { left } = chunk {
            let data = shorter(*left, bytes.len() - skip);
            *left -= data as u64;
            if *left == 0 {
                *chunk = Chunk::DataCr;
            }
            return Ok(Span { skip, data });
        }
        if *chunk == Chunk::End {
            break;
        }
        *chunk = step(*chunk, byte)?;
        skip += 1;
    }
    Ok(Span { skip, data: 0 })
}

fn step(chunk: Chunk, byte: u8) -> Result<Chunk, Misframed> {
    use Chunk::{
        Data, DataCr, DataLf, End, LastLf, Side, Size, SizeLf, Trailer, TrailerLf, TrailerName,
        TrailerValue,
    };
    Ok(match (chunk, byte) {
        (Size { digits: 1.., value } | Side { value, .. }, b'\r') => SizeLf { value },
        (Size { digits: 1.., value }, b';') => Side { value, side: 1, extension: true },
        (Size { digits: 1.., value }, b' ' | b'\t') => Side { value, side: 1, extension: false },
        (Size { value, digits: 0..DIGITS }, digit) => {
            let digit = char::from(digit).to_digit(16).ok_or(Misframed)?;
            let shifted = value.checked_mul(16).ok_or(Misframed)?;
            let digits = if let Size { digits, .. } = chunk { digits + 1 } else { 1 };
            Size { value: shifted + u64::from(digit), digits }
        }
        (Side { value, side, extension }, byte) if side < SIDE_BYTES => {
            let extension = extension || byte == b';';
            let allowed = if extension { is_plain(byte) } else { matches!(byte, b' ' | b'\t') };
            if !allowed {
                return Err(Misframed);
            }
            Side { value, side: side + 1, extension }
        }
        (SizeLf { value: 0 }, b'\n') => Trailer { side: 0 },
        (SizeLf { value }, b'\n') => Data { left: value },
        (DataCr, b'\r') => DataLf,
        (DataLf, b'\n') => Size { value: 0, digits: 0 },
        (Trailer { .. }, b'\r') => LastLf,
        (Trailer { side } | TrailerName { side }, byte)
            if crate::http::head::is_token(byte) && side < SIDE_BYTES =>
        {
            TrailerName { side: side + 1 }
        }
        (TrailerName { side }, b':') => TrailerValue { side },
        (TrailerValue { side }, b'\r') => TrailerLf { side },
        (TrailerValue { side }, byte) if is_plain(byte) && side < SIDE_BYTES => {
            TrailerValue { side: side + 1 }
        }
        (TrailerLf { side }, b'\n') => Trailer { side },
        (LastLf, b'\n') => End,
        _ => return Err(Misframed),
    })
}

/// Whether `byte` is allowed in a field value or a chunk extension: all but control characters other than tab.
fn is_plain(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7F)
}

#[cfg(test)]
mod tests;
