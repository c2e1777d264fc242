//! The header names that have a meaning for the gate, in lower case.

/// Fields about the caller, the resource or the way of the request. The gate writes them, or a proxy in front of an
/// upstream; a client must not.
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

/// Prefixes of further reserved names.
pub(super) const RESERVED_PREFIXES: &[&str] = &[
    "x-auth-",
    "x-audit-",
    "x-authenticated-",
    "x-pomerium-",
    "x-goog-authenticated-",
    "cf-access-",
    "x-amzn-oidc-",
];

/// Names of a tenant besides those of `tenancy.names`, with or without `x-` before them, dashes ignored.
pub(super) const TENANTS: &[&str] =
    &["tenant", "tenant-id", "org", "org-id", "organization", "organization-id"];

/// Fields that the gate itself reads and acts on.
pub(super) const OBEYED: &[&str] = &["x-tenant", "x-break-glass", "x-request-id"];

/// The forwarding fields, which tell how a request came.
pub(super) const WAY: &[&str] = &[
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "forwarded",
    "x-real-ip",
];

/// Hop-by-hop fields (RFC 9110, 7.6.1), and others that are meant for the next hop only.
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

/// Fields that tell where a message ends and which host it is for: `Connection` cannot remove them.
pub(super) const STRUCTURAL: &[&str] = &["host", "content-length", "transfer-encoding"];

/// Fields that describe a body: they are forwarded so that the upstream reads the body as it was judged.
pub(super) const CONTENT: &[&str] = &["content-type", "content-encoding"];
