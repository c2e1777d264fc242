//! Which header fields of a client may reach the upstream (`gate.md`, "Header hygiene").

/// Fields that are ours to say, by the name that a careless upstream would read.
const OURS: [&[u8]; 15] = [
    b"x-tenant",
    b"x-break-glass",
    b"x-request-id",
    b"x-original-url",
    b"x-original-uri",
    b"x-rewrite-url",
    b"x-forwarded-prefix",
    b"x-forwarded-user",
    b"x-forwarded-uri",
    b"x-forwarded-method",
    b"remote-user",
    b"x-remote-user",
    b"x-http-method",
    b"x-http-method-override",
    b"x-method-override",
];
/// Beginnings of names that are ours to say.
const OUR_PREFIXES: [&[u8]; 2] = [b"x-auth-", b"x-audit-"];
/// Fields about the way a request came.
const WAY: [&[u8]; 6] = [
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"forwarded",
    b"x-real-ip",
];
/// Hop-by-hop fields (RFC 9110, 7.6.1), and those that only ever meant the next hop.
const HOP_BY_HOP: [&[u8]; 10] = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-authentication-info",
    b"te",
    b"trailer",
    b"upgrade",
    b"http2-settings",
];
/// Fields that say where a message ends and for whom it is: `Connection` cannot name them away.
const STRUCTURAL: [&[u8]; 3] = [b"host", b"content-length", b"transfer-encoding"];

/// What is to be done with a field of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It passes.
    Pass,
    /// It never passes.
    Drop,
    /// It tells the way of the request: believed of a trusted peer, else said anew.
    Way,
    /// It carries the caller's proof.
    Credential,
}

/// The fate of the field `name`, whatever its spelling.
pub(crate) fn fate(name: &[u8]) -> Fate {
    // Most names are none of ours and differ in the first letter.
    if !matches!(
        name.first().map(u8::to_ascii_lowercase),
        Some(b'x' | b'r' | b'f' | b'c' | b'k' | b'p' | b't' | b'u' | b'h' | b'a')
    ) {
        return Fate::Pass;
    }
    let is = |known: &[u8]| same(name, known);
    if OURS.iter().any(|known| is(known)) {
        return Fate::Drop;
    }
    let begins = |prefix: &&[u8]| name.get(..prefix.len()).is_some_and(|start| same(start, prefix));
    if OUR_PREFIXES.iter().any(begins) {
        return Fate::Drop;
    }
    if WAY.iter().any(|known| is(known)) {
        let plain = WAY.iter().any(|known| name.eq_ignore_ascii_case(known));
        return if plain { Fate::Way } else { Fate::Drop };
    }
    if is_hop_by_hop(name) {
        return Fate::Drop;
    }
    if name.eq_ignore_ascii_case(b"authorization") {
        return Fate::Credential;
    }
    Fate::Pass
}

/// Whether a field is for one hop alone.
pub(crate) fn is_hop_by_hop(name: &[u8]) -> bool {
    HOP_BY_HOP.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether `Connection` may name this field away.
pub(crate) fn is_structural(name: &[u8]) -> bool {
    STRUCTURAL.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Equal when `_` and `.` are read as `-` and case does not count: as CGI and its heirs do.
fn same(name: &[u8], known: &[u8]) -> bool {
    let folded = |byte: &u8| match byte {
        b'_' | b'.' => b'-',
        other => other.to_ascii_lowercase(),
    };
    name.len() == known.len() && name.iter().map(folded).eq(known.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::{Fate, fate};

    #[test]
    fn names_and_their_spellings() {
        for (name, expected) in [
            ("X-Auth-User-Id", Fate::Drop),
            ("x_auth_user_id", Fate::Drop),
            ("X.Auth-Anything", Fate::Drop),
            ("X-Auth-", Fate::Drop),
            ("X-Authority", Fate::Pass),
            ("X-Tenant", Fate::Drop),
            ("X_TENANT", Fate::Drop),
            ("Remote_User", Fate::Drop),
            ("X-Forwarded-For", Fate::Way),
            ("X_Forwarded_For", Fate::Drop),
            ("Forwarded", Fate::Way),
            ("Connection", Fate::Drop),
            ("Upgrade", Fate::Drop),
            ("Authorization", Fate::Credential),
            ("Accept", Fate::Pass),
            ("Cookie", Fate::Pass),
        ] {
            assert_eq!(fate(name.as_bytes()), expected, "{name}");
        }
    }
}
