//! The book says what is so: its commands run, and what it names is there.

mod names;
mod pages;
mod reference;

use tests::book::{Page, files, is_of};

/// The pages with commands, and the test that runs each of these commands.
const RUN: [(&str, &str); 6] = [
    ("docs/how-to/operations.md", "book/pages.rs"),
    ("docs/how-to/read-the-audit.md", "book/pages.rs"),
    ("docs/how-to/security-team.md", "policies/security_team.rs"),
    ("docs/how-to/your-own-database.md", "book/pages.rs"),
    ("docs/how-to/your-own-upstream.md", "book/pages.rs"),
    ("docs/quickstart.md", "book/pages.rs"),
];

#[test]
fn each_page_with_commands_is_run() {
    let with_commands: Vec<String> = Page::all()
        .into_iter()
        .filter(|page| !page.commands().is_empty())
        .map(|page| page.name)
        .collect();
    assert_eq!(with_commands, RUN.map(|(page, _)| page));
    for (page, test) in RUN {
        let text = Page::of(&format!("tests/it/{test}")).text;
        assert!(text.contains(&format!("\"{page}\"")), "{test} does not read {page}");
    }
    for page in Page::all() {
        for language in ["bash", "shell", "console"] {
            assert!(page.blocks(language).is_empty(), "{}: mark commands `sh`", page.name);
        }
    }
}

#[test]
fn the_pages_to_begin_with_are_short() {
    let readme = Page::of("README.md").text;
    assert!(readme.lines().count() <= 120, "{} lines", readme.lines().count());
    let architecture = Page::of("ARCHITECTURE.md").text;
    assert!(architecture.len() <= 10 * 1024, "{} bytes", architecture.len());
}

#[test]
fn the_summary_has_every_page() {
    let summary = Page::of("docs/SUMMARY.md").text;
    let pages = files("docs").into_iter().filter(|name| is_of(name, "md"));
    for page in pages.filter(|name| name != "docs/SUMMARY.md") {
        let link = format!("({})", page.strip_prefix("docs/").unwrap());
        assert_eq!(summary.matches(&link).count(), 1, "{page}");
    }
}

/// The table of decisions says of each page what the page says.
#[test]
fn decisions_are_numbered_and_have_a_date_and_a_status() {
    let index = Page::of("docs/adr/README.md").text;
    let pages = files("docs/adr").into_iter().filter(|name| name != "docs/adr/README.md");
    for (place, name) in pages.enumerate() {
        let page = Page::of(&name).text;
        let number = format!("{:04}", place + 1);
        let file = name.strip_prefix("docs/adr/").unwrap();
        assert!(file.starts_with(&number), "{name}");
        let title = page.lines().next().unwrap().strip_prefix(&format!("# {number}. ")).unwrap();
        let date = page.lines().find_map(|line| line.strip_prefix("- Date: ")).unwrap();
        assert!(page.contains("\n- Status: "), "{name}");
        let row = format!("| [{number}]({file}) | {title} | {date} |");
        assert!(index.contains(&row), "{row}");
    }
}
