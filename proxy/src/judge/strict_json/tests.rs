use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{DEPTH, JsonFault, Object, parse_object, value};

#[test]
fn objects_are_read_as_they_are() {
    let text = r#"{"a":1,"b":[true,null,-2,1.5,"x"],"c":{"d":"é"}}"#;
    let read = parse_object(text.as_bytes()).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    let object = Object::parse(b" { \"\\u0061\" : [ 1 , {} ] , \"b\":\"\\\\\\\"\" } ").unwrap();
    let members: Vec<(&str, Value)> =
        object.members().iter().map(|it| (&*it.name, value(it.value))).collect();
    assert_eq!(members, [("a", json!([1, {}])), ("b", json!("\\\""))]);
}

/// Texts that are not an object, or that two readers could read differently.
const BAD: &[&str] = &[
    "",
    " ",
    "[]",
    "1",
    "\"a\"",
    "null",
    "{} {}",
    "{}x",
    "{",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,}",
    "{\"a\" 1}",
    "{\"a\"::1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1,\"a\":2}",
    "{\"b\":{\"a\":1,\"\\u0061\":2}}",
    "{\"b\":[{\"a\":1,\"a\":1}]}",
    "{\"b\":{\"c\":{\"x\":1},\"d\":1,\"c\":2}}",
    "{'a':1}",
    "{a:1}",
    "{1:1}",
    "{\"a\":NaN}",
    "{\"a\":Infinity}",
    "{\"a\":-}",
    "{\"a\":+1}",
    "{\"a\":01}",
    "{\"a\":-01}",
    "{\"a\":1.}",
    "{\"a\":.5}",
    "{\"a\":1e}",
    "{\"a\":1e+}",
    "{\"a\":0x1}",
    "{\"a\":True}",
    "{\"a\":tru}",
    "{\"a\":nullx}",
    "{\"a\":[1,]}",
    "{\"a\":[,]}",
    "{\"a\":[1 2]}",
    "{\"a\":[1}",
    "{\"a\":{]}",
    "{\"a\":\"x}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\\u12\"}",
    "{\"a\":\"\\u12g4\"}",
    "{\"a\":\"\\",
    "{\"a\":\"\n\"}",
    "{\"a\":\"\0\"}",
    "{\"a\":1 // b\n}",
    "{\"\\ud83d\":1}",
    "{\"a\":{\"\\udead\\ud83d\":1}}",
    "\u{feff}{}",
    "\u{a0}{}",
    "{}\u{c}",
];

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for bad in BAD {
        assert!(parse_object(bad.as_bytes()).is_err(), "{bad}");
    }
    for bad in [&b"{\"a\":\"\xff\"}"[..], b"{\"\xc0\x80\":1}", b"{\"a\":\"\xed\xa0\xbd\"}", b"\xff"]
    {
        assert!(matches!(parse_object(bad), Err(JsonFault::Utf8(_))), "{bad:?}");
    }
}

#[test]
fn a_value_that_nobody_looks_at_may_be_what_rust_has_no_type_for() {
    let text = r#"{"a":"cut \ud83d","b":1e400,"c":["\udead",{"d":-1E+999}],"e":"fine"}"#;
    let read = parse_object(text.as_bytes()).unwrap();
    assert_eq!(Value::from(read), json!({"a": null, "b": null, "c": null, "e": "fine"}));
}

#[test]
fn depth_has_a_limit_of_its_own() {
    for (inner, outer) in [("[", "]"), ("{\"a\":", "}")] {
        let middle = if inner == "[" { "" } else { "1" };
        let nested = |depth: usize| {
            format!("{{\"a\":{}{middle}{}}}", inner.repeat(depth), outer.repeat(depth))
        };
        for depth in [0, 127, 128, DEPTH - 1] {
            let fine = if depth == 0 { "{\"a\":1}".to_owned() } else { nested(depth) };
            assert!(Object::parse(fine.as_bytes()).is_ok(), "{depth}");
        }
        for depth in [DEPTH, 100_000] {
            let deep = nested(depth);
            let fault = Object::parse(deep.as_bytes()).unwrap_err();
            assert_eq!(fault.to_string().split(" at ").next(), Some("it is nested too deep"));
        }
    }
}

#[test]
fn faults_name_their_place_and_hold_no_value() {
    for (text, expected) in [
        ("{\"secret\":\"s3cret\x01\"}", "a string holds a control character at byte 17"),
        ("{\"a\":1,\"a\":\"s3cret\"}", "the member `a` is there twice"),
        ("{\"a\":s3cret}", "a value is missing at byte 5"),
        ("[1]", "it is not an object"),
        ("{} s3cret", "something follows the object at byte 3"),
    ] {
        assert_eq!(parse_object(text.as_bytes()).unwrap_err().to_string(), expected);
    }
    let long = format!("{{\"{0}\":1,\"{0}\":2}}", "é".repeat(1_000));
    let shown = parse_object(long.as_bytes()).unwrap_err().to_string();
    assert_eq!(shown, format!("the member `{}` is there twice", "é".repeat(64)));
}

/// Tests many random values. A failure names the seed: `CEDARGATE_SEED=… cargo test`.
fn try_many<T: std::fmt::Debug>(
    values: impl Strategy<Value = T>,
    holds: impl Fn(&T) -> Result<(), TestCaseError>,
) {
    let told = std::env::var("CEDARGATE_SEED").ok().map(|seed| seed.parse().unwrap());
    let (_, seed) = Uuid::now_v7().as_u64_pair();
    let seed = told.unwrap_or(seed);
    let config = Config { cases: 2_000, rng_seed: RngSeed::Fixed(seed), ..Config::default() };
    let config = Config { failure_persistence: None, ..config };
    match TestRunner::new(config).run(&values, |value| holds(&value)) {
        Ok(()) => {}
        Err(TestError::Fail(why, value)) => panic!("CEDARGATE_SEED={seed}: {why}\n{value:?}"),
        Err(TestError::Abort(why)) => panic!("CEDARGATE_SEED={seed}: {why}"),
    }
}

/// Two readers of the grammar that share no code agree on every text made of JSON's own characters. Only this one
/// refuses duplicate members; only the other one refuses numbers that its types cannot hold.
#[test]
fn the_grammar_is_that_of_another_reader() {
    let parts = r#"\{("[ab]":|[\[\]{},:"\\ 01.eE+-]|true|null|\\u00e9|"a"|[,:]"a"){0,12}\}"#;
    try_many(proptest::string::string_regex(parts).unwrap(), |text| {
        let other = serde_json::from_str::<Value>(text).map(|value| value.is_object());
        match (Object::parse(text.as_bytes()), other) {
            (Ok(_), Ok(true)) | (Err(_), Ok(false) | Err(_)) => {}
            (Ok(_), Err(other)) => {
                prop_assert!(other.to_string().starts_with("number out of range"), "{other}");
            }
            (Ok(_), Ok(false)) => prop_assert!(false, "it is no object"),
            (Err(own), Ok(true)) => prop_assert!(matches!(own, JsonFault::Twice(_)), "{own}"),
        }
        Ok(())
    });
}

#[test]
fn whatever_is_written_is_read() {
    try_many((any::<String>(), any::<Vec<i64>>()), |(text, numbers)| {
        let written = json!({ text: text, "n\0": numbers, "o": { text: {} } }).to_string();
        let read = parse_object(written.as_bytes()).unwrap();
        prop_assert_eq!(Value::from(read).to_string(), written);
        Ok(())
    });
}
