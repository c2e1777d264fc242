//! What is measured: proxies as processes of their own, and what they are told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;

/// A route and the roles that may use it, as every subject is told. `template` has `{name}` for one segment.
#[derive(Debug, Clone)]
pub(crate) struct RouteRule {
    /// The Cedar action.
    pub(crate) action: String,
    /// The method, upper case.
    pub(crate) method: String,
    /// The path.
    pub(crate) template: String,
    /// Any of these roles may; where there is none, the route is public and no token is looked at.
    pub(crate) roles: Vec<String>,
}

impl RouteRule {
    /// Whether nobody has to be signed in.
    pub(crate) fn is_public(&self) -> bool {
        self.roles.is_empty()
    }
}

/// What a subject needs to be configured.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// For its files; they are removed with the run.
    pub(crate) folder: PathBuf,
    /// What it forwards to.
    pub(crate) upstream: SocketAddr,
    /// Who issues the tokens.
    pub(crate) issuer: String,
    /// For whom.
    pub(crate) audience: String,
    /// The issuer's one RS256 key as a key set.
    pub(crate) jwks: PathBuf,
    /// The same key as PEM (SPKI).
    pub(crate) public_key: PathBuf,
    /// All routes.
    pub(crate) routes: Vec<RouteRule>,
}

/// What a subject judges: what its correctness check and its load expect of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judges {
    /// Forwards everything.
    Nothing,
    /// Refuses who has no good token, and nobody else.
    Tokens,
    /// Refuses those, too, whose roles are not on the route's list.
    TokensAndRoles,
}

/// A subject that runs; its processes end with it.
#[derive(Debug)]
pub(crate) struct Subject {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What it is, for people.
    pub(crate) label: &'static str,
    /// Of the program, as it says itself.
    pub(crate) version: String,
    /// What may be expected of it.
    pub(crate) judges: Judges,
    /// Whether 401 and 403 have to be told apart; some say one of them for all that they refuse.
    pub(crate) exact: bool,
    /// Where it listens for clients.
    pub(crate) address: SocketAddr,
    /// Where operators ask, if it has such a place.
    pub(crate) admin: Option<SocketAddr>,
    /// All that works for it; their children are counted with them.
    pub(crate) processes: Vec<Child>,
}

impl Drop for Subject {
    fn drop(&mut self) {
        for child in &mut self.processes {
            let _gone = child.kill();
            let _gone = child.wait();
        }
    }
}

/// How a subject is started; what is wrong when it cannot be is said in words.
pub(crate) type Start = Box<dyn Fn(&Setting) -> Result<Subject, String>>;

/// A subject that may be started.
pub(crate) struct Peer {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What it is, for people.
    pub(crate) label: &'static str,
    /// Starts it.
    pub(crate) start: Start,
}
