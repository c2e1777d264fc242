//! Which header fields of a client may reach the upstream (`gate.md`, "Header hygiene").
//!
//! INVARIANT: a field passes only under a name that every upstream reads as that name. CGI, WSGI, Rack and
//! PHP read each character that is neither a letter nor a digit as `_`, so names with any other character
//! than letters, digits and `-` do not pass, unless the operator has named them.

mod names;
#[cfg(test)]
mod tests;

use prometheus::IntCounter;

use crate::http::tenant_names;

use names::{CONTENT, HOP_BY_HOP, OBEYED, RESERVED, RESERVED_PREFIXES, STRUCTURAL, TENANTS, WAY};

/// What is to be done with a field of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The field passes.
    Pass,
    /// The field ends here: it is for this hop alone, or for the gate.
    Drop,
    /// The field could pass for the word of the gate, or of a proxy that the upstream trusts: it is removed,
    /// and counted.
    Remove,
    /// The field tells how the request came: believed of a trusted peer, else written anew.
    Way,
    /// The field carries the caller's proof.
    Credential,
}

/// Decides what becomes of each field of a request.
#[derive(Debug, Clone)]
pub(crate) struct Hygiene {
    /// Whole names in lower case, by their length.
    known: Vec<Vec<(Box<[u8]>, Fate)>>,
    /// The letters and digits of the names of a tenant, in lower case.
    tenants: Vec<Vec<u8>>,
    /// Names with odd characters that pass all the same.
    allowed: Vec<String>,
    marks: Marks,
    /// Counts what is removed.
    removed: Option<IntCounter>,
}

impl Hygiene {
    /// The rules of `gate.md`, and what the operator adds to them: names that pass although they hold odd characters
    /// (`allow`), names that do not pass (`strip`), both in lower case, and the names of a tenant's id (`tenants`).
    pub(crate) fn new(allow: &[String], strip: &[String], tenants: &[String]) -> Self {
        let mut hygiene = Self {
            known: Vec::new(),
            tenants: Vec::new(),
            allowed: allow.to_vec(),
            marks: Marks::default(),
            removed: None,
        };
        // The first entry of a name counts: what the operator strips is stripped.
        for name in strip {
            hygiene.know(name, Fate::Remove);
        }
        for (names, fate) in [
            (STRUCTURAL, Fate::Pass),
            (CONTENT, Fate::Pass),
            (OBEYED, Fate::Drop),
            (HOP_BY_HOP, Fate::Drop),
            (WAY, Fate::Way),
            (&["authorization"], Fate::Credential),
            (RESERVED, Fate::Remove),
        ] {
            for name in names {
                hygiene.know(name, fate);
            }
        }
        for prefix in RESERVED_PREFIXES {
            hygiene.marks.set_from(prefix.as_bytes(), prefix.len());
        }
        let configured = tenants.iter().map(String::as_str);
        TENANTS.iter().copied().chain(configured).for_each(|name| hygiene.know_tenant(name));
        hygiene
    }

    /// The same, and what is removed is counted.
    pub(crate) fn counted_by(self, removed: IntCounter) -> Self {
        Self { removed: Some(removed), ..self }
    }

    fn know(&mut self, name: &str, fate: Fate) {
        let name = name.to_ascii_lowercase().into_bytes();
        if self.known.len() <= name.len() {
            self.known.resize(name.len() + 1, Vec::new());
        }
        self.marks.set(&name);
        if let Some(alike) = self.known.get_mut(name.len()) {
            alike.push((name.into(), fate));
        }
    }

    fn know_tenant(&mut self, name: &str) {
        let letters = tenant_names::letters(name).collect::<String>().into_bytes();
        // A name without letters would be every name without letters.
        if letters.is_empty() || self.tenants.contains(&letters) {
            return;
        }
        // The dashes of a field may stand anywhere, at its start too.
        for start in [letters.as_slice(), b"x", b"-"] {
            self.marks.set_from(start, letters.len());
        }
        self.tenants.push(letters);
    }

