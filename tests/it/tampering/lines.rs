//! Lines of segments: changed, taken out, put in, moved.

use tests::journal::{hashed, members, seal};

use super::check;
use super::copy::{EACH, chain_of, flip};

#[test]
fn a_changed_record_is_found() {
    check(
        "its beginning",
        |it| it.at(60_001, |all, at| flip(&mut all[at], 10)),
        &["60001 changed"],
    );
    check("its middle", |it| it.at(65_432, |all, at| flip(&mut all[at], 250)), &["65432 changed"]);
    check("the last", |it| it.at(70_000, |all, at| flip(&mut all[at], 99)), &["70000 changed"]);
    check(
        "a compressed one",
        |it| it.at(25_000, |all, at| flip(&mut all[at], 99)),
        &["25000 changed"],
    );
    let nul = |line: &mut String| line.replace_range(99..103, "\0\0\0\0");
    check("NUL bytes", |it| it.at(65_432, |all, at| nul(&mut all[at])), &["65432 changed"]);
    let two = |all: &mut Vec<String>, at: usize| {
        flip(&mut all[at], 99);
        flip(&mut all[at + 500], 99);
    };
    check("two", |it| it.at(61_000, two), &["61000 changed", "61500 changed"]);
}

#[test]
fn a_changed_seal_is_found() {
    let hash = |line: &mut String| {
        let at = line.len() - 20;
        flip(line, at);
    };
    check("a hash", |it| it.at(65_432, |all, at| hash(&mut all[at])), &["65432 changed"]);
    check("the last hash", |it| it.at(70_000, |all, at| hash(&mut all[at])), &["70000 changed"]);
    let word = |line: &mut String| *line = line.replace("\"chain\"", "\"chbin\"");
    check("its word", |it| it.at(65_432, |all, at| word(&mut all[at])), &["65432 unreadable"]);
    let number = |line: &mut String| *line = line.replace("\"seq\":65432", "\"seq\":65438");
    check("a number", |it| it.at(65_432, |all, at| number(&mut all[at])), &["65432 renumbered"]);
    let first = |line: &mut String| *line = line.replace("\"seq\":60001", "\"seq\":90001");
    check(
        "the first number",
        |it| it.at(60_001, |all, at| first(&mut all[at])),
        &["60001 renumbered"],
    );
    let none = |line: &mut String| *line = line.replace("\"seq\":65432", "\"seq\":065432");
    check("no number", |it| it.at(65_432, |all, at| none(&mut all[at])), &["65432 unreadable"]);
}

#[test]
fn a_changed_header_is_found() {
    let version =
        |all: &mut Vec<String>, _| all[0] = all[0].replace("\"version\":1", "\"version\":2");
    check("a member", |it| it.at(60_001, version), &["60001 header"]);
    let previous = |all: &mut Vec<String>, _: usize| {
        let at = all[0].find("\"previous\":\"").unwrap() + 20;
        flip(&mut all[0], at);
    };
    check("what it follows", |it| it.at(60_001, previous), &["60001 header"]);
    check("none", |it| it.at(60_001, |all, _| drop(all.remove(0))), &["60001 header"]);
    check("emptied", |it| it.at(60_001, |all, _| all[0].clear()), &["60001 header"]);
}

#[test]
fn a_missing_record_is_found() {
    let cut = |all: &mut Vec<String>, at| drop(all.remove(at));
    check("the first", |it| it.at(60_001, cut), &["60001 missing"]);
    check("one between", |it| it.at(65_432, cut), &["65432 missing"]);
    check("one at a checkpoint", |it| it.at(65_000, cut), &["65000 missing"]);
    check("the last", |it| it.at(70_000, cut), &["70000 cut"]);
    check("a compressed one", |it| it.at(25_000, cut), &["25000 missing"]);
    let many = |all: &mut Vec<String>, at| drop(all.drain(at..at + 1_234));
    check("many", |it| it.at(61_000, many), &["61000-62233 missing"]);
    check("all", |it| it.at(60_001, |all, _| all.truncate(1)), &["60001-70000 cut"]);
}

