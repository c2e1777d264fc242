//! Scans a text by the grammar of RFC 8259 without recursion, so that depth costs little memory and no stack.

use std::borrow::Cow;

use super::{DEPTH, JsonFault, Member};

/// The maximum length of a name in messages.
const SHOWN: usize = 64;

/// A scanner: a text and a position in it.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The lists and objects that are open, the outermost object excluded.
    open: Vec<Open>,
    /// The names of the members of all open objects but the outermost.
    names: Vec<Cow<'a, str>>,
}

/// An open list or object.
#[derive(Clone, Copy)]
enum Open {
    List,
    /// The index in `names` of the object's first name.
    Object(usize),
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, open: Vec::new(), names: Vec::new() }
    }

    /// The members of the object that the whole text is.
    pub(super) fn object(mut self) -> Result<Vec<Member<'a>>, JsonFault> {
        self.space();
        if !self.eat(b'{') {
            let (at, end) = (self.at, self.text.len());
            self.value()?;
            self.space();
            return Err(if at < self.at && self.at == end {
                JsonFault::NoObject
            } else {
                self.fault("something follows the value")
            });
        }
        let mut members = Vec::new();
        self.space();
        let mut more = !self.eat(b'}');
        while more {
            let name = self.name()?;
            self.space();
            let start = self.at;
            self.value()?;
            let place = start..self.at;
            let value = self.text.as_bytes().get(place.clone()).unwrap_or_default();
            members.push(Member { name, value, place });
            self.space();
            more = self.goes_on(b'}')?;
        }
        self.space();
        if self.at < self.text.len() {
            return Err(self.fault("something follows the object"));
        }
        each_once(members.iter().map(|member| &*member.name).collect())?;
        Ok(members)
    }

    /// Skips a value of any depth.
    fn value(&mut self) -> Result<(), JsonFault> {
        loop {
            self.space();
            let begun = self.begin()?;
            if begun {
                continue;
            }
            loop {
                let Some(open) = self.open.last().copied() else { return Ok(()) };
                self.space();
                let more = match open {
                    Open::List => self.goes_on(b']')?,
                    Open::Object(_) => self.goes_on(b'}')?,
                };
                if more {
                    if let Open::Object(_) = open {
                        self.inner_name()?;
                    }
                    break;
                }
                self.close(open)?;
            }
        }
    }

    /// Skips a value without parts, or the start of a list or object. Returns whether parts follow.
    fn begin(&mut self) -> Result<bool, JsonFault> {
        let start = self.text.as_bytes().get(self.at).copied();
        match start {
            Some(b'{') => {
                self.open(Open::Object(self.names.len()))?;
                if self.eat(b'}') {
                    self.open.pop();
                    return Ok(false);
                }
                self.inner_name()?;
                Ok(true)
            }
            Some(b'[') => {
                self.open(Open::List)?;
                let empty = self.eat(b']');
                if empty {
                    self.open.pop();
                }
                Ok(!empty)
            }
            Some(b'"') => self.string().map(|_| false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            _ => self.word().map(|()| false),
        }
    }

    fn open(&mut self, open: Open) -> Result<(), JsonFault> {
        // The outermost object is not in `open`, hence the 1.
        if self.open.len() + 1 >= DEPTH {
            return Err(self.fault("it is nested too deep"));
        }
        self.at += 1;
        self.open.push(open);
        self.space();
        Ok(())
    }

    fn close(&mut self, open: Open) -> Result<(), JsonFault> {
        self.open.pop();
        if let Open::Object(start) = open {
            each_once(self.names.iter().skip(start).map(|name| &**name).collect())?;
            self.names.truncate(start);
        }
        Ok(())
    }

    fn inner_name(&mut self) -> Result<(), JsonFault> {
        let name = self.name()?;
        self.names.push(name);
        Ok(())
    }

    /// Whether another part follows; otherwise `end` does.
    fn goes_on(&mut self, end: u8) -> Result<bool, JsonFault> {
        if self.eat(b',') {
            self.space();
            return Ok(true);
        }
        if self.eat(end) { Ok(false) } else { Err(self.fault("a comma or an end is missing")) }
    }

    /// Reads the name of a member, and skips the colon.
    fn name(&mut self) -> Result<Cow<'a, str>, JsonFault> {
        let start = self.at;
        if self.text.as_bytes().get(start) != Some(&b'"') {
            return Err(self.fault("a member has no name"));
        }
        let escaped = self.string()?;
        let quoted = self.text.get(start..self.at).unwrap_or_default();
        let name = if escaped {
            let what = "the name of a member holds half of a surrogate pair";
            let read = serde_json::from_str(quoted);
            Cow::Owned(read.map_err(|_| JsonFault::Grammar { what, at: start })?)
        } else {
            Cow::Borrowed(quoted.trim_matches('"'))
        };
        self.space();
        if self.eat(b':') { Ok(name) } else { Err(self.fault("a member has no colon")) }
    }

    /// Skips a string. Returns whether it has an escape.
    fn string(&mut self) -> Result<bool, JsonFault> {
        self.at += 1;
        let mut escaped = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let end = memchr::memchr2(b'"', b'\\', rest);
            let plain = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            if let Some(control) = plain.iter().position(|byte| *byte < 0x20) {
                self.at += control;
                return Err(self.fault("a string holds a control character"));
            }
            self.at += plain.len();
            if self.eat(b'"') {
                return Ok(escaped);
            }
            escaped = true;
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Result<(), JsonFault> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += match rest {
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'\\', b'u', a, b, c, d, ..]
                if [a, b, c, d].iter().all(|it| it.is_ascii_hexdigit()) =>
            {
                6
            }
            [] => return Err(self.fault("a string does not end")),
            _ => return Err(self.fault("an escape is none")),
        };
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonFault> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _signed = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonFault> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count > 0 { Ok(()) } else { Err(self.fault("a number is none")) }
    }

    fn word(&mut self) -> Result<(), JsonFault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let found = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word));
        let word = found.ok_or_else(|| self.fault("a value is missing"))?;
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let space = |byte: &&u8| matches!(**byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += rest.iter().take_while(space).count();
    }

    fn eat(&mut self, byte: u8) -> bool {
        let here = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(here);
        here
    }

    fn fault(&self, what: &'static str) -> JsonFault {
        JsonFault::Grammar { what, at: self.at }
    }
}

/// Checks that no name occurs twice.
fn each_once(mut names: Vec<&str>) -> Result<(), JsonFault> {
    names.sort_unstable();
    let twice = names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    });
    twice.map_or(Ok(()), |name| Err(JsonFault::Twice(name.chars().take(SHOWN).collect())))
}
