//! nginx, bare and before a decision point; and the decision point that says yes to everything.

use std::net::SocketAddr;
use std::process::Child;

use super::super::subject::Subject;
use super::program::NGINX;
use super::site::{Site, free_address};

const BARE: &str = include_str!("../../peers/nginx.conf");
const AUTH_REQUEST: &str = include_str!("../../peers/nginx-auth-request.conf");
const NULL: &str = include_str!("../../peers/null.conf");

pub(super) fn bare(site: &Site<'_>, subject: &mut Subject) -> Result<(), String> {
    subject.version = NGINX.version()?;
    let upstream = site.setting.upstream.to_string();
    let listen = subject.address;
    subject.processes.push(start(site, "nginx.conf", BARE, listen, &[("upstream", &upstream)])?);
    Ok(())
}

pub(super) fn auth_request(site: &Site<'_>, subject: &mut Subject) -> Result<(), String> {
    subject.version = NGINX.version()?;
    let decisions = null(site, subject)?.to_string();
    let upstream = site.setting.upstream.to_string();
    let values = [("upstream", upstream.as_str()), ("decisions", &decisions)];
    let listen = subject.address;
    subject.processes.push(start(site, "nginx.conf", AUTH_REQUEST, listen, &values)?);
    Ok(())
}

/// A decision point that says yes to everything, at this address.
pub(super) fn null(site: &Site<'_>, subject: &mut Subject) -> Result<SocketAddr, String> {
    let address = free_address();
    subject.processes.push(start(site, "null.conf", NULL, address, &[])?);
    Ok(address)
}

fn start(
    site: &Site<'_>,
    file: &str,
    template: &str,
    address: SocketAddr,
    values: &[(&str, &str)],
) -> Result<Child, String> {
    let listen = address.to_string();
    site.write(file, template, &[&[("listen", listen.as_str())], values].concat());
    // The folder that relative paths start from; it has to end with a slash.
    let prefix = format!("{}/", site.folder.display());
    site.start(&NGINX, &["-p", &prefix, "-c", file, "-e", "stderr"], address)
}
