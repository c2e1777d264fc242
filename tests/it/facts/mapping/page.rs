//! The page "Use your own database" says what the example `hospital` has. `book/pages.rs` runs its commands.

use tests::book::Page;

#[test]
fn the_statements_of_the_page_are_those_of_the_example() {
    let example = Page::of("deploy/examples/hospital/cedargate.yaml").text;
    let triggers = Page::of("deploy/examples/hospital/changes.sql").text;
    let page = Page::of("docs/how-to/your-own-database.md");
    let mut lines = 0;
    let blocks = page.blocks("yaml").join("") + &page.blocks("sql").join("");
    for line in blocks.lines().map(str::trim).filter(|it| !it.is_empty()) {
        // Names are a choice of those in the example; the server is the reader's.
        if line.starts_with("database:") || line.starts_with("role_names:") {
            continue;
        }
        let own = example.lines().chain(triggers.lines()).any(|it| it.trim() == line);
        assert!(own, "{line}");
        lines += 1;
    }
    assert!(lines > 10, "{lines}");
}
