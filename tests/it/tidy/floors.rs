//! The rooms of the crate `proxy` stand on floors: a room knows itself and the rooms below, never those above.

use std::{fs, path::Path};

use super::sources;

/// The rooms, from the ground up.
const FLOORS: [&str; 13] = [
    "mint",
    "http",
    "config",
    "logging",
    "accept",
    "metrics",
    "judge",
    "forward",
    "service",
    "operate",
    "gate",
    "parsers",
    "benchmarks",
];

/// The names behind `crate::` in a line of code.
fn named(source: &str) -> impl Iterator<Item = &str> {
    source.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        &rest[..end.unwrap_or(rest.len())]
    })
}

#[test]
fn no_room_knows_a_room_above() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proxy/src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    let (mut faults, mut count) = (Vec::new(), 0);
    for path in found {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let ground = name.split(['/', '.']).next().unwrap();
        if ground == "lib" || name.contains("tests") {
            continue;
        }
        let floor = FLOORS.iter().position(|it| *it == ground);
        let floor = floor.unwrap_or_else(|| panic!("on which floor is `{ground}`?"));
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for source in code.lines().filter(|source| !source.trim_start().starts_with("//")) {
            for other in named(source) {
                count += 1;
                let is_known =
                    FLOORS.iter().position(|it| *it == other).is_some_and(|it| it <= floor);
                if !is_known {
                    faults.push(format!("proxy/src/{name}: {}", source.trim()));
                }
            }
        }
    }
    assert!(count > 200, "only {count} names were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
