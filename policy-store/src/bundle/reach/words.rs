//! The words of the policies that decide on a route: what they can tell apart.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use super::callers::{ACTIVE, Callers, SAMPLE, WORDS, World, is_account};
use crate::bundle::Slice;
use crate::bundle::tokens::{Token, tokens};
use crate::routes::Route;

/// The words of the policies that decide on a route.
#[derive(Debug, Default)]
pub(super) struct Words<'a>(Vec<Rule<'a>>);

/// The words of one policy, without its annotations.
#[derive(Debug, Default)]
struct Rule<'a> {
    /// Names of attributes, for example.
    plain: HashSet<&'a str>,
    quoted: BTreeSet<&'a str>,
}

impl<'a> Rule<'a> {
    fn of(text: &'a str) -> Self {
        let mut rule = Self::default();
        let effect = |token: &Token<'_>| matches!(token, Token::Word("permit" | "forbid"));
        for token in tokens(text).map(|(_, token)| token).skip_while(|token| !effect(token)) {
            match token {
                Token::Word(word) => drop(rule.plain.insert(word)),
                Token::Text(text) => drop(rule.quoted.insert(text)),
                Token::Mark(_) => {}
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

    fn quoted(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().flat_map(|rule| rule.quoted.iter().copied())
    }

    /// Those of `all` that the policies name, and one of the others.
    pub(super) fn told_apart(&self, all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
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

    /// `usual`, and what else the policies may ask for where they look at `attribute`.
    fn instead_of(&self, usual: &'a str, attribute: &str) -> Vec<&'a str> {
        let others: BTreeSet<&str> = self.asking(attribute).collect();
        let others = others.into_iter().filter(|it| *it != usual).take(WORDS);
        std::iter::once(usual).chain(others).collect()
    }

    fn clients(&self) -> Vec<IpAddr> {
        let network = |text: &str| text.split('/').next()?.parse().ok();
        let named = self.quoted().filter_map(network).take(WORDS);
        std::iter::once(World::usual().client).chain(named).collect()
    }

    /// The usual world first.
    pub(super) fn worlds(&self, route: &Route) -> Vec<World<'a>> {
        let statuses = self.instead_of(ACTIVE, "status");
        let workflows = self.instead_of(SAMPLE, "workflow");
        let clients = self.clients();
        let mut kinds = vec![(true, false), (false, false)];
        if is_account(route) {
            kinds.extend([(true, true), (false, true)]);
        }
        let mut worlds = Vec::new();
        for (organized, itself) in kinds {
            for user_status in &statuses {
                for organization_status in &statuses {
                    for workflow in &workflows {
                        worlds.extend(clients.iter().map(|client| World {
                            organized,
                            itself,
                            user_status,
                            organization_status,
                            workflow,
                            client: *client,
                        }));
                    }
                }
            }
        }
        worlds
    }
}
