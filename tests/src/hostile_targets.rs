//! Request targets as an attacker writes them, and what has to become of each.
//!
//! All are asked by `kauvery-doctor` with a good token and GET.

/// What has to become of a target.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// Refused with 400 and this reason, whoever asks.
    Refused(&'static str),
    /// Refused with 400, as a problem or, being no HTTP, bare.
    NoHttp,
    /// The upstream sees exactly this.
    Forwarded(&'static str),
    /// Judged as this path: denied with this status and reason.
    Judged(&'static str, u16, &'static str),
}

use Fate::{Forwarded, Judged, NoHttp, Refused};

const PATH: Fate = Refused("path_invalid");
const REQUEST: Fate = Refused("request_invalid");
const fn absent(path: &'static str) -> Fate {
    Judged(path, 404, "not_found")
}
const fn unmapped(path: &'static str) -> Fate {
    Judged(path, 403, "route_unmapped")
}
const fn stranger(path: &'static str) -> Fate {
    Judged(path, 403, "cross_tenant")
}

/// Dot segments and their disguises.
pub const DOTS: &[(&[u8], Fate)] = &[
    (b"/api/../api/patients", PATH),
    (b"/api/./patients", PATH),
    (b"/./api/patients", PATH),
    (b"/..", PATH),
    (b"/.", PATH),
    (b"/../api/patients", PATH),
    (b"/api/patients/..", PATH),
    (b"/api/patients/.", PATH),
    (b"/api/patients/../", PATH),
    (b"/api/codes/../patients", PATH),
    (b"/api/codes/%2e%2e/patients", PATH),
    (b"/api/codes/%2E%2E/patients", PATH),
    (b"/api/codes/.%2e/patients", PATH),
    (b"/api/codes/%2e./patients", PATH),
    (b"/api/%2e/patients", PATH),
    (b"/api/patients/a%2eb", PATH),
    (b"/api/codes/%252e%252e/patients", PATH),
    (b"/api/codes/%25252e%25252e/patients", PATH),
    (b"/api/codes/%25%32%65%25%32%65/patients", PATH),
    (b"/api/codes/%25%32e/patients", PATH),
    (b"/api/codes/..;/patients", PATH),
    (b"/api/codes/%c0%ae%c0%ae/patients", PATH),
    (b"/api/patients/...", absent("/api/patients/...")),
    (b"/api/patients/..a", absent("/api/patients/..a")),
    (b"/.hidden", unmapped("/.hidden")),
];

/// Slashes, backslashes, empty segments and parameters.
pub const SEPARATORS: &[(&[u8], Fate)] = &[
    (b"//api/patients", PATH),
    (b"/api//patients", PATH),
    (b"/api/patients//", PATH),
    (b"//", PATH),
    (b"/api%2fpatients", PATH),
    (b"/api%2Fpatients", PATH),
    (b"/api/patients/a%2fb", PATH),
    (b"/api/patients/a%252fb", PATH),
    (b"/api/patients/a%25252Fb", PATH),
    (b"/api/patients/a%25%32%66b", PATH),
    (b"/api/patients/a%c0%afb", PATH),
    (b"/api/patients/a%e0%80%afb", PATH),
    (b"/api\\patients", PATH),
    (b"/api/codes/..\\patients", PATH),
    (b"/api%5cpatients", PATH),
    (b"/api%5Cpatients", PATH),
    (b"/api/patients/a%255cb", PATH),
    (b"/api/patients;admin=true", PATH),
    (b"/api/patients/;/x", PATH),
    (b"/api;/patients", PATH),
    (b"/api/patients/", unmapped("/api/patients/")),
    (b"/", unmapped("/")),
    (b"/api/patients/a%3bb", absent("/api/patients/a%3Bb")),
];

/// Bytes that no path may hold, and those that it may.
pub const BYTES: &[(&[u8], Fate)] = &[
    (b"/api/patients/a%00b", PATH),
    (b"/api/patients/a%2500b", PATH),
    (b"/api/patients/a%0ab", PATH),
    (b"/api/patients/a%0d%0ab", PATH),
    (b"/api/patients/a%250d%250ab", PATH),
    (b"/api/patients/a%09b", PATH),
    (b"/api/patients/a%1fb", PATH),
    (b"/api/patients/a%7fb", PATH),
    (b"/api/patients/a\x01b", PATH),
    (b"/api/patients/a\x7fb", PATH),
    (b"/api/patients/a\tb", PATH),
    (b"/api/patients/a\x0bb", PATH),
    (b"/api/patients/a b", PATH),
    (b"/api/patients/a\x00b", PATH),
    (b"/api/patients/caf\xc3\xa9", PATH),
    (b"/api/patients/caf\xe9", PATH),
    (b"/api/patients/\xff\xfe", PATH),
    (b"/api/patients/<x>", PATH),
    (b"/api/patients/\"x\"", PATH),
    (b"/api/patients/{id}", PATH),
    (b"/api/patients/a|b", PATH),
    (b"/api/patients/a^b", PATH),
    (b"/api/patients/a`b", PATH),
    (b"/api/patients/[a]", PATH),
    (b"/api/patients#x", PATH),
    (b"/api/patients?x=1#y", PATH),
    (b"/api/patients/%", PATH),
    (b"/api/patients/a%2", PATH),
    (b"/api/patients/a%zz", PATH),
    (b"/api/patients/a%u002e", PATH),
    (b"/api/patients/a%-1b", PATH),
    (b"/api/patients/a%%34%31", PATH),
    (b"/api/patients/%ff", PATH),
    (b"/api/patients/%c3", PATH),
    (b"/api/patients/%c3/%a9", PATH),
    (b"/api/patients/%ed%a0%80", PATH),
    (b"/api/patients/%f4%90%80%80", PATH),
    (b"/api/patients/%c1%81", PATH),
    (b"/api/patients/%80", PATH),
    (b"/api/patients/caf%c3%a9", absent("/api/patients/caf%C3%A9")),
    (b"/api/patients/a%20b", absent("/api/patients/a%20b")),
    (b"/api/patients/100%25", absent("/api/patients/100%25")),
    (b"/api/patients/%2541", absent("/api/patients/%2541")),
    (b"/api/patients/%41%7e%2d%5f", absent("/api/patients/A~-_")),
    (b"/api/patients/a:b@c!$&'()*+,=", absent("/api/patients/a:b@c!$&'()*+,=")),
];

/// What is decoded, and then is what is matched and forwarded.
pub const SPELLINGS: &[(&[u8], Fate)] = &[
    (b"/api/patients", Forwarded("/api/patients")),
    (b"/api/p%61tients", Forwarded("/api/patients")),
    (b"/%61%70%69/patients", Forwarded("/api/patients")),
    (b"/api/%70%61%74%69%65%6E%74%73", Forwarded("/api/patients")),
    (b"/api/visit%2Dnotes", Forwarded("/api/visit-notes")),
    (b"/api/visit%2dnotes", Forwarded("/api/visit-notes")),
    (b"/api/patients/patient%2dkauvery%2d1", Forwarded("/api/patients/patient-kauvery-1")),
    (b"/api/codes/icd1%30/search?q=fever", Forwarded("/api/codes/icd10/search?q=fever")),
    (b"/API/patients", unmapped("/API/patients")),
    (b"/api/Patients", unmapped("/api/Patients")),
    (b"/api/codes/ICD10/search", unmapped("/api/codes/ICD10/search")),
];

/// Queries: forwarded as they came, and read only where they name a tenant.
pub const QUERIES: &[(&[u8], Fate)] = &[
    (b"/api/patients?", Forwarded("/api/patients?")),
    (b"/api/patients?a=%2e%2e/../;%zz%", Forwarded("/api/patients?a=%2e%2e/../;%zz%")),
    (b"/api/patients?a=%00%0d%0a", Forwarded("/api/patients?a=%00%0d%0a")),
    (b"/api/patients?a=^", Forwarded("/api/patients?a=^")),
    (b"/api/patients?a=|", Forwarded("/api/patients?a=|")),
    (b"/api/patients?a={", Forwarded("/api/patients?a={")),
    (b"/api/patients?a=}", Forwarded("/api/patients?a=}")),
    (b"/api/patients?a=`", Forwarded("/api/patients?a=`")),
    (b"/api/patients?a=\\", Forwarded("/api/patients?a=\\")),
    (b"/api/patients?a='", Forwarded("/api/patients?a='")),
    (b"/api/patients?a=1?b=//", Forwarded("/api/patients?a=1?b=//")),
    (b"/api/p%61tients?%61=%61", Forwarded("/api/patients?%61=%61")),
    (b"/api/patients?a=b c", PATH),
    (b"/api/patients?a=b\tc", PATH),
    (b"/api/patients?a=b\x01c", PATH),
    (b"/api/patients?a=b\x7fc", PATH),
    (
        b"/api/patients?organization_id=org-kauvery",
        Forwarded("/api/patients?organization_id=org-kauvery"),
    ),
    (
        b"/api/patients?a=1&organizationId=org%2Dkauvery",
        Forwarded("/api/patients?a=1&organizationId=org%2Dkauvery"),
    ),
    (b"/api/patients?organization_id=org-beta", stranger("/api/patients")),
    (b"/api/patients?organization_id=", stranger("/api/patients")),
    (b"/api/patients?organization_id", stranger("/api/patients")),
    (b"/api/patients?organization%5Fid=org-beta", stranger("/api/patients")),
    (b"/api/patients?%6frganization_id=org-beta", stranger("/api/patients")),
    (b"/api/patients?organization_id=org+kauvery", stranger("/api/patients")),
    (b"/api/patients?organization_id=kauvery", stranger("/api/patients")),
    (
        b"/api/patients?organization_id=org-kauvery&organization_id=org-beta",
        stranger("/api/patients"),
    ),
    (b"/api/patients?Organization_id=org-beta", REQUEST),
    (b"/api/patients?ORGANIZATION_ID=org-kauvery", REQUEST),
    (b"/api/patients?a=1&organizationid=org-kauvery", REQUEST),
    (b"/api/patients?organization_id[]=org-beta", REQUEST),
    (b"/api/patients?organization_id%5B%5D=org-beta", REQUEST),
    (b"/api/patients?organization_id=org-kauvery&organization_id[x]=org-beta", REQUEST),
    (b"/api/patients?organization_id[", REQUEST),
    (b"/api/patients?organization.id=org-beta", REQUEST),
    (b"/api/patients?organization+id=org-beta", REQUEST),
    (b"/api/patients?+organization_id=org-beta", REQUEST),
    (b"/api/patients?organization-id", REQUEST),
    (b"/api/patients?organization_id%00=org-beta", REQUEST),
    (b"/api/patients?organization_id%=org-beta", REQUEST),
    (b"/api/patients?organization_id%ff=org-beta", REQUEST),
    (b"/api/patients?organizat%C4%B1on_id=org-beta", REQUEST),
    (b"/no/such/path?organization_id[]=org-beta", REQUEST),
    (b"/api/patients?organization=org-beta", Forwarded("/api/patients?organization=org-beta")),
    (b"/api/patients?organization[id]=x", Forwarded("/api/patients?organization[id]=x")),
    (b"/api/patients?q=organization_id[]", Forwarded("/api/patients?q=organization_id[]")),
    (
        b"/api/patients?a=1;organization_id=org-beta",
        Forwarded("/api/patients?a=1;organization_id=org-beta"),
    ),
    (b"/api/patients?organization_id=%zz", REQUEST),
    (b"/api/patients?organizationId=org%2", REQUEST),
    (b"/healthz?organization_id=%", REQUEST),
    (b"/no/such/path?organization_id=%", REQUEST),
];

/// Queries with bytes that RFC 3986 forbids and scripts send: pingora cannot send them.
pub const RAW_QUERIES: &[(&[u8], Fate)] = &[
    (b"/api/patients?<a>=\"b\"", Forwarded("/api/patients?<a>=\"b\"")),
    (b"/api/patients?a=\"<>&%22\"", Forwarded("/api/patients?a=\"<>&%22\"")),
];

/// Forms other than the origin's.
pub const FORMS: &[(&[u8], Fate)] = &[
    (b"*", REQUEST),
    (b"api/patients", REQUEST),
    (b"?organization_id=org-beta", REQUEST),
    (b"kauvery.clinics.example:443", REQUEST),
    (b"http://elsewhere.example/api/patients", REQUEST),
    (b"http://evil@HOST/api/patients", REQUEST),
    (b"http://HOST@evil.example/api/patients", REQUEST),
    (b"http://HOST/api/patients", Forwarded("/api/patients")),
    (b"http://HOST/api/p%61tients?a=%61", Forwarded("/api/patients?a=%61")),
    (b"http://HOST/api/codes/../patients", PATH),
    (b"http://HOST", unmapped("/")),
    (b"http:///api/patients", REQUEST),
    (b"", NoHttp),
];

/// Every target.
pub fn all() -> impl Iterator<Item = (&'static [u8], Fate)> {
    [DOTS, SEPARATORS, BYTES, SPELLINGS, QUERIES, FORMS].into_iter().flatten().copied()
}
