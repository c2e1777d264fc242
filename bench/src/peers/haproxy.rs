//! `HAProxy`, bare and with tokens and roles.

use super::super::subject::{Judges, RouteRule, Subject};
use super::program::HAPROXY;
use super::routes::{by_openness, expression, is_literal};
use super::site::Site;

const BARE: &str = include_str!("../../peers/haproxy.cfg");
const JWT: &str = include_str!("../../peers/haproxy-jwt.cfg");

pub(super) fn bare(site: &Site<'_>, subject: &mut Subject) -> Result<(), String> {
    start(site, subject, BARE, &[])
}

pub(super) fn jwt(site: &Site<'_>, subject: &mut Subject) -> Result<(), String> {
    subject.judges = Judges::TokensAndRoles;
    let (public, closed) = by_openness(&site.setting.routes);
    let (literals, mut templates): (Vec<_>, Vec<_>) =
        closed.into_iter().partition(|route| is_literal(route));
    // They are tried one after the other: what is asked for most, reading, comes first.
    templates.sort_by_key(|route| route.method != "GET");
    let (open, open_templates): (Vec<_>, Vec<_>) =
        public.into_iter().partition(|route| is_literal(route));
    site.write(
        "public",
        &lines(&open, |route| format!("{} {}", route.method, route.template)),
        &[],
    );
    site.write(
        "public-templates",
        &lines(&open_templates, |route| format!("^{} {}$", route.method, expression(route))),
        &[],
    );
    site.write("literals", &lines(&literals, literal), &[]);
    site.write("templates", &lines(&templates, template), &[]);
    let key = site.setting.public_key.display().to_string();
    let values = [
        ("public", "public"),
        ("public_templates", "public-templates"),
        ("literals", "literals"),
        ("templates", "templates"),
        ("public_key", key.as_str()),
        ("issuer", &site.setting.issuer),
        ("audience", &site.setting.audience),
    ];
    start(site, subject, JWT, &values)
}

fn lines(routes: &[&RouteRule], line: impl Fn(&RouteRule) -> String) -> String {
    routes.iter().map(|route| line(route) + "\n").collect()
}

/// A line for each role, so that all are found in one tree.
fn literal(route: &RouteRule) -> String {
    let lines =
        route.roles.iter().map(|role| format!("{role} {} {}", route.method, route.template));
    lines.collect::<Vec<_>>().join("\n")
}

/// One expression for all roles, as each is tried in turn.
fn template(route: &RouteRule) -> String {
    format!("^({}) {} {}$", route.roles.join("|"), route.method, expression(route))
}

fn start(
    site: &Site<'_>,
    subject: &mut Subject,
    template: &str,
    values: &[(&str, &str)],
) -> Result<(), String> {
    subject.version = HAPROXY.version()?;
    let (listen, upstream) = (subject.address.to_string(), site.setting.upstream.to_string());
    let both = [("listen", listen.as_str()), ("upstream", &upstream)];
    site.write("haproxy.cfg", template, &[&both, values].concat());
    subject.processes.push(site.start(&HAPROXY, &["-f", "haproxy.cfg"], subject.address)?);
    Ok(())
}
