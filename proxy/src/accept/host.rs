//! The requested host.

/// The value of `Host`, in the form in which it names a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The name in lower case, without port and trailing dots.
    pub name: String,
    /// The port, if given.
    pub port: Option<u16>,
    /// The value as received.
    pub raw: String,
}

impl Host {
    /// Parses the value of `Host` (RFC 9110, 7.2): a name, an IPv4 address or an `[IPv6]` address, with or without a
    /// port. `_` is allowed because host names of tenants contain it.
    pub(super) fn parse(value: &[u8]) -> Result<Self, &'static str> {
        const FAULT: &str = "the host is not valid";
        let raw = std::str::from_utf8(value).map_err(|_| FAULT)?;
        let (name, port) = match raw.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or(FAULT)?;
                let _valid: std::net::Ipv6Addr = address.parse().map_err(|_| FAULT)?;
                (
                    raw.get(..address.len() + 2).ok_or(FAULT)?,
                    port.strip_prefix(':').or((!port.is_empty()).then_some("x")),
                )
            }
            None => match raw.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (raw, None),
            },
        };
        let port = match port {
            None => None,
            Some(digits)
                if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                Some(digits.parse().map_err(|_| FAULT)?)
            }
            Some(_) => return Err(FAULT),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let bracketed = name.starts_with('[');
        if name.is_empty() || name.len() > 255 || !(bracketed || name.bytes().all(plain)) {
            return Err(FAULT);
        }
        let folded = name.to_ascii_lowercase();
        // A lenient upstream ignores any number of trailing dots, so the name is compared without them.
        let name = folded.trim_end_matches('.').to_owned();
        if name.is_empty() { Err(FAULT) } else { Ok(Self { name, port, raw: raw.to_owned() }) }
    }
}
