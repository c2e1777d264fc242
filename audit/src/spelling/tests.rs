//! Compares the spelling of records with that of serde.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use serde_json::Value;
use time::macros::datetime;
use time::{Duration, OffsetDateTime, UtcOffset};
use uuid::Uuid;

use super::*;
use crate::Word;
use crate::entry::millis;

fn compare(record: &Record) -> Result<(), TestCaseError> {
    // Behind something, as in a buffer that is used again.
    let mut spelled = b"before".to_vec();
    spell(record, &mut spelled).unwrap();
    let spelled = str::from_utf8(&spelled).unwrap();
    prop_assert_eq!(spelled, format!("before{}", serde_json::to_string(record).unwrap()));
    Ok(())
}

/// Compares many records, with a seed that a failure names: `CEDARGATE_SEED=… cargo test`.
fn check(cases: u32, records: impl Strategy<Value = Record>) {
    let told = std::env::var("CEDARGATE_SEED").ok().map(|seed| seed.parse().unwrap());
    let (_, seed) = Uuid::now_v7().as_u64_pair();
    let seed = told.unwrap_or(seed);
    let config = Config { cases, rng_seed: RngSeed::Fixed(seed), ..Config::default() };
    let config = Config { failure_persistence: None, ..config };
    match TestRunner::new(config).run(&records, |record| compare(&record)) {
        Ok(()) => {}
        Err(TestError::Fail(why, record)) => panic!("CEDARGATE_SEED={seed}: {why}\n{record:?}"),
        Err(TestError::Abort(why)) => panic!("CEDARGATE_SEED={seed}: {why}"),
    }
}

#[track_caller]
fn check_one(change: impl FnOnce(&mut Record)) {
    let mut record = Record::default();
    change(&mut record);
    compare(&record).unwrap();
}

/// Text that needs escaping, text that only looks so, and enough around it that it stands at any place.
fn text() -> impl Strategy<Value = String> {
    let odd = &[
        "\"",
        "\\",
        "\n",
        "\r",
        "\t",
        "\u{0}",
        "\u{8}",
        "\u{c}",
        "\u{1f}",
        " ",
        "!",
        "#",
        "[",
        "]",
        "/",
        "\u{7f}",
        "\u{80}",
        "\u{9b}",
        "\u{a2}",
        "é",
        "\u{2028}",
        "\u{feff}",
        "𝄞",
        "नमस्ते",
    ][..];
    let piece = prop_oneof![
        6 => "[a-zA-Z0-9/._-]{1,12}",
        1 => prop::sample::select(odd).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn shared() -> impl Strategy<Value = Option<Arc<str>>> {
    prop::option::of(text().prop_map(Arc::from))
}

fn word() -> impl Strategy<Value = Option<Word>> {
    prop::option::of(text().prop_map(Word::Owned))
}

fn some() -> impl Strategy<Value = Vec<Arc<str>>> {
    prop::collection::vec(text().prop_map(Arc::from), 0..4)
}

fn times() -> impl Strategy<Value = OffsetDateTime> {
    let borders = [
        datetime!(-9999-01-02 00:00 UTC),
        datetime!(0000-01-01 00:00 UTC),
        datetime!(1000-01-01 00:00 UTC),
        datetime!(1970-01-01 00:00 UTC),
        datetime!(2026-01-01 00:00 UTC),
        datetime!(9999-12-30 00:00 UTC),
    ];
    let near =
        (prop::sample::select(borders.to_vec()), -86_400_000_000_000_i64..86_400_000_000_000)
            .prop_map(|(border, nanos)| border + Duration::nanoseconds(nanos));
    let any = (-377_000_000_000_i64..253_000_000_000, 0..1_000_000_000_i64).prop_map(|(s, n)| {
        OffsetDateTime::from_unix_timestamp(s).unwrap() + Duration::nanoseconds(n)
    });
    (prop_oneof![near, any], -720_i32..720).prop_map(|(at, minutes)| {
        let offset = UtcOffset::from_whole_seconds(minutes * 60).unwrap();
        at.checked_to_offset(offset).unwrap_or(at)
    })
}

fn durations() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => any::<u32>().prop_map(|us| millis(std::time::Duration::from_micros(us.into()))),
        4 => any::<u64>().prop_map(|ns| millis(std::time::Duration::from_nanos(ns))),
        1 => any::<u16>().prop_map(f64::from),
        1 => (0..2_000_000_000_000_000_u64).prop_map(|us| millis(std::time::Duration::from_micros(us))),
        1 => any::<u64>().prop_map(f64::from_bits),
    ]
}

fn details() -> impl Strategy<Value = Vec<(String, Value)>> {
    let value = prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
        prop::collection::vec(text(), 0..3).prop_map(Value::from),
    ];
    prop_oneof![Just(Vec::new()), prop::collection::vec((text(), value), 0..3)]
}

