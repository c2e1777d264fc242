//! For any target: what was judged is what is sent, and judging it again changes nothing.

use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner},
};
use tests::{
    client::{Answer, Connection},
    seed::seed,
    stand::Stand,
    tokens::token,
};

const CASES: u32 = 300;

/// Runs a property with a seed that a failure names, so that it can be run again:
/// `CEDARGATE_SEED=… cargo test -p tests`.
pub(crate) fn check<S: Strategy>(
    strategy: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let seed = seed();
    let config = Config { cases: CASES, rng_seed: RngSeed::Fixed(seed), ..Config::default() };
    let config = Config { failure_persistence: None, ..config };
    match TestRunner::new(config).run(strategy, property) {
        Ok(()) => {}
        Err(TestError::Fail(why, input)) => panic!("CEDARGATE_SEED={seed}: {why}\n{input:?}"),
        Err(TestError::Abort(why)) => panic!("CEDARGATE_SEED={seed}: {why}"),
    }
}

/// Targets made of what attackers make them of, and of anything else.
fn targets() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        2 => "[a-z0-9._~-]{1,6}".prop_map(String::into_bytes),
        2 => any::<u8>().prop_map(|byte| format!("%{byte:02x}").into_bytes()),
        1 => any::<u8>().prop_filter("ends the line", |byte| *byte != b'\n').prop_map(|byte| vec![byte]),
    ];
    let start =
        prop::sample::select(&["/", "/api/patients/", "/api/codes/", "/api/p%61tients/"][..]);
    (start, prop::collection::vec(piece, 0..8))
        .prop_map(|(start, pieces)| [start.as_bytes().to_vec(), pieces.concat()].concat())
}

const PIECES: &[&str] = &[
    "/",
    "//",
    ".",
    "..",
    "/../",
    "/./",
    "%2e",
    "%2E%2e",
    "%2f",
    "%5c",
    "%252e",
    "%252f",
    "%00",
    "%0d%0a",
    ";",
    ";a=b",
    "\\",
    "?",
    "&",
    "#",
    "%",
    "%2",
    "%zz",
    "%c3%a9",
    "%c0%ae",
    "%ff",
    "%41",
    "%7e",
    "%3b",
    "%25",
    "patients",
    "codes",
    "patient-kauvery-1",
    "organization_id=",
    "org-beta",
    "organizationId=org-kauvery",
    "@",
    ":",
    "*",
    "+",
    "%20",
    " ",
    "|",
];

#[test]
fn what_was_judged_is_what_is_sent() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stand = runtime.block_on(Stand::sqlite());
    check(&targets(), |target| runtime.block_on(judged_is_sent(&stand, &target)));
    runtime.block_on(stand.stop());
}

async fn judged_is_sent(stand: &Stand, target: &[u8]) -> Result<(), TestCaseError> {
    // A search is forwarded whatever follows it; a patient mostly is not. Both ways are wanted.
    let answer = ask(stand, target).await;
    let Some(answer) = answer else { return Ok(()) };
    prop_assert!(answer.status < 500, "answered {}", answer.status);
    let seen = stand.ground.upstream.take();
    if answer.id().is_empty() {
        prop_assert!(seen.is_empty() && answer.status == 400, "bare, and forwarded");
        return Ok(());
    }
    let record = stand.ground.journal.decision(answer.id()).await;
    let judged = record["endpoint"].as_str().unwrap_or_default();
    let allowed = record["decision"] == "allow";
    prop_assert_eq!(seen.len(), usize::from(allowed), "{}", record);
    if let Some(seen) = seen.first() {
        let (path, query) = split(seen.target().as_bytes());
        let (_, sent_query) = split(target);
        prop_assert_eq!(String::from_utf8_lossy(path), judged);
        prop_assert_eq!(query, sent_query, "the query is forwarded as it came");
    }
    let canonical =
        !["path_invalid", "request_invalid"].map(Into::into).contains(&record["reason"]);
    if canonical {
        judging_again_changes_nothing(stand, judged).await?;
    }
    Ok(())
}

async fn judging_again_changes_nothing(stand: &Stand, judged: &str) -> Result<(), TestCaseError> {
    let again = ask(stand, judged.as_bytes()).await.unwrap();
    let _forwarded = stand.ground.upstream.take();
    let record = stand.ground.journal.decision(again.id()).await;
    prop_assert_eq!(record["endpoint"].as_str(), Some(judged));
    prop_assert!(record["reason"] != "path_invalid", "{} is canonical", judged);
    let segments: Vec<&str> = judged.split('/').collect();
    prop_assert!(!segments.contains(&".") && !segments.contains(&".."), "{}", judged);
    Ok(())
}

fn split(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match target.iter().position(|&byte| byte == b'?') {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    }
}

async fn ask(stand: &Stand, target: &[u8]) -> Option<Answer> {
    let head = format!(
        " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        token("kauvery-doctor")
    );
    let bytes = [b"GET ", target, head.as_bytes()].concat();
    Connection::open(stand.proxy()).await.exchange(&bytes, false).await
}
