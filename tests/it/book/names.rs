//! What the book names is there: pages, headings, files, commands, keys of the configuration, metrics.

use std::{collections::BTreeSet, path::Path};

use tests::{
    binary,
    book::{self, Page},
};

/// The places that a page links to: `[text](place)`.
fn links(page: &Page) -> Vec<String> {
    let prose = page.prose().join("\n");
    let places = prose.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned());
    places.filter(|place| !place.starts_with("http")).collect()
}

/// The names by which links find the headings of a page, as forges make them.
fn anchors(page: &Page) -> Vec<String> {
    let prose = page.prose();
    let headings = prose.iter().filter(|line| line.starts_with('#'));
    let anchor = |heading: &String| -> String {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
        kept.map(|it| if it == ' ' { '-' } else { it }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn each_link_leads_somewhere() {
    let mut faults = Vec::new();
    for page in Page::all() {
        let folder = Path::new(&page.name).parent().unwrap().to_owned();
        for link in links(&page) {
            let (place, heading) = link.split_once('#').unwrap_or((&link, ""));
            let file = if place.is_empty() { page.name.clone().into() } else { folder.join(place) };
            let path = book::root().join(&file);
            let target = path.exists() && (heading.is_empty() || path.is_file());
            if !target {
                faults.push(format!("{}: {link}", page.name));
            } else if !heading.is_empty() {
                let target = Page::of(file.to_str().unwrap());
                if !anchors(&target).iter().any(|it| it == heading) {
                    faults.push(format!("{}: {link} has no such heading", page.name));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The paths that a path with braces stands for: `a/{b,c}` is `a/b` and `a/c`.
fn alternatives(name: &str) -> Vec<String> {
    let Some((before, rest)) = name.split_once('{') else { return vec![name.to_owned()] };
    let Some((inner, after)) = rest.split_once('}') else { return vec![name.to_owned()] };
    inner.split(',').map(|it| format!("{before}{it}{after}")).collect()
}

/// Files and folders that pages about the code cite by a whole path or by its end.
#[test]
fn each_file_that_is_cited_is_there() {
    let roots = [
        "audit/",
        "base/",
        "bench/",
        "cedargate/",
        "database/",
        "docs/",
        "deploy/",
        "migrations/",
        "policies/",
        "policy-lab/",
        "policy-store/",
        "proxy/",
        "tests/",
    ];
    let files = book::files("");
    let mut faults = Vec::new();
    for page in Page::all() {
        for span in page.code() {
            let rooted = roots.iter().any(|it| span.starts_with(it)) && !span.contains(['*', ' ']);
            let source = book::is_of(&span, "rs") && !span.contains(' ');
            if !rooted && !source {
                continue;
            }
            for name in alternatives(&span) {
                let there = |file: &String| {
                    let (file, name) = (format!("/{file}"), name.trim_end_matches('/'));
                    file.ends_with(&format!("/{name}")) || file.contains(&format!("/{name}/"))
                };
                if !files.iter().any(there) {
                    faults.push(format!("{}: {name}", page.name));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The words of `cedargate …`, wherever a page writes one: in a block, or in a sentence.
fn commands(page: &Page) -> Vec<Vec<String>> {
    let said = [page.commands(), page.code()].concat();
    let calls = said.iter().flat_map(|text| {
        // A call within another command, such as `$(cedargate token …)`, too.
        text.split("cedargate ")
            .skip(1)
            .map(|rest| rest.split([')', '|']).next().unwrap().to_owned())
    });
    calls.map(|call| call.split_whitespace().map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn each_command_and_each_flag_is_one() {
    let mut calls = BTreeSet::new();
    for page in Page::all() {
        for words in commands(&page) {
            let is_name =
                |word: &&String| word.bytes().all(|it| it.is_ascii_lowercase() || it == b'-');
            let names: Vec<String> = words
                .iter()
                .take_while(|word| !word.starts_with('-') && is_name(word))
                .cloned()
                .collect();
            let flags = words.iter().filter(|word| word.starts_with("--"));
            calls.insert((names, flags.cloned().collect::<Vec<_>>(), page.name.clone()));
        }
    }
    assert!(calls.len() > 20, "{calls:?}");
    let here = tempfile::tempdir().unwrap();
    binary::program().await;
    for (names, flags, page) in calls {
        let mut arguments: Vec<&str> = names.iter().map(String::as_str).collect();
        arguments.push("--help");
        let (status, help, complaint) = binary::run(here.path(), &arguments).await;
        assert_eq!(status, 0, "{page}: {names:?}: {complaint}");
        for flag in flags.iter().filter(|flag| *flag != "--help" && *flag != "--version") {
            let known = help.split([' ', ',', '\n']).any(|word| word == flag);
            assert!(known, "{page}: {names:?} has no {flag}");
        }
    }
}

/// Where a key of the configuration may be named: `audit.keep`, `jwt.issuers[].speaks_for`.
const SECTIONS: [&str; 16] = [
    "listen", "upstream", "jwt", "facts", "policies", "audit", "tenancy", "headers", "limits",
    "memory", "cors", "redirect", "admin", "log", "shutdown", "workers",
];

#[test]
fn each_key_of_the_configuration_is_one() {
    let example = Page::of("deploy/cedargate.yaml").text;
    let key = |text: &str| text.bytes().all(|it| it.is_ascii_lowercase() || b"_.[]".contains(&it));
    let mut faults = Vec::new();
    let mut found = 0;
    // That page names actions, such as `admin.users.update`.
    for page in Page::all().into_iter().filter(|it| it.name != "docs/contract/domain.md") {
        for span in page.code() {
            let span = span.split(':').next().unwrap();
            let Some((section, rest)) = span.split_once('.') else { continue };
            let file = [".rs", ".md", ".pem", ".pub", ".cedar", ".yaml", ".csv", ".torn"];
            if !SECTIONS.contains(&section)
                || !key(rest)
                || file.iter().any(|it| span.ends_with(it))
            {
                continue;
            }
            found += 1;
            let last = rest.rsplit('.').next().unwrap().trim_end_matches("[]");
            if !example.contains(&format!("{last}:")) {
                faults.push(format!("{}: {span}", page.name));
            }
        }
    }
    assert!(found > 50, "{found}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_metric_and_each_name_in_a_database_is_one() {
    let sources = ["proxy/src", "policy-store/src", "migrations"].map(book::files).concat();
    let code: String = sources.iter().map(|name| Page::of(name).text).collect();
    for page in Page::all() {
        for span in page.code() {
            let name = span.split(['{', '(', '=', ' ']).next().unwrap();
            if name.starts_with("cedargate_") {
                assert!(code.contains(name), "{}: {name}", page.name);
            }
        }
    }
}
