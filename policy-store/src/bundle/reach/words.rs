//! The words of the policies that decide on a route: what they can tell apart.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use super::callers::{ACTIVE, Callers, SAMPLE, WORDS, is_account};
use super::worlds::{Holding, Odd};
use crate::bundle::Slice;
use crate::bundle::tokens::{Token, tokens};
use crate::routes::Route;

/// The words of the policies that decide on a route.
#[derive(Debug, Default)]
pub(in crate::bundle) struct Words<'a>(Vec<Rule<'a>>);

/// An address that is in no network which anybody names: it is for documentation (RFC 5737).
const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// The words of one policy, without its annotations.
#[derive(Debug, Default)]
struct Rule<'a> {
    /// Names of attributes, for example.
    plain: HashSet<&'a str>,
    quoted: BTreeSet<&'a str>,
    /// Entities that are written out, by type and name.
    written: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Rule<'a> {
    fn of(text: &'a str) -> Self {
        let mut rule = Self::default();
        let effect = |token: &Token<'_>| matches!(token, Token::Word("permit" | "forbid"));
        let mut kind = None;
        for token in tokens(text).map(|(_, token)| token).skip_while(|token| !effect(token)) {
            match token {
                Token::Word(word) => {
                    rule.plain.insert(word);
                    kind = Some(word);
                }
                Token::Text(text) => {
                    rule.quoted.insert(text);
                    rule.written.extend(kind.take().map(|kind| (kind, text)));
                }
                Token::Mark(b':') => {}
                Token::Mark(_) => kind = None,
            }
        }
        rule
    }
}

impl<'a> Words<'a> {
    pub(super) fn of(callers: Callers<'a>) -> Self {
        let Slice { early, permits, late, .. } = callers.slice;
        let policies = early.policies().chain(permits.policies()).chain(late.policies());
        let rules = policies.filter_map(|policy| callers.bundle.rule(policy.id()));
        Self(rules.map(|rule| Rule::of(&rule.text)).collect())
    }

    /// The words of one policy.
    pub(in crate::bundle) fn of_text(text: &'a str) -> Self {
        Self(vec![Rule::of(text)])
    }

    fn quoted(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().flat_map(|rule| rule.quoted.iter().copied())
    }

    /// Those of `all` that the policies name, and one of the others.
    pub(in crate::bundle) fn told_apart(&self, all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let quoted: HashSet<&str> = self.quoted().collect();
        let (mut named, others): (Vec<_>, Vec<_>) = all.partition(|it| quoted.contains(it));
        named.extend(others.first());
        named
    }

    /// What stands in quotes where the policies look at `attribute`.
    pub(super) fn asking(&self, attribute: &str) -> impl Iterator<Item = &'a str> {
        let asking = self.0.iter().filter(move |rule| rule.plain.contains(attribute));
        asking.flat_map(|rule| rule.quoted.iter().copied())
    }

    /// The words that the policies may ask for where they look at one of these attributes.
    fn asked_for(&self, attributes: &[&str]) -> impl Iterator<Item = &'a str> {
        let all: BTreeSet<&str> = attributes.iter().flat_map(|it| self.asking(it)).collect();
        all.into_iter().take(WORDS)
    }

    fn look_at(&self, attribute: &str) -> bool {
        self.0.iter().any(|rule| rule.plain.contains(attribute))
    }

    /// The names of the entities of a type that are written out.
    fn written(&self, kind: &str) -> impl Iterator<Item = &'a str> {
        let all = self.0.iter().flat_map(|rule| rule.written.iter());
        let names: BTreeSet<&str> = all.filter(|it| it.0 == kind).map(|it| it.1).collect();
        names.into_iter().take(WORDS)
    }

    /// What may be odd about a caller, as far as the policies may look at it.
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
            let named = self.quoted().filter_map(network).take(WORDS);
            odds.extend(std::iter::once(ELSEWHERE).chain(named).map(Odd::Client));
        }
        if self.look_at("token_age") {
            odds.push(Odd::Age(None));
            let asking = self.0.iter().filter(|rule| rule.plain.contains("token_age"));
            let numbers = asking.flat_map(|rule| &rule.plain).filter_map(|it| it.parse().ok());
            let numbers: BTreeSet<i64> = numbers.collect();
            let around = |it: i64| [Odd::Age(Some(it)), Odd::Age(it.checked_add(1))];
            odds.extend(numbers.into_iter().take(WORDS).flat_map(around));
        }
        odds
    }

    /// What is bought, ticked and enabled: each by itself, all but each, and none.
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

    /// Those and that which policies call by name.
    fn names(&self, route: &Route, odds: &mut Vec<Odd<'a>>) {
        odds.extend(self.written("User").map(Odd::User));
        odds.extend(self.written("Organization").map(Odd::Organization));
        if self.look_at("slug") {
            odds.extend(self.asked_for(&["slug"]).map(Odd::Slug));
        }
        if self.look_at("group") || self.look_at("Group") {
            odds.push(Odd::Group(None));
            odds.extend(self.written("Group").map(|it| Odd::Group(Some(it))));
        }
        odds.extend(self.written(&route.resource).map(Odd::Object));
    }
}
