//! The names and labels that operators rely on.

use std::time::Duration;

use ::audit::{Decision, Journal, JournalConfig, Phase};
use tempfile::TempDir;
use time::OffsetDateTime;
use uuid::Uuid;

use super::*;

fn metrics() -> Arc<Metrics> {
    Metrics::new("0.1.0", "abc").unwrap()
}

#[track_caller]
fn check(metrics: &Metrics, expected: &[&str]) {
    let text = metrics.render().unwrap();
    for line in expected {
        assert!(text.lines().any(|it| it == *line), "no `{line}` in:\n{text}");
    }
}

fn record(phase: Phase, decision: Decision, status: u16) -> Record {
    let mut record = Record::new(Uuid::now_v7(), phase, OffsetDateTime::UNIX_EPOCH);
    record.action = Some("patients.read".into());
    (record.decision, record.status, record.reason) = (decision, Some(status), "allowed".into());
    record
}

#[test]
fn a_request_is_counted_once_by_its_last_record() {
    let metrics = metrics();
    let timings = Timings { decision: Some(Duration::from_micros(20)), ..Timings::default() };
    let mut outcome = record(Phase::Outcome, Decision::Allow, 201);
    outcome.broke_glass = true;
    metrics.observe(&record(Phase::Intent, Decision::Allow, 0), &timings);
    metrics.observe(&outcome, &timings);
    metrics.observe(&record(Phase::Outcome, Decision::Allow, 502), &timings);
    check(
        &metrics,
        &[
            r#"cedargate_requests_total{action="patients.read",decision="allow",status="2xx"} 1"#,
            r#"cedargate_requests_total{action="patients.read",decision="allow",status="5xx"} 1"#,
            r#"cedargate_break_glass_total{action="patients.read"} 1"#,
            "cedargate_request_duration_seconds_count 2",
            "cedargate_decision_duration_seconds_count 2",
            "cedargate_upstream_duration_seconds_count 0",
        ],
    );
    assert!(!metrics.render().unwrap().contains("cedargate_denials_total{"));
}

#[test]
fn a_denial_says_why_and_by_which_policy() {
    let metrics = metrics();
    let mut denial = record(Phase::Denial, Decision::Deny, 403);
    denial.reason = "role_not_allowed".into();
    metrics.observe(&denial, &Timings::default());
    denial.reason = "cross_tenant".into();
    denial.policies = vec!["act-in-own".into(), "other".into()];
    metrics.observe(&denial, &Timings::default());
    let mut error = record(Phase::Denial, Decision::Error, 503);
    (error.action, error.reason) = (None, "facts_unavailable".into());
    metrics.observe(&error, &Timings::default());
    check(
        &metrics,
        &[
            r#"cedargate_denials_total{action="patients.read",policy="",reason="role_not_allowed"} 1"#,
            r#"cedargate_denials_total{action="patients.read",policy="act-in-own",reason="cross_tenant"} 1"#,
            r#"cedargate_denials_total{action="unmapped",policy="",reason="facts_unavailable"} 1"#,
            r#"cedargate_requests_total{action="patients.read",decision="deny",status="4xx"} 2"#,
            r#"cedargate_requests_total{action="unmapped",decision="error",status="5xx"} 1"#,
        ],
    );
}

#[test]
fn a_request_without_a_status_is_counted_too() {
    let metrics = metrics();
    for status in [None, Some(999)] {
        let mut outcome = record(Phase::Outcome, Decision::Allow, 200);
        outcome.status = status;
        metrics.observe(&outcome, &Timings::default());
    }
    check(
        &metrics,
        &[r#"cedargate_requests_total{action="patients.read",decision="allow",status="none"} 2"#],
    );
}

#[test]
fn many_threads_lose_no_count() {
    let metrics = metrics();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    let outcome = record(Phase::Outcome, Decision::Allow, 200);
                    metrics.observe(&outcome, &Timings::default());
                }
            });
        }
    });
    check(
        &metrics,
        &[r#"cedargate_requests_total{action="patients.read",decision="allow",status="2xx"} 4000"#],
    );
}