#[test]
fn records_out_of_order_are_found() {
    let adjacent = |all: &mut Vec<String>, at| all.swap(at, at + 1);
    check("two neighbours", |it| it.at(65_432, adjacent), &["65432-65433 disordered"]);
    let far = |all: &mut Vec<String>, at| all.swap(at, at + 3_000);
    check("two others", |it| it.at(65_432, far), &["65432-68432 disordered"]);
    check(
        "the ends",
        |it| it.at(60_001, |all, at| all.swap(at, EACH)),
        &["60001-70000 disordered"],
    );
    let moved = |all: &mut Vec<String>, at| {
        let line = all.remove(at);
        all.insert(at + 99, line);
    };
    check("one moved", |it| it.at(65_432, moved), &["65432-65531 disordered"]);
}

#[test]
fn what_was_put_in_is_found() {
    let twice = |all: &mut Vec<String>, at: usize| all.insert(at, all[at].clone());
    check("twice", |it| it.at(65_432, twice), &["65432 doubled"]);
    let later = |all: &mut Vec<String>, at: usize| all.insert(at + 99, all[at].clone());
    check("twice, later", |it| it.at(65_432, later), &["65432 doubled"]);
    let own = |all: &mut Vec<String>, at: usize| {
        let forged = format!("{}65433", members(65_433, "gate-1").replace("\"deny\"", "\"allow\""));
        let line = seal(&chain_of(&all[at]), &forged).0;
        all.insert(at + 1, line);
    };
    check("with a hash of its own", |it| it.at(65_432, own), &["65433 doubled"]);
    let end = |all: &mut Vec<String>, at: usize| {
        let forged = format!("{}70001", members(70_001, "gate-1"));
        let line = seal(&chain_of(&all[at]), &forged).0;
        all.push(line);
    };
    check("behind the end, well chained", |it| it.at(70_000, end), &["70001 appended"]);
    let text =
        |text: &'static str| move |all: &mut Vec<String>, at| all.insert(at, text.to_owned());
    check("a word", |it| it.at(65_432, text("garbage")), &["65432 foreign"]);
    check("an empty line", |it| it.at(65_432, text("")), &["65432 foreign"]);
    check("NUL bytes", |it| it.at(65_432, text("\0\0\0")), &["65432 foreign"]);
    check("JSON", |it| it.at(65_432, text("{\"id\":\"x\"}")), &["65432 foreign"]);
    let long = |all: &mut Vec<String>, at| all.insert(at, "x".repeat(2 << 20));
    check("2 MiB", |it| it.at(65_432, long), &["65432 foreign"]);
    check("at the end", |it| it.at(70_000, |all, _| all.push("x".into())), &["70001 foreign"]);
}

#[test]
fn a_record_replaced_with_its_own_hash_is_found_where_the_next_does_not_follow() {
    let replaced = |all: &mut Vec<String>, at: usize| {
        let forged = hashed(&all[at]).replace("\"deny\"", "\"allow\"");
        all[at] = seal(&chain_of(&all[at - 1]), &forged).0;
    };
    check("replaced", |it| it.at(65_432, replaced), &["65433 changed"]);
    // The last of a segment has a checkpoint of its own.
    check("the last", |it| it.at(70_000, replaced), &["69001-70000 rewritten"]);
}

#[test]
fn broken_lines_are_found() {
    let split = |all: &mut Vec<String>, at: usize| {
        let rest = all[at].split_off(200);
        all.insert(at + 1, rest);
    };
    check("split", |it| it.at(65_432, split), &["65432 unreadable"]);
    let joined = |all: &mut Vec<String>, at: usize| {
        let next = all.remove(at + 1);
        all[at].push_str(&next);
    };
    check("joined", |it| it.at(65_432, joined), &["65432 missing"]);
    check("emptied", |it| it.at(65_432, |all, at| all[at].clear()), &["65432 unreadable"]);
    check("the last emptied", |it| it.at(70_000, |all, at| all[at].clear()), &["70000 unreadable"]);
    let several = |all: &mut Vec<String>, at: usize| all[at..at + 50].fill("x".to_owned());
    check("several", |it| it.at(65_432, several), &["65432-65481 unreadable"]);
    let long =
        |all: &mut Vec<String>, at: usize| all[at] = all[at].replace("curl", &"x".repeat(2 << 20));
    check("2 MiB", |it| it.at(65_432, long), &["65432 unreadable"]);
    let endings = |all: &mut Vec<String>, _| all.iter_mut().for_each(|line| line.push('\r'));
    check("CR LF", |it| it.at(65_432, endings), &["60001 line_ends"]);
}
