//! Envoy's filters, as JSON.

use std::path::Path;

use serde_json::{Value, json};

use super::super::super::subject::{RouteRule, Setting};
use super::super::routes::{by_openness, expression, is_literal, prefix};

/// Where verified claims are kept for the filters that follow.
const CLAIMS: &str = "claims";
const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";
const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";
/// More than there are users: no verified token is ever pushed out. Envoy's default is 100.
const CACHED_TOKENS: u32 = 10_000;

fn filter(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("{EXTENSIONS}.filters.http.{name}.v3.{kind}"));
    json!({"name": format!("envoy.filters.http.{name}"), "typed_config": config})
}

/// Forwards.
pub(super) fn router() -> Value {
    filter("router", "Router", json!({}))
}

/// Verifies tokens, and remembers those that it verified.
pub(super) fn jwt_authn(setting: &Setting) -> Value {
    let (public, _) = by_openness(&setting.routes);
    let mut rules: Vec<Value> =
        public.into_iter().map(|route| json!({"match": of(route)})).collect();
    rules.push(json!({"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}));
    let issuer = json!({
        "issuer": setting.issuer,
        "audiences": [setting.audience],
        "local_jwks": {"filename": setting.jwks},
        "payload_in_metadata": CLAIMS,
        "jwt_cache_config": {"jwt_cache_size": CACHED_TOKENS},
    });
    filter(
        "jwt_authn",
        "JwtAuthentication",
        json!({"providers": {"issuer": issuer}, "rules": rules}),
    )
}

/// A route as routes are matched.
fn of(route: &RouteRule) -> Value {
    let method = json!({"name": ":method", "string_match": {"exact": route.method}});
    if is_literal(route) {
        return json!({"path": route.template, "headers": [method]});
    }
    json!({"safe_regex": {"regex": expression(route)}, "headers": [method]})
}

/// One policy for each route: its method and path, and any of its roles among the verified ones. They
/// are tried by name until one allows: what is asked for most, reading, comes first.
pub(super) fn rbac(routes: &[RouteRule]) -> Value {
    let mut routes: Vec<&RouteRule> = routes.iter().collect();
    routes.sort_by_key(|route| route.method != "GET");
    let policies: serde_json::Map<String, Value> = routes
        .into_iter()
        .enumerate()
        .map(|(place, route)| {
            let policy =
                json!({"permissions": [permission(route)], "principals": [principal(route)]});
            (format!("{place:03} {}", route.action), policy)
        })
        .collect();
    filter("rbac", "RBAC", json!({"rules": {"action": "ALLOW", "policies": policies}}))
}

/// What rules a route out most cheaply comes first.
fn permission(route: &RouteRule) -> Value {
    let method = json!({"header": {"name": ":method", "string_match": {"exact": route.method}}});
    let path = |path: Value| json!({"url_path": {"path": path}});
    let mut rules = vec![method];
    if is_literal(route) {
        rules.push(path(json!({"exact": route.template})));
    } else {
        rules.push(path(json!({"prefix": prefix(route)})));
        rules.push(path(json!({"safe_regex": {"regex": expression(route)}})));
    }
    json!({"and_rules": {"rules": rules}})
}

fn principal(route: &RouteRule) -> Value {
    if route.is_public() {
        return json!({"any": true});
    }
    let mut roles: Vec<Value> =
        route.roles.iter().map(|role| json!({"string_match": {"exact": role}})).collect();
    // A choice has to be one of at least two.
    let any = if roles.len() == 1 {
        roles.remove(0)
    } else {
        json!({"or_match": {"value_matchers": roles}})
    };
    json!({"sourced_metadata": {"metadata_matcher": {
        "filter": JWT_AUTHN,
        "path": [{"key": CLAIMS}, {"key": "roles"}],
        "value": {"list_match": {"one_of": any}},
    }}})
}

/// Asks a decision point over HTTP.
pub(super) fn ext_authz() -> Value {
    let server = json!({"uri": "http://decisions", "cluster": "decisions", "timeout": "10s"});
    let service = json!({"server_uri": server, "path_prefix": "/decision"});
    filter("ext_authz", "ExtAuthz", json!({"transport_api_version": "V3", "http_service": service}))
}

/// How a cluster is spoken to: HTTP/1.1 unless gRPC is.
pub(super) fn protocol(grpc: bool) -> Value {
    if !grpc {
        return json!({});
    }
    json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": format!("{EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions"),
        "explicit_http_config": {"http2_protocol_options": {}},
    }})
}

/// Runs a script.
pub(super) fn lua(script: &str) -> Value {
    filter("lua", "Lua", json!({"default_source_code": {"inline_string": script}}))
}

/// A line for each request: when, what, who, and what became of it.
pub(super) fn access_log(path: &Path) -> Value {
    let claim = |name: &str| format!("%DYNAMIC_METADATA({JWT_AUTHN}:{CLAIMS}:{name})%");
    let line = json!({
        "time": "%START_TIME%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "client": "%DOWNSTREAM_REMOTE_ADDRESS%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(:PATH)%",
        "user": claim("sub"),
        "organization": claim("org"),
        "roles": claim("roles"),
        "token": claim("jti"),
        "status": "%RESPONSE_CODE%",
        "why": "%RESPONSE_CODE_DETAILS%",
        "bytes": "%BYTES_SENT%",
        "duration": "%DURATION%",
    });
    json!({"name": "envoy.access_loggers.file", "typed_config": {
        "@type": format!("{EXTENSIONS}.access_loggers.file.v3.FileAccessLog"),
        "path": path,
        "log_format": {"json_format": line},
    }})
}
