//! Makes bundles from files. The loader keeps what it knows about the files: after an edit, only the edited
//! parts are examined again.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::PolicyId;

use super::asked::Questions;
use super::finding::{self, Finding, Findings};
use super::kind::Kind;
use super::policies::{self, Known, Parsed};
use super::reach::Reached;
use super::read::{File, Sources};
use super::room::{Room, breathe, giving_way};
use super::slices::{Made, Maker, Slices};
use super::validate::Proven;
use super::vocabulary::Declared;
use super::{ACT_IN, Bundle, Sight, Types, UNMAPPED, check, given, unfilled, unguarded};
use crate::cases::Suite;
use crate::routes::RouteTable;

/// Makes bundles, on a thread of its own.
#[derive(Debug, Default)]
pub struct Loader {
    room: Room,
    known: Knowledge,
    /// Whether requests are served at the same time.
    gives_way: bool,
}

/// What is known about the files that were read last.
#[derive(Debug, Default)]
struct Knowledge {
    declared: Option<Arc<Declared>>,
    policies: Known,
    routed: Option<(Arc<str>, Arc<RouteTable>)>,
    agreed: Option<(Arc<Declared>, Arc<RouteTable>)>,
    slices: Slices,
    proven: Proven,
    reached: Reached,
    tests: Option<Tests>,
}

/// The tests that were read last.
#[derive(Debug)]
struct Tests {
    declared: Arc<Declared>,
    files: Vec<File>,
    suite: Arc<Suite>,
    doubts: Vec<Finding>,
}

/// The parts of a bundle after reading its files.
struct Read {
    declared: Arc<Declared>,
    parsed: Parsed,
    routes: Arc<RouteTable>,
    suite: Arc<Suite>,
}

impl Loader {
    /// Returns a bundle from `sources` that passed all checks.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the bundle, each finding with file, line and remedy.
    pub fn load(&mut self, sources: Sources) -> Result<Bundle, Findings> {
        let (bundle, doubts) = self.load_leniently(sources)?;
        Findings::none_of(doubts).map(|()| bundle)
    }

    /// Returns a bundle that can decide requests, and the findings that do not prevent that: faults of its
    /// tests, and those of kinds that [only stop admission](super::Kind::stops_only_admission).
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the bundle, if there is any other finding.
    pub fn load_leniently(&mut self, sources: Sources) -> Result<(Bundle, Vec<Finding>), Findings> {
        self.with_known(|known| known.prove(sources))
    }

    /// Returns a bundle that can decide requests but need not pass all checks, such as a mutant of an accepted
    /// bundle. It is for tests of the bundle, and never judges a request of a client.
    ///
    /// # Errors
    ///
    /// Returns the findings because of which the bundle cannot even decide requests.
    pub fn unproven(&mut self, sources: Sources) -> Result<Bundle, Findings> {
        self.with_known(|known| {
            let (read, doubts) = known.read(&sources)?;
            Findings::none_of(doubts)?;
            known.assemble(read, sources)
        })
    }

    /// Makes bundles from now on at a slower pace, so that requests being served are not slowed down.
    pub fn give_way(&mut self) {
        self.gives_way = true;
    }

    /// Runs `work` on the thread that makes bundles, at the same pace. Returns `None` if no thread can be
    /// started.
    pub(crate) fn run<T>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> Option<T>
    where
        T: Send + 'static,
    {
        let gives_way = self.gives_way;
        self.room.run(move || if gives_way { giving_way(work) } else { work() })
    }

    fn with_known<T: Send + 'static>(
        &mut self,
        make: impl FnOnce(&mut Knowledge) -> Result<T, Findings> + Send + 'static,
    ) -> Result<T, Findings> {
        let mut known = std::mem::take(&mut self.known);
        let done = self.run(move || {
            let outcome = make(&mut known);
            (known, outcome)
        });
        let outcome;
        (self.known, outcome) = done.ok_or_else(no_room)?;
        outcome
    }
}

impl Knowledge {
    fn prove(&mut self, sources: Sources) -> Result<(Bundle, Vec<Finding>), Findings> {
        Findings::none_of(policies::empty(&sources.policies))?;
        let (read, mut doubts) = self.read(&sources)?;
        let mut findings = Vec::new();
        if let Err(Findings(wrong)) = self.proven.validate(&read.declared, &read.parsed, &sources) {
            findings.extend(wrong);
        }
        let faults = self.agreement(&read, &sources);
        findings.extend(faults);
        breathe();
        let known = |id: &str| read.parsed.rules.contains_key(&PolicyId::new(id));
        doubts.extend(read.suite.unknown_policies(&sources.tests, known));
        if !findings.is_empty() {
            findings.extend(doubts);
            return Err(Findings(findings));
        }
        breathe();
        let policies = read.parsed.policies.clone();
        let bundle = self.assemble(read, sources)?;
        let mut findings = given::missing(&bundle);
        findings.extend(unfilled::findings(&bundle, &policies, &Questions::of(&bundle)));
        // Routes that are unreachable only because of these findings are searched for once the findings are
        // corrected.
        let sound =
            !findings.iter().any(|it| [Kind::NeverFilled, Kind::TooEarly].contains(&it.kind));
        findings.extend(unguarded::findings(&bundle, &policies));
        if sound {
            findings.extend(self.reached.unreachable(&bundle));
        }
        let grave = findings.iter().any(|it| !it.kind.stops_only_admission());
        findings.extend(doubts);
        if grave { Err(Findings(findings)) } else { Ok((bundle, findings)) }
    }

