//! What holds for the files of the code, and for their comments.

use std::fs;

use tests::book::{self, is_of};

/// The longest line of a comment, in characters. Code is as wide as `rustfmt.toml` says; rustfmt leaves comments alone.
const WIDTH: usize = 120;

/// The comments of the code, one line each: the file, the number of the line, and the line.
fn comments() -> Vec<(String, usize, String)> {
    let mut found = Vec::new();
    for name in book::files("").into_iter().filter(|name| is_of(name, "rs")) {
        let text = fs::read_to_string(book::root().join(&name)).unwrap();
        let lines = text.lines().enumerate();
        let comments = lines.filter(|(_, line)| line.trim_start().starts_with("//"));
        found.extend(comments.map(|(at, line)| (name.clone(), at + 1, line.to_owned())));
    }
    assert!(found.len() > 1_000, "{} lines of comments", found.len());
    found
}

/// The paths of Rust files and Markdown pages in a line of a comment.
fn cited(line: &str) -> impl Iterator<Item = &str> {
    let part_of_path = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    line.split(move |letter| !part_of_path(letter))
        .map(|word| word.trim_end_matches('.').trim_start_matches(['.', '/']))
        .filter(|word| is_of(word, "rs") || is_of(word, "md"))
}

#[test]
fn each_file_that_a_comment_cites_is_there() {
    let files = book::files("");
    let (mut faults, mut count) = (Vec::new(), 0);
    for (name, number, line) in comments() {
        for path in cited(&line) {
            count += 1;
            let end = format!("/{path}");
            if !files.iter().any(|file| format!("/{file}").ends_with(&end)) {
                faults.push(format!("{name}:{number}: there is no file `{path}`"));
            }
        }
    }
    assert!(count > 30, "only {count} citations were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn lines_of_comments_are_not_too_wide() {
    let wide = comments().into_iter().filter(|(_, _, line)| line.chars().count() > WIDTH);
    let faults: Vec<_> = wide
        .map(|(name, number, line)| format!("{name}:{number}: {} columns", line.chars().count()))
        .collect();
    assert!(faults.is_empty(), "comments are at most {WIDTH} wide:\n{}", faults.join("\n"));
}

#[test]
fn modules_are_beside_their_folders() {
    let files = book::files("").into_iter();
    let faults: Vec<_> = files.filter(|name| name.ends_with("/mod.rs")).collect();
    assert!(faults.is_empty(), "`name.rs` instead of `name/mod.rs`:\n{}", faults.join("\n"));
}
