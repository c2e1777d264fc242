//! Invalid values in optional sections.

/// For each case: the lines appended to the minimal configuration (four valid lines), and the expected message.
pub(super) const BAD: &[(&str, &str)] = &[
    (
        "listen: { proxy: 8080 }",
        ":5:18: `listen.proxy`: `8080` will not do; write an IP address and a port, such as `127.0.0.1:8080`",
    ),
    (
        "listen: { admin: 127.0.0.1:8080 }",
        ":5:18: `listen.admin`: is where `listen.proxy` listens; take another port",
    ),
    (
        "listen: { admin: 0.0.0.0:8080 }",
        ":5:18: `listen.admin`: is where `listen.proxy` listens; take another port",
    ),
    (
        "upstream: { address: http://a:1 }",
        ":5:22: `upstream.address`: `http://a:1` will not do; write a host and a port, such as `backend.internal:8081`",
    ),
    (
        "upstream: { address: backend }",
        ":5:22: `upstream.address`: `backend` will not do; write a host and a port, such as `backend.internal:8081`",
    ),
    (
        "upstream: { address: 'backend:0' }",
        ":5:22: `upstream.address`: `backend:0` will not do; write a host and a port, such as `backend.internal:8081`",
    ),
    (
        "upstream: { address: 'u@backend:1' }",
        ":5:22: `upstream.address`: `u@backend:1` will not do; write a host and a port, such as `backend.internal:8081`",
    ),
    (
        "upstream: { connect_timeout: 5 }",
        ":5:30: `upstream.connect_timeout`: `5` will not do; write a time with its unit, such as `500ms` or `30s`",
    ),
    ("upstream: { read_timeout: 0s }", ":5:27: `upstream.read_timeout`: 0s is outside 1ms to 1day"),
    (
        "upstream: { forward_authorization: maybe }",
        ":5:36: `upstream.forward_authorization`: invalid type: string \"maybe\", expected a boolean",
    ),
    (
        "upstream: { assertion: { key: k } }",
        ":5:13: `upstream.assertion`: `audience` is missing; add it",
    ),
    (
        "limits: { json_body: 17MiB }",
        ":5:22: `limits.json_body`: 17.0 MiB is outside 2 B to 64.0 KiB",
    ),
    (
        "limits: { json_body: huge }",
        ":5:22: `limits.json_body`: `huge` will not do; write a size, such as `64KiB`",
    ),
    ("limits: { json_members: 0 }", ":5:25: `limits.json_members`: 0 is outside 1 to 10000"),
    (
        "headers: { allow: [X-Custom] }",
        ":5:12: `headers.allow`: `X-Custom` needs no exception: it holds only letters, digits and `-`; remove it",
    ),
    (
        "headers: { allow: [a_b, 'X~Auth_User.Id'] }",
        ":5:25: `headers.allow[1]`: some upstreams read `x~auth_user.id` as a name that has a meaning for the gate, or that is stripped; remove it",
    ),
    (
        "headers: { allow: [a_b], strip: [A-B] }",
        ":5:20: `headers.allow[0]`: some upstreams read `a_b` as a name that has a meaning for the gate, or that is stripped; remove it",
    ),
    (
        "headers: { strip: ['a b'] }",
        ":5:12: `headers.strip`: `a b` is no name of a header field; write one such as `X-Partner-Id`",
    ),
    (
        "headers: { strip: [x-partner, Content-Type] }",
        ":5:31: `headers.strip[1]`: the upstream cannot read a request without `content-type`; remove it",
    ),
    ("limits: { header_count: 201 }", ":5:25: `limits.header_count`: 201 is outside 1 to 200"),
    ("limits: { connections: 0 }", ":5:24: `limits.connections`: 0 is outside 1 to 1000000"),
    (
        "limits: { connections_per_client: 0 }",
        ":5:35: `limits.connections_per_client`: 0 is outside 1 to 1000000",
    ),
    (
        "memory: { decisions: 1KiB }",
        ":5:22: `memory.decisions`: 1.0 KiB is outside 256.0 KiB to 1.0 TiB; 0B: nothing is remembered",
    ),
    (
        "memory: { entries: 1 }",
        ":5:20: `memory.entries`: unknown key; expected one of `tokens`, `facts`, `decisions`, `clients`",
    ),
    (
        "limits: { requests_per_second: 0 }",
        ":5:32: `limits.requests_per_second`: 0 is outside 1 to 4294967295",
    ),
    (
        "tenancy: { host_suffix: clinics.example }",
        ":5:25: `tenancy.host_suffix`: `clinics.example` will not do; write a domain with a leading dot, such as `.clinics.example`",
    ),
    (
        "tenancy: { hosts: { 'a.example:80': b } }",
        ":5:12: `tenancy.hosts`: `a.example:80` is no host; write its name alone, such as `gate.example`",
    ),
    (
        "tenancy: { hosts: { A.example: b, a.example.: c } }",
        ":5:12: `tenancy.hosts`: `a.example.` is there twice; remove one",
    ),
    (
        "tenancy: { hosts: { a.example: 5 } }",
        ":5:32: `tenancy.hosts.a.example`: invalid type: integer `5`, expected a string: quote it",
    ),
    ("tenancy: { names: [] }", ":5:12: `tenancy.names`: is empty; name at least one"),
    (
        "trusted_proxies: [10.0.0.1]",
        ":5:1: `trusted_proxies`: `10.0.0.1` is no network; write CIDR, such as `10.0.0.0/8`",
    ),
    (
        "cors: { origins: ['*'] }",
        ":5:9: `cors.origins`: `*` is no origin; write each one out, such as `https://tools.example`",
    ),
    (
        "cors: { origins: ['https://a.example/'] }",
        ":5:9: `cors.origins`: `https://a.example/` is no origin; write each one out, such as `https://tools.example`",
    ),
    (
        "cors: { origins: ['https://*.a.example'] }",
        ":5:9: `cors.origins`: `https://*.a.example` is no origin; write each one out, such as `https://tools.example`",
    ),
    (
        "cors: { origins: ['null'] }",
        ":5:9: `cors.origins`: `null` is no origin; write each one out, such as `https://tools.example`",
    ),
    (
        "cors: { origins: ['https://a.example'], allow_headers: ['*'] }",
        ":5:41: `cors.allow_headers`: invalid field name `*`: write each one out, in letters, digits and `-`, such as `If-Match`",
    ),
    (
        "cors: { origins: ['https://a.example'], expose_headers: ['X-Total: 1'] }",
        ":5:41: `cors.expose_headers`: invalid field name `X-Total: 1`: write each one out, in letters, digits and `-`, such as `If-Match`",
    ),
    (
        "redirect: { unauthenticated: /login }",
        ":5:30: `redirect.unauthenticated`: `/login` will not do; write a whole URL, such as `https://app.example/login`",
    ),
    (
        "redirect: { outside_boundary: 'ftp://a/' }",
        ":5:31: `redirect.outside_boundary`: `ftp://a/` will not do; write a whole URL, such as `https://app.example/login`",
    ),
    (
        "admin_hosts: ['a:1']",
        ":5:1: `admin_hosts`: `a:1` is no host; write its name alone, such as `gate.example`",
    ),
    (
        "shutdown: { drain: soon }",
        ":5:20: `shutdown.drain`: `soon` will not do; write a time with its unit, such as `500ms` or `30s`",
    ),
    (
        "shutdown: { grace: }",
        ":5:13: `shutdown.grace`: is no text; write a time with its unit, such as `500ms` or `30s`",
    ),
    ("workers: 0", ":5:10: `workers`: 0 is outside 1 to 1024"),
    ("shutdown: 5s", ":5:11: `shutdown`: is no section; write its keys under it"),
];