#[test]
fn only_the_bundle_in_force_is_shown() {
    let metrics = metrics();
    metrics.policies.in_force("aaa", 1);
    metrics.policies.reloaded("rejected");
    check(
        &metrics,
        &[
            r#"cedargate_policy_info{digest="aaa",generation="1"} 1"#,
            "cedargate_policy_rejected 1",
            r#"cedargate_policy_reloads_total{outcome="rejected"} 1"#,
        ],
    );
    metrics.policies.in_force("bbb", 2);
    metrics.policies.in_force("bbb", 2);
    metrics.policies.reloaded("applied");
    check(
        &metrics,
        &[r#"cedargate_policy_info{digest="bbb",generation="2"} 1"#, "cedargate_policy_rejected 0"],
    );
    assert!(!metrics.render().unwrap().contains("aaa"));
}

#[test]
fn the_journal_is_asked_when_somebody_looks() {
    let place = TempDir::new().unwrap();
    let config =
        JournalConfig { anonymous_per_second: 1, ..JournalConfig::new(place.path().to_owned()) };
    let (journal, _) = Journal::open(config).unwrap();
    let metrics = metrics();
    metrics.audit.watch(&journal);
    let denial = record(Phase::Denial, Decision::Deny, 401);
    journal.append_anonymous(&denial).unwrap();
    check(&metrics, &[r#"cedargate_audit_records_total{outcome="written",sink="journal"} 1"#]);
    journal.append(&denial).unwrap();
    journal.append_anonymous(&denial).unwrap();
    let bytes = format!("cedargate_audit_spool_bytes {}", journal.bytes());
    check(
        &metrics,
        &[
            r#"cedargate_audit_records_total{outcome="written",sink="journal"} 2"#,
            r#"cedargate_audit_records_total{outcome="summarized",sink="journal"} 1"#,
            r#"cedargate_audit_records_total{outcome="failed",sink="journal"} 0"#,
            "cedargate_audit_lag_seconds 0",
            &bytes,
        ],
    );
}

#[test]
fn what_is_known_is_shown_from_the_start() {
    check(
        &metrics(),
        &[
            r#"cedargate_build_info{commit="abc",version="0.1.0"} 1"#,
            r#"cedargate_facts_lookups_total{kind="object",outcome="stale"} 0"#,
            r#"cedargate_facts_load_duration_seconds_count{kind="user"} 0"#,
            r#"cedargate_facts_age_seconds_count{kind="organization"} 0"#,
            r#"cedargate_facts_invalidations_total{kind="user"} 0"#,
            r#"cedargate_policy_reloads_total{outcome="unchanged"} 0"#,
            "cedargate_malformed_requests_total 0",
            "cedargate_facts_unknown_features_total 0",
        ],
    );
}

#[test]
fn the_rest_is_counted_where_it_is_said() {
    let metrics = metrics();
    metrics.traffic.token_verified("token_expired");
    metrics.facts.looked_up("user", "miss", Some(Duration::from_millis(2)));
    metrics.facts.looked_up("user", "hit", None);
    metrics.facts.used("user", Duration::from_millis(300));
    metrics.facts.invalidated("object");
    metrics.facts.unknown_features(2);
    metrics.traffic.malformed_request();
    check(
        &metrics,
        &[
            r#"cedargate_token_verifications_total{outcome="token_expired"} 1"#,
            r#"cedargate_facts_lookups_total{kind="user",outcome="hit"} 1"#,
            r#"cedargate_facts_load_duration_seconds_sum{kind="user"} 0.002"#,
            r#"cedargate_facts_age_seconds_bucket{kind="user",le="0.5"} 1"#,
            r#"cedargate_facts_invalidations_total{kind="object"} 1"#,
            "cedargate_facts_unknown_features_total 2",
            "cedargate_malformed_requests_total 1",
        ],
    );
}