    /// The fate of the field `name`.
    pub(crate) fn fate(&self, name: &[u8]) -> Fate {
        // No way out of the loop and no branch in it: the compiler looks at many bytes at a time.
        let plain = name.iter().fold(true, |all, byte| all & is_plain(*byte));
        if plain && !self.marks.has(name) {
            return Fate::Pass;
        }
        let fate = if plain {
            self.looked_up(name)
        } else if self.is_allowed(name) {
            Fate::Pass
        } else {
            Fate::Remove
        };
        if let (Fate::Remove, Some(removed)) = (fate, &self.removed) {
            removed.inc();
        }
        fate
    }

    /// Whether the operator may let `name` pass although it has odd characters: no upstream reads it as a name
    /// that has a meaning here.
    pub(crate) fn may_be_allowed(&self, name: &str) -> bool {
        let read = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'-' };
        let read: Vec<u8> = name.bytes().map(read).collect();
        let passes_for_reasons = [STRUCTURAL, CONTENT, &["cookie"]].concat();
        let is = |known: &&str| read.eq_ignore_ascii_case(known.as_bytes());
        !passes_for_reasons.iter().any(is) && self.looked_up(&read) == Fate::Pass
    }

    fn looked_up(&self, name: &[u8]) -> Fate {
        let mut alike = self.known.get(name.len()).into_iter().flatten();
        if let Some((_, fate)) = alike.find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return *fate;
        }
        let begins = |prefix: &&str| {
            name.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        if RESERVED_PREFIXES.iter().any(begins) || self.names_a_tenant(name) {
            return Fate::Remove;
        }
        Fate::Pass
    }

    /// Whether `name` names a tenant, with or without `x` before it, wherever its dashes are.
    fn names_a_tenant(&self, name: &[u8]) -> bool {
        let letters = name.iter().filter(|byte| **byte != b'-').map(u8::to_ascii_lowercase);
        let mut behind = letters.clone();
        let has_x = behind.next() == Some(b'x');
        let is = |tenant: &[u8]| {
            letters.clone().eq(tenant.iter().copied())
                || (has_x && behind.clone().eq(tenant.iter().copied()))
        };
        self.tenants.iter().any(|tenant| is(tenant))
    }

    fn is_allowed(&self, name: &[u8]) -> bool {
        self.allowed.iter().any(|allowed| name.eq_ignore_ascii_case(allowed.as_bytes()))
    }
}

/// Whether the operator may have fields of this name removed: no request can do without some of them, and the
/// upstream has to read a body as it was judged.
pub(crate) fn may_be_stripped(name: &str) -> bool {
    ![STRUCTURAL, CONTENT].concat().iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a field is for one hop alone.
pub(crate) fn is_hop_by_hop(name: &[u8]) -> bool {
    HOP_BY_HOP.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether `Connection` may not name this field away.
pub(crate) fn is_structural(name: &[u8]) -> bool {
    STRUCTURAL.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-')
}

/// At which first letters and lengths there are names that have to be looked up: those of most honest fields
/// are not among them. For each letter, a bit for each length; the last one stands for longer names, too.
#[derive(Debug, Clone, Default)]
struct Marks([u64; 32]);

impl Marks {
    /// The five bits that tell a letter from any other are the same in either case.
    fn letter(name: &[u8]) -> usize {
        usize::from(name.first().copied().unwrap_or_default() & 0x1F)
    }

    fn length(length: usize) -> usize {
        length.min(u64::BITS as usize - 1)
    }

    /// Marks this name.
    fn set(&mut self, name: &[u8]) {
        if let Some(bits) = self.0.get_mut(Self::letter(name)) {
            *bits |= 1 << Self::length(name.len());
        }
    }

    /// Marks all names with the first letter of `start` that are at least this long.
    fn set_from(&mut self, start: &[u8], shortest: usize) {
        if let Some(bits) = self.0.get_mut(Self::letter(start)) {
            *bits |= u64::MAX << Self::length(shortest);
        }
    }

    fn has(&self, name: &[u8]) -> bool {
        let bits = self.0.get(Self::letter(name)).copied().unwrap_or(u64::MAX);
        bits >> Self::length(name.len()) & 1 == 1
    }
}