fn addresses() -> impl Strategy<Value = Option<IpAddr>> {
    prop::option::of(prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
        any::<[u8; 4]>()
            .prop_map(|four| IpAddr::V6(std::net::Ipv4Addr::from(four).to_ipv6_mapped())),
    ])
}

prop_compose! {
    fn request()(
        id in any::<u128>(),
        phase in prop::sample::select(&[Phase::Intent, Phase::Outcome, Phase::Denial][..]),
        timestamp in times(),
        [event_type, operation, method] in prop::array::uniform3(word()),
        [action, user_id, organization_id, tenant_id] in prop::array::uniform4(shared()),
        [resource_type, resource_id, endpoint, route] in prop::array::uniform4(shared()),
        roles in some(),
    ) -> Record {
        Record {
            event_type, action, operation, user_id, organization_id, tenant_id, roles,
            resource_type, resource_id, method, endpoint, route,
            ..Record::new(Uuid::from_u128(id), phase, timestamp)
        }
    }
}

prop_compose! {
    fn records()(
        request in request(),
        decision in prop::sample::select(&[Decision::Allow, Decision::Deny, Decision::Error][..]),
        reason in text(),
        policies in some(),
        [policy_digest, break_glass, user_agent] in prop::array::uniform3(shared()),
        facts_age_ms in any::<Option<u64>>(),
        ip_address in addresses(),
        (status, upstream_status, success) in any::<(Option<u16>, Option<u16>, Option<bool>)>(),
        duration_ms in prop::option::of(durations()),
        ended in any::<bool>(),
        details in details(),
        broke_glass in any::<bool>(),
    ) -> Record {
        let reason = reason.into();
        let details = details.into_iter().collect();
        let record = Record {
            decision, reason, policies, policy_digest, facts_age_ms, break_glass, ip_address,
            user_agent, status, upstream_status, success, duration_ms, details, broke_glass,
            ..request
        };
        if ended {
            return record;
        }
        Record { status: None, upstream_status: None, success: None, duration_ms: None, ..record }
    }
}

#[test]
fn any_record() {
    check(4_000, records());
}

#[test]
fn any_text() {
    check(20_000, text().prop_map(|reason| Record { reason: reason.into(), ..Record::default() }));
    // Each byte that text can have, at each place of what is looked at together.
    for letter in (0..0x80_u8).map(char::from).chain(['\u{80}', '\u{ff}', '\u{2028}']) {
        for before in 0..20 {
            for after in [0, 1, 7, 8, 9] {
                let text = format!("{}{letter}{}", "a".repeat(before), "\u{7f}".repeat(after));
                check_one(|record| record.reason = text.into());
            }
        }
    }
}

#[test]
fn any_duration() {
    let with = |it| Record { duration_ms: Some(it), ..Record::default() };
    check(20_000, durations().prop_map(with));
    let edges = [
        0.0,
        0.001,
        0.01,
        0.1,
        0.5,
        0.999,
        1e-3,
        1.0,
        1.001,
        9.999,
        10.0,
        999.999,
        1000.0,
        1e5,
        123_456_789.123,
        999_999_999_999.999,
        1e12,
        999_999_999_999_999.0,
        1e15,
        1e16,
        1e17,
        1e21,
        0.0005,
        0.000_1,
        1e-7,
        0.1 + 0.2,
        1.0005,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::EPSILON,
        5e-324,
        f64::NAN,
        f64::INFINITY,
    ];
    for edge in edges {
        for near in [edge, -edge, edge.next_up(), edge.next_down()] {
            check_one(|record| record.duration_ms = Some(near));
        }
    }
    for micros in (0..20_000).chain(9_990_000..10_010_000) {
        let whole = std::time::Duration::from_micros(micros);
        check_one(|record| record.duration_ms = Some(millis(whole)));
    }
}

#[test]
fn any_time() {
    check(20_000, times().prop_map(|at| Record::new(Uuid::nil(), Phase::Denial, at)));
    for edge in [
        datetime!(-9999-01-01 00:00 UTC),
        datetime!(-0001-12-31 23:59:59.999_999_999 UTC),
        datetime!(0000-01-01 00:00:00.000_000_999 UTC),
        datetime!(0000-01-01 00:00 +1),
        datetime!(0999-12-31 23:59:59.999_999_999 UTC),
        datetime!(2024-02-29 12:00:00.000_001 -5:30),
        datetime!(9999-12-31 23:59:59.999_999_999 UTC),
    ] {
        check_one(|record| record.timestamp = edge);
    }
}

#[test]
fn any_number() {
    for number in [0, 1, 9, 10, 99, 100, 999, 1000, u16::MAX] {
        check_one(|record| {
            (record.status, record.upstream_status) = (Some(number), Some(number / 2));
        });
    }
    for number in [0, 9, 10, u64::from(u32::MAX), i64::MAX.cast_unsigned(), u64::MAX] {
        check_one(|record| record.facts_age_ms = Some(number));
    }
}
