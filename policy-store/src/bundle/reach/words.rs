//! What the policies that decide on a route can distinguish about callers and requests.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use super::callers::{ACTIVE, Callers, SAMPLE, WORDS, is_account};
use super::worlds::{Holding, Odd};
use crate::bundle::Slice;
use crate::bundle::reads::{Reads, basename};
use crate::routes::Route;

/// What the policies that decide on a route read.
#[derive(Debug, Default)]
pub(in crate::bundle) struct Words<'a>(Vec<&'a Reads>);

/// An address outside of all networks that policies name: it is reserved for documentation (RFC 5737).
const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

impl<'a> Words<'a> {
    pub(super) fn of(callers: Callers<'a>) -> Self {
        let Slice { early, permits, late, .. } = callers.slice;
        let policies = early.policies().chain(permits.policies()).chain(late.policies());
        let rules = policies.filter_map(|policy| callers.bundle.rule(policy.id()));
        Self(rules.map(|rule| &*rule.reads).collect())
    }

    /// Returns what one policy reads.
    pub(in crate::bundle) fn of_policy(reads: &'a Reads) -> Self {
        Self(vec![reads])
    }

    /// Returns the names of `all` that the policies name, and one of the others, which stands for the rest.
    pub(in crate::bundle) fn told_apart(&self, all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let entities = self.0.iter().flat_map(|reads| reads.entities()).map(|(_, id)| id);
        let texts = self.0.iter().flat_map(|reads| reads.all_texts());
        let named: HashSet<&str> = entities.chain(texts).collect();
        let (mut named, others): (Vec<_>, Vec<_>) = all.partition(|it| named.contains(it));
        named.extend(others.first());
        named
    }

    /// Returns the strings that the policies may compare `attribute` with.
    pub(super) fn asking(&self, attribute: &'static str) -> impl Iterator<Item = &'a str> {
        self.0.iter().flat_map(move |reads| reads.texts(attribute))
    }

    /// Returns the strings that the policies may compare one of `attributes` with, each once, up to the maximum
    /// that is tried.
    fn asked_for(&self, attributes: &[&'static str]) -> impl Iterator<Item = &'a str> {
        let all: BTreeSet<&str> = attributes.iter().flat_map(|it| self.asking(it)).collect();
        all.into_iter().take(WORDS)
    }

    fn look_at(&self, attribute: &str) -> bool {
        self.0.iter().any(|reads| reads.attribute(attribute))
    }

    /// Returns the ids of the entities of a type that the policies write out.
    fn written(&self, kind: &str) -> impl Iterator<Item = &'a str> {
        let all = self.0.iter().flat_map(|reads| reads.entities());
        let names: BTreeSet<&str> =
            all.filter(|it| basename(it.0) == kind).map(|it| it.1).collect();
        names.into_iter().take(WORDS)
    }

    /// Returns the unusual properties of a caller that the policies may look at.
    pub(in crate::bundle) fn odds(&self, route: &Route) -> Vec<Odd<'a>> {
        let mut odds = vec![Odd::NoOrganization, Odd::Abroad];
        if is_account(route) {
            odds.push(Odd::Itself);
        }
        if self.look_at("deleted") {
            odds.push(Odd::Deleted);
        }
        if self.look_at("status") {
            let others = self.asked_for(&["status"]).filter(|it| *it != ACTIVE);
            let others: Vec<&str> = std::iter::once(SAMPLE).chain(others).collect();
            odds.extend(others.iter().map(|it| Odd::UserStatus(it)));
            odds.extend(others.iter().map(|it| Odd::OrganizationStatus(it)));
        }
        self.holdings(&mut odds);
        self.names(route, &mut odds);
        if self.look_at("client_address") {
            let network = |text: &str| text.split('/').next()?.parse().ok();
            let named = self.asking("client_address").filter_map(network).take(WORDS);
            odds.extend(std::iter::once(ELSEWHERE).chain(named).map(Odd::Client));
        }
        if self.look_at("token_age") {
            odds.push(Odd::Age(None));
            let numbers = self.0.iter().flat_map(|reads| reads.numbers("token_age"));
            let numbers: BTreeSet<i64> = numbers.collect();
            let around = |it: i64| [Odd::Age(Some(it)), Odd::Age(it.checked_add(1))];
            odds.extend(numbers.into_iter().take(WORDS).flat_map(around));
        }
        odds
    }

    /// Adds what is bought, ticked and enabled: each one alone, all but each one, and nothing.
    fn holdings(&self, odds: &mut Vec<Odd<'a>>) {
        if self.look_at("features") {
            let named = || self.written("Feature");
            let all = named().flat_map(|it| [Holding::Without(it), Holding::Only(it)]);
            let all: Vec<Holding<'_>> = all.chain([Holding::Nothing]).collect();
            odds.extend(all.iter().map(|it| Odd::Bought(*it)));
            odds.extend(all.iter().map(|it| Odd::Ticked(*it)));
        }
        if self.look_at("workflow") || self.look_at("workflows") {
            let words: Vec<&str> = self.asked_for(&["workflow", "workflows"]).collect();
            odds.extend(words.iter().map(|it| Odd::Workflow(it)));
            odds.extend(words.iter().map(|it| Odd::Enabled(Holding::With(it))));
            odds.extend(words.iter().map(|it| Odd::Enabled(Holding::Only(it))));
            odds.push(Odd::Enabled(Holding::Nothing));
        }
    }

    /// Adds the users, organisations, slugs, groups and objects that policies name.
    fn names(&self, route: &Route, odds: &mut Vec<Odd<'a>>) {
        odds.extend(self.written("User").map(Odd::User));
        odds.extend(self.written("Organization").map(Odd::Organization));
        if self.look_at("slug") {
            odds.extend(self.asked_for(&["slug"]).map(Odd::Slug));
        }
        if self.look_at("group") || self.0.iter().any(|reads| reads.mentions("Group")) {
            odds.push(Odd::Group(None));
            odds.extend(self.written("Group").map(|it| Odd::Group(Some(it))));
        }
        odds.extend(self.written(&route.resource).map(Odd::Object));
    }
}
