//! Access control of the admin listener.
//!
//! A page in an operator's browser can make its own name resolve to this listener (DNS rebinding). Such a request
//! has the page's name as its `Host`. A `Host` without a name cannot come from such a page: the address that
//! was connected to, as kubelets and Prometheus write it, or no `Host`, as in HTTP/1.0 health checks. A page can
//! also simply post to `localhost`: such a request is recognized by the headers that browsers add.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::Response;

use super::{AdminState, problem};

/// The two ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    /// The client's address.
    pub(super) peer: SocketAddr,
    /// The address that was connected to, if the system knows it.
    pub(super) local: Option<SocketAddr>,
}

/// Passes a request on to the routes, or refuses it.
pub(super) async fn guard(
    State(state): State<AdminState>,
    ConnectInfo(Ends { peer, local }): ConnectInfo<Ends>,
    request: Request,
    next: Next,
) -> Response {
    if !is_for_us(&request, &state.hosts, local) {
        return problem(
            StatusCode::MISDIRECTED_REQUEST,
            "host_not_allowed",
            "The host is neither loopback, nor the address that was connected to, nor listed in `admin_hosts`",
        );
    }
    // Applies to every method that may change something, even if no route has that method yet.
    if !request.method().is_safe() {
        let allowed = match &state.token_file {
            Some(file) => has_token(request.headers(), file),
            None => is_local(request.headers(), peer),
        };
        if let Err(refusal) = allowed {
            return *refusal;
        }
    }
    next.run(request).await
}

/// Whether every host that the request names is allowed.
fn is_for_us(request: &Request, listed: &[String], local: Option<SocketAddr>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let named = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
            named.is_some_and(|host| is_ours(&host, listed, local))
        }
        // Browsers do not speak HTTP/1.0, and HTTP/1.1 requires a host.
        (None, _) => request.version() == Version::HTTP_10,
        _ => false,
    };
    named && request.uri().authority().is_none_or(|host| is_ours(host, listed, local))
}

fn is_ours(named: &Authority, listed: &[String], local: Option<SocketAddr>) -> bool {
    if named.as_str().contains('@') {
        return false;
    }
    let host = named.host().trim_end_matches('.');
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let connected_to = |address: IpAddr| {
        local.is_some_and(|local| local.ip().to_canonical() == address.to_canonical())
    };
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback() || connected_to(address))
        || listed.iter().any(|ours| {
            ours.eq_ignore_ascii_case(host)
                || ours.eq_ignore_ascii_case(bare)
                || ours.eq_ignore_ascii_case(named.as_str())
        })
}

/// Checks access without a token: only from this machine, and not from a page in a browser.
fn is_local(headers: &HeaderMap, peer: SocketAddr) -> Result<(), Box<Response>> {
    if !peer.ip().to_canonical().is_loopback() {
        let detail = "Without `admin.token_file` this has to come from loopback";
        return Err(Box::new(problem(StatusCode::FORBIDDEN, "not_local", detail)));
    }
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if headers.contains_key(header::ORIGIN) || site.is_some_and(|site| site != b"none") {
        let detail = "Without `admin.token_file` a page may not do this";
        return Err(Box::new(problem(StatusCode::FORBIDDEN, "origin_not_allowed", detail)));
    }
    Ok(())
}

/// Checks access with a token: the request must carry exactly the token in the file.
fn has_token(headers: &HeaderMap, file: &Path) -> Result<(), Box<Response>> {
    let expected = read_token(file).map_err(|error| {
        let path = file.display();
        tracing::error!(%path, %error, "the admin token cannot be read");
        let detail = "The token cannot be compared";
        Box::new(problem(StatusCode::SERVICE_UNAVAILABLE, "token_unavailable", detail))
    })?;
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let matches = match (sent.next().and_then(bearer), sent.next()) {
        (Some(token), None) => verify_slices_are_equal(token, &expected).is_ok(),
        _ => false,
    };
    if matches { Ok(()) } else { Err(Box::new(unauthorized())) }
}

/// Reads the token, on each request, so that a new token needs no restart. An empty file is an error.
fn read_token(file: &Path) -> io::Result<Vec<u8>> {
    let text = std::fs::read(file)?;
    let token = text.trim_ascii_end();
    if token.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty"));
    }
    Ok(token.to_vec())
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

fn unauthorized() -> Response {
    let detail = "This needs the token of `admin.token_file`";
    let mut response = problem(StatusCode::UNAUTHORIZED, "token_invalid", detail);
    let challenge = HeaderValue::from_static("Bearer realm=\"cedargate-admin\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, expected: bool) {
        let listed = ["gate.internal".to_owned(), "10.0.0.7:9901".to_owned(), "fd00::7".to_owned()];
        let local = Some("192.0.2.7:9901".parse().unwrap());
        let ours = host.parse::<Authority>().is_ok_and(|host| is_ours(&host, &listed, local));
        assert_eq!(ours, expected, "{host}");
    }

    #[test]
    fn loopback_is_ours_by_any_of_its_names() {
        for host in ["localhost", "LOCALHOST:9901", "localhost.", "127.0.0.1", "127.9.8.7:1"] {
            check(host, true);
        }
        check("[::1]", true);
        check("[::1]:9901", true);
        check("[::ffff:127.0.0.1]:9901", true);
    }

    #[test]
    fn listed_hosts_are_ours() {
        for host in ["gate.internal", "Gate.Internal:9901", "gate.internal.", "10.0.0.7:9901"] {
            check(host, true);
        }
        check("[fd00::7]:9901", true);
    }

    #[test]
    fn the_address_that_was_connected_to_is_ours() {
        for host in ["192.0.2.7", "192.0.2.7:9901", "192.0.2.7:80", "[::ffff:192.0.2.7]:9901"] {
            check(host, true);
        }
    }

    #[test]
    fn everything_else_is_a_stranger() {
        for host in [
            "192.0.2.8:9901",
            "192.0.2.7.evil.example",
            "3221225991",
            "192.0.519",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:9901",
            "127.1",
            "2130706433",
            "10.0.0.7",
            "10.0.0.7:80",
            "localhost@evil.example",
            "evil.example@localhost",
            "0.0.0.0",
            "[::]",
            "",
        ] {
            check(host, false);
        }
    }

    #[test]
    fn a_peer_is_local_however_its_address_is_written() {
        let local = |peer: &str| is_local(&HeaderMap::new(), peer.parse().unwrap()).is_ok();
        assert!(local("127.0.0.1:5") && local("[::1]:5") && local("[::ffff:127.0.0.1]:5"));
        assert!(!local("192.0.2.1:5") && !local("[::ffff:192.0.2.1]:5"));
    }
}
