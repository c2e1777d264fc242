//! The names of fields that the gate gives a meaning, in lower case.

/// Fields that say who calls, which resource is meant or how the request came: the gate says that, or a proxy
/// in front of an upstream, never a client.
pub(super) const RESERVED: &[&str] = &[
    "x-original-url",
    "x-original-uri",
    "x-original-method",
    "x-original-host",
    "x-rewrite-url",
    "x-forwarded-prefix",
    "x-forwarded-path",
    "x-forwarded-user",
    "x-forwarded-uri",
    "x-forwarded-method",
    "x-forwarded-server",
    "x-forwarded-scheme",
    "x-forwarded-ssl",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "remote-user",
    "x-remote-user",
    "x-webauth-user",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-host",
    "x-envoy-original-path",
    "x-middleware-subrequest",
    "x-accel-redirect",
    "x-sendfile",
    "x-sendfile-type",
    "x-accel-mapping",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-client-cert",
    "ssl-client-cert",
    "ssl-client-verify",
    "proxy",
    "destination",
];

/// Beginnings of such names.
pub(super) const RESERVED_PREFIXES: &[&str] = &[
    "x-auth-",
    "x-audit-",
    "x-authenticated-",
    "x-pomerium-",
    "x-goog-authenticated-",
    "cf-access-",
    "x-amzn-oidc-",
];

/// Names of a tenant, besides those of `tenancy.names`: with or without `x-` before them, `-` aside.
pub(super) const TENANTS: &[&str] =
    &["tenant", "tenant-id", "org", "org-id", "organization", "organization-id"];

/// Fields that the gate reads and obeys itself.
pub(super) const OBEYED: &[&str] = &["x-tenant", "x-break-glass", "x-request-id"];

/// Fields about the way a request came.
pub(super) const WAY: &[&str] = &[
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "forwarded",
    "x-real-ip",
];

/// Hop-by-hop fields (RFC 9110, 7.6.1), and those that only ever meant the next hop.
pub(super) const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
];

/// Fields that say where a message ends and for whom it is: `Connection` cannot name them away.
pub(super) const STRUCTURAL: &[&str] = &["host", "content-length", "transfer-encoding"];

/// Fields that say what a body is: the upstream has to read it as it was judged.
pub(super) const CONTENT: &[&str] = &["content-type", "content-encoding"];
