//! Sets of headers as an attacker sends them with GET `/api/patients` and the good token of
//! `kauvery-doctor`, and what has to become of each. What must not reach the upstream has `evil`
//! in it.

/// What has to become of a request.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It is forwarded, without a trace of `evil`.
    Cleaned,
    /// It is forwarded, and the upstream sees this header line, name in lower case.
    Kept(&'static str),
    /// It is refused with this status and reason.
    Refused(u16, &'static str),
    /// It is refused with 400: with the reason `request_invalid`, or, being no HTTP, bare.
    NoHttp,
}

use Fate::{Cleaned, Kept, NoHttp, Refused};

const INVALID: Fate = Refused(400, "request_invalid");
const STRANGER: Fate = Refused(403, "cross_tenant");

/// Names that only the gate may use, in spellings that some server reads as the same. For each,
/// the value sent is `evil`.
pub const RESERVED: &[&str] = &[
    "X-Auth-User-Id",
    "x-auth-user-id",
    "X_Auth_User_Id",
    "X.Auth.User.Id",
    "X-Auth_User.Id",
    "x_auth-roles",
    "X-AUTH-ROLES",
    "X-Auth-Org-Id",
    "X-Auth-Tenant-Id",
    "X-Auth-Tenant-Slug",
    "X-Auth-Features",
    "X-Auth-Token-Id",
    "X-Auth-Break-Glass",
    "X-Auth-Assertion",
    "X-Auth-",
    "X-Auth-Anything-New",
    "X_Auth_",
    "X-Audit-User-Id",
    "x_audit_user_id",
    "X.Audit.Anything",
    "X_Tenant",
    "X.Tenant",
    "X_Break_Glass",
    "X.Break-Glass",
    "X-Request-Id",
    "X_Request_Id",
    "X.Request.Id",
    "X-Original-Url",
    "X_Original_Url",
    "X-Original-Uri",
    "X-Rewrite-Url",
    "X.Rewrite.Url",
    "X-Forwarded-Prefix",
    "X-Forwarded-User",
    "X_Forwarded_User",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "Remote-User",
    "Remote_User",
    "X-Remote-User",
    "X_Remote.User",
    "X-Http-Method",
    "X-HTTP-Method-Override",
    "X_HTTP_Method_Override",
    "X-Method-Override",
    "X-Forwarded-For",
    "X_Forwarded_For",
    "X.Forwarded.For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "Forwarded",
    "X-Real-Ip",
    "X_Real_Ip",
    "X-Original-Method",
    "X-Original-Host",
    "X-Forwarded-Path",
    "X-Forwarded-Server",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-WebAuth-User",
    "X-Host",
    "X-Envoy-Original-Path",
    "X-Middleware-Subrequest",
    "X-Accel-Redirect",
    "X-Accel-Mapping",
    "X-Sendfile",
    "X-Sendfile-Type",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Client-Cert",
    "Ssl-Client-Cert",
    "SSL-CLIENT-VERIFY",
    "Proxy",
    "Destination",
    "X-Authenticated-Userid",
    "X-Pomerium-Jwt-Assertion",
    "X-Goog-Authenticated-User-Email",
    "Cf-Access-Jwt-Assertion",
    "CF-Access-Authenticated-User-Email",
    "X-Amzn-Oidc-Identity",
    "Tenant",
    "Tenant-Id",
    "X-Tenant-Id",
    "X-TenantId",
    "XTenant",
    "Org",
    "X-Org",
    "Org-Id",
    "X-OrgId",
    "Organization",
    "X-Organization",
    "Organization-Id",
    "X-Organization-Id",
    "X-OrganizationId",
    "Organizationid",
    "O-rganization-Id",
    "-Tenant-Id-",
    "Keep-Alive",
    "Proxy-Connection",
    "Proxy-Authorization",
];

/// Characters of a token (RFC 9110, 5.6.2) that CGI, WSGI, Rack and PHP read as `_`, as they read `-`.
pub const ODD_CHARACTERS: &str = "!#$%&'*+.^_`|~";

/// Names that the gate itself sends, or that it obeys.
pub const OWN: &[&str] = &[
    "X-Auth-User-Id",
    "X-Auth-Org-Id",
    "X-Auth-Tenant-Id",
    "X-Auth-Tenant-Slug",
    "X-Auth-Roles",
    "X-Auth-Features",
    "X-Auth-Token-Id",
    "X-Auth-Break-Glass",
    "X-Auth-Assertion",
    "X-Audit-User-Id",
    "X-Request-Id",
    "X-Tenant",
    "X-Break-Glass",
    "X-Forwarded-For",
    "X-Real-Ip",
    "Content-Length",
    "Transfer-Encoding",
    "Content-Type",
    "Host",
];

/// Each name of [`OWN`] with each odd character: in the place of each of its characters, in the place of all
/// its dashes, before it and behind it.
#[must_use]
pub fn disguises() -> Vec<String> {
    let mut names = Vec::new();
    for own in OWN {
        for odd in ODD_CHARACTERS.chars() {
            let places =
                own.char_indices().map(|(at, _)| format!("{}{odd}{}", &own[..at], &own[at + 1..]));
            names.extend(places);
            names.extend([format!("{odd}{own}"), format!("{own}{odd}")]);
            if own.contains('-') {
                names.push(own.replace('-', &odd.to_string()));
            }
        }
    }
    names
}

/// Whole sets of header lines, each with its end.
pub const SETS: &[(&[u8], Fate)] = &[
    // Once only, whether they agree or not.
    (b"Authorization: Bearer x\r\n", INVALID),
    (b"authorization: Basic eA==\r\n", INVALID),
    (b"Host: elsewhere.example\r\n", INVALID),
    (b"X-Tenant: kauvery\r\nX-Tenant: kauvery\r\n", INVALID),
    (b"X-Tenant: kauvery\r\nx-tenant: demo_clinic_beta\r\n", INVALID),
    (b"X-Break-Glass: emergency admission\r\nX-Break-Glass: emergency admission\r\n", INVALID),
    (b"Content-Type: application/json\r\nContent-Type: application/json\r\n", INVALID),
    (b"Content-Type: application/json\r\ncontent-type: text/plain\r\n", INVALID),
    (b"Connection: content-type\r\nContent-Type: a/b\r\nContent-Type: a/b\r\n", INVALID),
    // Control headers are obeyed in their own spelling alone, and never passed on.
    (b"X-Tenant: kauvery\r\nX_Tenant: evil\r\n", Cleaned),
    (b"X-Tenant: demo_clinic_beta\r\n", STRANGER),
    (b"X-Tenant: \r\n", STRANGER),
    (b"X-Tenant: KAUVERY\r\n", STRANGER),
    (b"X-Tenant: org-kauvery\r\n", STRANGER),
    (b"X-Tenant: kauvery, kauvery\r\n", STRANGER),
    (b"X_Break_Glass: evil\r\n", Cleaned),
    (b"X-Break-Glass: short\r\n", Refused(400, "justification_invalid")),
    (b"X-Break-Glass: \r\n", Refused(400, "justification_invalid")),
    (b"X-Break-Glass:          short          \r\n", Refused(400, "justification_invalid")),
    (b"X-Break-Glass: emergency \xe9 admission\r\n", Refused(400, "justification_invalid")),
    (b"X-Break-Glass: emergency\tadmission\r\n", Refused(400, "justification_invalid")),
    (b"X-Break-Glass: evil plans are ten letters\r\n", Cleaned),
    // `Connection` names what ends here. It does not undo what the gate reads or adds.
    (
        b"Connection: X-Auth-User-Id, X-Auth-Roles, X-Request-Id\r\n",
        Kept("x-auth-user-id: kauvery-doctor"),
    ),
    (b"Connection: Authorization\r\n", Cleaned),
    (b"Connection: X-Tenant\r\nX-Tenant: demo_clinic_beta\r\n", STRANGER),
    (
        b"Connection: X-Break-Glass\r\nX-Break-Glass: short\r\n",
        Refused(400, "justification_invalid"),
    ),
    (b"Connection: X-Secret\r\nX-Secret: evil\r\n", Cleaned),
    (b"Connection: keep-alive, x-secret\r\nX-SECRET: evil\r\n", Cleaned),
    (b"Connection: keep-alive\r\nConnection: x-secret\r\nX-Secret: evil\r\n", Cleaned),
    (b"Connection: ,, x-secret ,\r\nX-Secret: evil\r\n", Cleaned),
    (b"TE: trailers;evil\r\nConnection: TE\r\n", Cleaned),
    // What is nobody's business is passed on.
    (b"X-Custom: kept as it is\r\n", Kept("x-custom: kept as it is")),
    (b"Accept: application/json\r\n", Kept("accept: application/json")),
    (b"X-Author: kept\r\n", Kept("x-author: kept")),
    (b"X-Auditor: kept\r\n", Kept("x-auditor: kept")),
    (b"X-Tenants: kept\r\n", Kept("x-tenants: kept")),
    // What HTTP forbids.
    (b"Bad Name: x\r\n", NoHttp),
    (b"Bad-Name : x\r\n", NoHttp),
    (b"Bad(Name): x\r\n", NoHttp),
    (b": x\r\n", NoHttp),
    (b"no colon\r\n", NoHttp),
    (b"X-Folded: a\r\n X-Auth-User-Id: evil\r\n", NoHttp),
    (b" X-Leading: a\r\n", NoHttp),
    (b"X-Nul: a\x00b\r\n", NoHttp),
    (b"X-Cr: a\rX-Auth-User-Id: evil\r\n", NoHttp),
    (b"Content-Length: 0\r\nContent-Length: 5\r\n", NoHttp),
    (b"Content-Length: +0\r\n", NoHttp),
    (b"Content-Length: -1\r\n", NoHttp),
    (b"Content-Length: 0x0\r\n", NoHttp),
    (b"Content-Length: 99999999999999999999999\r\n", NoHttp),
    (b"Content-Length: 0, 5\r\n", NoHttp),
    (b"Content-Length: \r\n", NoHttp),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n", NoHttp),
    (b"Transfer-Encoding: gzip\r\n", NoHttp),
    (b"Transfer-Encoding: chunked, gzip\r\n", NoHttp),
    (b"Transfer-Encoding: xchunked\r\n", NoHttp),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", NoHttp),
];

/// Values of `Host`, of which there is exactly one.
pub const HOSTS: &[(&[u8], Fate)] = &[
    (b"kauvery.clinics.example", Cleaned),
    (b"KAUVERY.Clinics.Example", Cleaned),
    (b"kauvery.clinics.example.", Cleaned),
    (b"kauvery.clinics.example:8443", Cleaned),
    (b"elsewhere.example", Cleaned),
    (b"some_host.example", Cleaned),
    (b"[::1]:8080", Cleaned),
    (b"kauvery_east.clinics.example", STRANGER),
    (b"demo_clinic_beta.clinics.example", STRANGER),
    (b"no_such_clinic.clinics.example", STRANGER),
    (b"a.kauvery.clinics.example", STRANGER),
    (b"evil@kauvery.clinics.example", INVALID),
    (b"demo_clinic_beta.clinics.example..", STRANGER),
    (b"demo_clinic_beta..clinics.example", STRANGER),
    (b".clinics.example", STRANGER),
    (b"..", INVALID),
    (b"kauvery.clinics.example/evil", INVALID),
    (b"kauvery.clinics.example?evil", INVALID),
    (b"kauvery.clinics.example evil", INVALID),
    (b"kauvery.clinics.example, evil.example", INVALID),
    (b"kauvery.clinics.example:port", INVALID),
    (b"k\xe4uvery.clinics.example", INVALID),
];
