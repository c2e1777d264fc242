//! Caddy, bare and before a decision point.

use super::super::subject::Subject;
use super::nginx;
use super::program::CADDY;
use super::site::Site;

const BARE: &str = include_str!("../../peers/bare.caddyfile");
const FORWARD_AUTH: &str = include_str!("../../peers/forward-auth.caddyfile");

pub(super) fn bare(site: &Site<'_>, subject: &mut Subject) -> Result<(), String> {
    subject.version = CADDY.version()?;
    start(site, subject, BARE, "")
}

pub(super) fn forward_auth(site: &Site<'_>, subject: &mut Subject) -> Result<(), String> {
    subject.version = CADDY.version()?;
    let decisions = nginx::null(site, subject)?.to_string();
    start(site, subject, FORWARD_AUTH, &decisions)
}

fn start(
    site: &Site<'_>,
    subject: &mut Subject,
    template: &str,
    decisions: &str,
) -> Result<(), String> {
    let (port, upstream) = (subject.address.port().to_string(), site.setting.upstream.to_string());
    let values = [("port", port.as_str()), ("upstream", &upstream), ("decisions", decisions)];
    site.write("Caddyfile", template, &values);
    let arguments = ["run", "--config", "Caddyfile", "--adapter", "caddyfile"];
    subject.processes.push(site.start(&CADDY, &arguments, subject.address)?);
    Ok(())
}
