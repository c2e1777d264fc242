use prometheus::IntCounter;

use super::names::{RESERVED, RESERVED_PREFIXES, TENANTS};
use super::{Fate, Hygiene};
use crate::config::{Headers, Tenancy};

/// The characters of a token (RFC 9110, 5.6.2) that are neither letters nor digits nor `-`.
const ODD: &str = "!#$%&'*+.^_`|~";

fn usual() -> Hygiene {
    hygiene(&[], &[])
}

fn hygiene(allow: &[&str], strip: &[&str]) -> Hygiene {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let headers = Headers { allow: own(allow), strip: own(strip) };
    let counter = IntCounter::new("removed", "removed").unwrap();
    headers.hygiene(&Tenancy::default()).counted_by(counter)
}

#[track_caller]
fn check(hygiene: &Hygiene, name: &str, expected: Fate) {
    for name in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
        assert_eq!(hygiene.fate(name.as_bytes()), expected, "{name}");
    }
}

#[test]
fn names_and_their_spellings() {
    for (name, expected) in [
        ("X-Auth-User-Id", Fate::Remove),
        ("X-Auth-", Fate::Remove),
        ("X-Auth", Fate::Pass),
        ("X-Authority", Fate::Pass),
        ("X-Author", Fate::Pass),
        ("X-Auditor", Fate::Pass),
        ("X-Authenticated-Userid", Fate::Remove),
        ("CF-Access-Jwt-Assertion", Fate::Remove),
        ("CF-Ray", Fate::Pass),
        ("X-Tenant", Fate::Drop),
        ("X-Break-Glass", Fate::Drop),
        ("X-Request-Id", Fate::Drop),
        ("X-Forwarded-For", Fate::Way),
        ("Forwarded", Fate::Way),
        ("Connection", Fate::Drop),
        ("Upgrade", Fate::Drop),
        ("Authorization", Fate::Credential),
        ("Host", Fate::Pass),
        ("Content-Type", Fate::Pass),
        ("Accept", Fate::Pass),
        ("Cookie", Fate::Pass),
        ("Origin", Fate::Pass),
        ("X-Csrf-Token", Fate::Pass),
        ("Traceparent", Fate::Pass),
    ] {
        check(&usual(), name, expected);
    }
}

#[test]
fn every_reserved_name_is_removed() {
    for name in RESERVED {
        check(&usual(), name, Fate::Remove);
        check(&usual(), &format!("{name}s"), Fate::Pass);
    }
    for prefix in RESERVED_PREFIXES {
        check(&usual(), prefix, Fate::Remove);
        check(&usual(), &format!("{prefix}{}", "a".repeat(200)), Fate::Remove);
    }
}

#[test]
fn every_name_of_a_tenant_is_removed() {
    for name in TENANTS.iter().chain(&["organizationId", "organization-i-d"]) {
        for name in [(*name).to_owned(), name.replace('-', ""), format!("-{name}-")] {
            check(&usual(), &name, Fate::Remove);
            check(&usual(), &format!("x{name}"), Fate::Remove);
            // The gate reads `X-Tenant` itself.
            let expected = if name == "tenant" { Fate::Drop } else { Fate::Remove };
            check(&usual(), &format!("x-{name}"), expected);
        }
    }
    for name in ["X-Tenants", "Tenants", "Organizations", "Organization-Name", "Origin", "Orgs"] {
        check(&usual(), name, Fate::Pass);
    }
    let tenancy =
        Tenancy { names: vec!["mandant".into(), "Host".into(), "_".into()], ..Tenancy::default() };
    let named = Headers::default().hygiene(&tenancy);
    check(&named, "X-Mandant", Fate::Remove);
    check(&named, "Host", Fate::Pass);
    check(&named, "X-Host", Fate::Remove);
    check(&named, "--", Fate::Pass);
}

#[test]
fn a_name_with_any_other_character_is_removed_and_counted() {
    let hygiene = usual();
    for name in ["X-Auth-User-Id", "X-Custom", "Accept"] {
        for (odd, at) in ODD.chars().flat_map(|odd| (0..=name.len()).map(move |at| (odd, at))) {
            let (before, after) = name.split_at(at);
            check(&hygiene, &format!("{before}{odd}{after}"), Fate::Remove);
            let replaced = format!("{before}{odd}{}", after.get(1..).unwrap_or_default());
            check(&hygiene, &replaced, Fate::Remove);
        }
    }
    let count = || hygiene.removed.as_ref().unwrap().get();
    let counted = count();
    assert_eq!(counted, (14 * (15 + 9 + 7) * 2 * 3) as u64);
    check(&hygiene, "X-Custom", Fate::Pass);
    check(&hygiene, "X-Request-Id", Fate::Drop);
    assert_eq!(count(), counted, "what passes, or ends here by itself, is not counted");
}

#[test]
fn operators_add_names_and_exceptions() {
    let hygiene = hygiene(&["sentry_trace"], &["x-partner", "authorization"]);
    check(&hygiene, "Sentry_Trace", Fate::Pass);
    check(&hygiene, "sentry.trace", Fate::Remove);
    check(&hygiene, "X-Partner", Fate::Remove);
    check(&hygiene, "Authorization", Fate::Remove);
    for (name, may) in [
        ("sentry_trace", true),
        ("x_partner", false),
        ("X_Auth_User_Id", false),
        ("x~auth-anything", false),
        ("X_Tenant", false),
        ("Content_Length", false),
        ("content.type", false),
        ("Cookie_", true),
        ("c_ookie", true),
        ("organization_id", false),
        ("x_organization~id", false),
        ("remote_user", false),
        ("X_Forwarded_For", false),
        ("Keep_Alive", false),
        ("Authorization_", true),
    ] {
        assert_eq!(hygiene.may_be_allowed(name), may, "{name}");
    }
}