    /// Returns where schema and routes disagree. The same pair is not compared again.
    fn agreement(&mut self, read: &Read, sources: &Sources) -> Vec<Finding> {
        let Read { declared, routes, .. } = read;
        let same = |(one, other): &(_, _)| Arc::ptr_eq(one, declared) && Arc::ptr_eq(other, routes);
        if self.agreed.as_ref().is_some_and(same) {
            return Vec::new();
        }
        let findings = check::agreement(declared, routes, sources);
        self.agreed = findings.is_empty().then(|| (Arc::clone(declared), Arc::clone(routes)));
        findings
    }

    /// Parses the files, and returns what is wrong with the tests among them.
    fn read(&mut self, sources: &Sources) -> Result<(Read, Vec<Finding>), Findings> {
        let known = self.declared.take().filter(|it| it.text == sources.schema.text);
        let declared = match known {
            Some(known) => known,
            None => Arc::new(Declared::read(&sources.schema)?),
        };
        self.declared = Some(Arc::clone(&declared));
        let parsed = policies::parse(&sources.policies, &self.policies);
        let routes = self.routes(&sources.routes);
        let (parsed, routes) = match (parsed, routes) {
            (Ok(parsed), Ok(routes)) => (parsed, routes),
            (Err(Findings(mut findings)), Err(Findings(more))) => {
                findings.extend(more);
                return Err(Findings(findings));
            }
            (Err(findings), _) | (_, Err(findings)) => return Err(findings),
        };
        let known = parsed.policies.iter().inspect(|_| breathe());
        self.policies = known.map(|it| (Arc::clone(&it.text), Arc::clone(it))).collect();
        let (suite, doubts) = self.suite(&declared, sources);
        Ok((Read { declared, parsed, routes, suite }, doubts))
    }

    /// Parses the table of routes. The same text is not parsed again.
    fn routes(&mut self, file: &File) -> Result<Arc<RouteTable>, Findings> {
        if let Some((text, routes)) = &self.routed
            && *text == file.text
        {
            return Ok(Arc::clone(routes));
        }
        let routes =
            RouteTable::parse(&file.text).map_err(|faults| finding::of_routes(file, faults))?;
        let routes = Arc::new(routes);
        self.routed = Some((Arc::clone(&file.text), Arc::clone(&routes)));
        Ok(routes)
    }

    /// Reads the tests. The same files under the same schema are not read again.
    fn suite(&mut self, declared: &Arc<Declared>, sources: &Sources) -> (Arc<Suite>, Vec<Finding>) {
        let same = |it: &&Tests| Arc::ptr_eq(&it.declared, declared) && it.files == sources.tests;
        if let Some(known) = self.tests.as_ref().filter(same) {
            return (Arc::clone(&known.suite), known.doubts.clone());
        }
        let (suite, doubts) = Suite::read_leniently(&sources.tests, &declared.vocabulary);
        let (declared, files, suite) =
            (Arc::clone(declared), sources.tests.clone(), Arc::new(suite));
        let known = Tests { declared, files, suite: Arc::clone(&suite), doubts: doubts.clone() };
        self.tests = Some(known);
        (suite, doubts)
    }

    fn assemble(&mut self, read: Read, sources: Sources) -> Result<Bundle, Findings> {
        let Read { declared, parsed, routes, suite } = read;
        let maker = Maker::new(&declared, &parsed);
        let mut made = HashMap::<Arc<str>, Made>::with_capacity(routes.routes().len() + 2);
        let routed = routes.routes().iter().map(|route| Arc::clone(&route.action));
        for action in routed.chain([Arc::from(ACT_IN), Arc::from(UNMAPPED)]) {
            breathe();
            let slice = maker.slice(&action, &self.slices)?;
            made.insert(action, slice);
        }
        self.slices = made;
        breathe();
        let types = Types::of(&routes)
            .ok_or_else(|| Findings::one(&sources.schema, 0, "a type has no legal name", ""))?;
        let slice = |action: &str| self.slices.get(action).map(|it| Arc::clone(&it.slice));
        let (Some(act_in), Some(unmapped)) = (slice(ACT_IN), slice(UNMAPPED)) else {
            return Err(Findings::one(&sources.schema, 0, "an action has no slice", ""));
        };
        let sight = Sight::of(&sources.schema, &parsed);
        let digest = sources.digest();
        breathe();
        Ok(Bundle {
            types,
            sight,
            digest,
            act_in,
            unmapped,
            slices: self
                .slices
                .iter()
                .map(|(action, it)| (Arc::clone(action), Arc::clone(&it.slice)))
                .collect(),
            rules: parsed.rules,
            declared,
            routes,
            suite,
            sources,
        })
    }
}

fn no_room() -> Findings {
    let message = "there is no memory for a thread to read it on";
    Findings(vec![Finding::whole(".", message, "free some, and try again")])
}
