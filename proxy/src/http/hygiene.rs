//! Header hygiene: which header fields of a client may reach the upstream (`gate.md`, "Header hygiene").
//!
//! INVARIANT: a field passes only under a name that every upstream reads as that name. CGI, WSGI, Rack and
//! PHP read each character that is neither a letter nor a digit as `_`. So a name with characters other
//! than letters, digits and `-` does not pass unless the operator has allowed it.

mod names;
#[cfg(test)]
mod tests;

use prometheus::IntCounter;

use crate::http::tenant_names;

use names::{CONTENT, HOP_BY_HOP, OBEYED, RESERVED, RESERVED_PREFIXES, STRUCTURAL, TENANTS, WAY};

/// The treatment of a client's header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The field passes.
    Pass,
    /// The field is not forwarded: it belongs to this hop alone, or is meant for the gate.
    Drop,
    /// The field could look as if the gate, or a proxy that the upstream trusts, had written it: it is not
    /// forwarded, and counted.
    Remove,
    /// A forwarding field, such as `X-Forwarded-For`: kept from a trusted peer, otherwise replaced.
    Way,
    /// The field carries the caller's credentials.
    Credential,
}

/// The rules that decide the [`Fate`] of each header field.
#[derive(Debug, Clone)]
pub(crate) struct Hygiene {
    /// Known names in lower case, indexed by their length.
    known: Vec<Vec<(Box<[u8]>, Fate)>>,
    /// The letters and digits of the tenant names, in lower case.
    tenants: Vec<Vec<u8>>,
    /// The names with unusual characters that the operator allows.
    allowed: Vec<String>,
    marks: Marks,
    /// Counts the removed fields.
    removed: Option<IntCounter>,
}

impl Hygiene {
    /// The rules of `gate.md` and of the operator: names with unusual characters that pass all the same (`allow`) and
    /// names that do not pass (`strip`), both in lower case, and the names of a tenant's id (`tenants`).
    pub(crate) fn new(allow: &[String], strip: &[String], tenants: &[String]) -> Self {
        let mut hygiene = Self {
            known: Vec::new(),
            tenants: Vec::new(),
            allowed: allow.to_vec(),
            marks: Marks::default(),
            removed: None,
        };
        // The first entry of a name wins, so the operator's `strip` comes first.
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

    /// These rules, with a counter of the removed fields.
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
        // A tenant name without letters would match every name without letters.
        if letters.is_empty() || self.tenants.contains(&letters) {
            return;
        }
        // The dashes of a field name may stand anywhere, also at its start.
        for start in [letters.as_slice(), b"x", b"-"] {
            self.marks.set_from(start, letters.len());
        }
        self.tenants.push(letters);
    }

    /// The fate of the field `name`.
    pub(crate) fn fate(&self, name: &[u8]) -> Fate {
        // The loop has no early exit and no branch, so that the compiler can check many bytes at a time.
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

    /// Whether the operator may allow `name`, which has unusual characters: no upstream reads `name` as another name
    /// that has a meaning for the gate.
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

    /// Whether `name` names a tenant, with or without a leading `x`, dashes ignored.
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

/// Whether the operator may strip fields of this name. Structural fields are needed in every request, and content
/// fields make the upstream read a body as it was judged.
pub(crate) fn may_be_stripped(name: &str) -> bool {
    ![STRUCTURAL, CONTENT].concat().iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a field is hop-by-hop.
pub(crate) fn is_hop_by_hop(name: &[u8]) -> bool {
    HOP_BY_HOP.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether a field is structural, so that `Connection` cannot remove it.
pub(crate) fn is_structural(name: &[u8]) -> bool {
    STRUCTURAL.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-')
}

/// A filter over the first letters and lengths of known names: most ordinary fields are not in it and need no
/// look-up. Holds a bit per length for each letter; the last bit stands for all greater lengths.
#[derive(Debug, Clone, Default)]
struct Marks([u64; 32]);

impl Marks {
    /// The low five bits of the first byte: the same for a letter in either case.
    fn letter(name: &[u8]) -> usize {
        usize::from(name.first().copied().unwrap_or_default() & 0x1F)
    }

    fn length(length: usize) -> usize {
        length.min(u64::BITS as usize - 1)
    }

    /// Adds this name.
    fn set(&mut self, name: &[u8]) {
        if let Some(bits) = self.0.get_mut(Self::letter(name)) {
            *bits |= 1 << Self::length(name.len());
        }
    }

    /// Adds all names that begin with the first letter of `start` and have at least this length.
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
