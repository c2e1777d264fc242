//! Whom the benchmark serves: a thousand people of eight organisations, what belongs to these, and what they
//! ask for. Everything is generated: no name is anybody's.

mod crowd;
mod people;
pub(crate) mod requests;
mod seed;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_store::routes::{Route, RouteTable};
use tempfile::TempDir;
use tests::model::dice::Dice;
use tests::postgres::Cluster;
use tests::stand::copy_tree;
use tests::tokens::{AUDIENCE, ISSUER, TRUSTED};

use super::drive::REFUSED;
use super::subject::{Judges, RouteRule, Setting};
use super::upstream;
pub(crate) use people::Person;

/// How many organisations there are.
pub(crate) const ORGANIZATIONS: usize = 8;
/// How many of each kind of object an organisation has; patients and visits are more.
pub(crate) const OBJECTS: usize = 12;

/// What is to come of a request, as the allowlists say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planned {
    Allowed,
    /// The roles are not on the route's list.
    WrongRole,
    /// No token, or an expired one.
    BadToken,
}

impl Planned {
    fn status(self, judges: Judges, exact: bool) -> u16 {
        match (self, judges) {
            (Self::Allowed, _) | (_, Judges::Nothing) | (Self::WrongRole, Judges::Tokens) => 200,
            _ if !exact => REFUSED,
            (Self::WrongRole, Judges::TokensAndRoles) => 403,
            (Self::BadToken, _) => 401,
        }
    }
}

/// A request, spelled out.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) planned: Planned,
    pub(crate) bytes: Vec<u8>,
}

/// All of it.
pub(crate) struct World {
    pub(crate) setting: Setting,
    /// The default bundle's folder.
    pub(crate) policies: std::path::PathBuf,
    /// The database with the facts.
    pub(crate) database: String,
    pub(crate) people: Vec<Person>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) seed: u64,
    routes: Vec<Arc<Route>>,
    _cluster: Cluster,
    _folder: TempDir,
}

/// What requests are drawn from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mix {
    /// How many different requests there are, about.
    pub(crate) samples: usize,
    /// How many of a hundred are refused.
    pub(crate) denied: usize,
}

/// As in a clinic: nine of ten look at something, one of ten is refused.
pub(crate) const REAL: Mix = Mix { samples: 10_000, denied: 10 };

impl World {
    /// Makes everything but the subjects.
    pub(crate) async fn make(seed: u64) -> Self {
        let folder = tempfile::Builder::new().prefix("cedargate-bench-").tempdir().unwrap();
        let policies = folder.path().join("policies");
        copy_tree(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies")), &policies);
        let text = fs::read_to_string(policies.join("routes.yaml")).unwrap();
        let routes = RouteTable::parse(&text).unwrap().routes().to_vec();
        let setting = setting(folder.path(), &routes);
        let mut dice = Dice::new(seed);
        let people = people::people(&mut dice.fork());
        let cluster = Cluster::start().await;
        let database = cluster.create_database(None).await;
        seed::fill(&database, &people).await;
        let samples = Vec::new();
        let mut world = Self {
            setting,
            policies,
            database,
            people,
            samples,
            seed,
            routes,
            _cluster: cluster,
            _folder: folder,
        };
        world.samples = world.draw(REAL);
        world
    }

    /// Draws requests: the same for the same seed and mix.
    pub(crate) fn draw(&self, mix: Mix) -> Vec<Sample> {
        requests::draw(&self.routes, &self.setting.routes, &self.people, mix, self.seed)
    }

    /// What each sample has to be answered with by somebody who judges that much.
    pub(crate) fn expected(&self, judges: Judges, exact: bool) -> Vec<u16> {
        expected(&self.samples, judges, exact)
    }
}

/// What each of these has to be answered with.
pub(crate) fn expected(samples: &[Sample], judges: Judges, exact: bool) -> Vec<u16> {
    samples.iter().map(|sample| sample.planned.status(judges, exact)).collect()
}

/// Writes the issuer's key, and puts together what every subject is told.
fn setting(folder: &Path, routes: &[Arc<Route>]) -> Setting {
    let (jwks, public_key) = (folder.join("jwks.json"), folder.join("issuer.pub.pem"));
    let mut keys = TRUSTED.key_set();
    keys["keys"].as_array_mut().unwrap().retain(|key| key["alg"] == "RS256");
    fs::write(&jwks, keys.to_string()).unwrap();
    let text = STANDARD.encode(TRUSTED.rsa_der());
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
    fs::write(&public_key, pem).unwrap();
    let rule = |route: &Arc<Route>| {
        let told = tests::people::route(&route.action).unwrap();
        let roles =
            if told.is_public() { Vec::new() } else { told.allowlist().into_iter().collect() };
        RouteRule {
            action: route.action.to_string(),
            method: route.method.clone(),
            template: route.template.to_string(),
            roles: roles.into_iter().map(str::to_owned).collect(),
        }
    };
    Setting {
        folder: folder.to_owned(),
        upstream: upstream::start(),
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        jwks,
        public_key,
        routes: routes.iter().map(rule).collect(),
    }
}
