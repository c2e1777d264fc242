//! A page of text for a terminal: fields, rows and long lines with a hanging indent.

/// The width of a page, in columns.
const WIDTH: usize = 100;

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Returns the text of the page.
    pub(super) fn text(self) -> String {
        self.0
    }

    /// Adds an empty line, unless the last line is empty.
    pub(super) fn blank(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with("\n\n") {
            self.0.push('\n');
        }
    }

    /// Adds the title of a section.
    pub(super) fn title(&mut self, title: &str) {
        self.blank();
        self.line(0, title);
    }

    /// Adds a line with a margin, wrapped with the same margin.
    pub(super) fn line(&mut self, margin: usize, text: &str) {
        self.hanging(&" ".repeat(margin), text);
    }

    /// Adds a line with a margin, without wrapping.
    pub(super) fn verbatim(&mut self, margin: usize, text: &str) {
        let line = format!("{}{text}", " ".repeat(margin));
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    /// Adds a field: a name and a value.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        self.hanging(&format!("  {name:<9} "), value);
    }

    /// Adds a row: its head, and the text about it.
    pub(super) fn row(&mut self, head: &str, text: &str) {
        self.hanging(&format!("  {head} "), text);
    }

    /// Adds a line that begins with `first`, wrapped with a hanging indent of that width.
    pub(super) fn hanging(&mut self, first: &str, text: &str) {
        let margin = " ".repeat(first.chars().count());
        let mut line = first.to_owned();
        let mut empty = true;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let long = line.chars().count() + 1 + word.chars().count() > WIDTH;
            if long && !empty {
                self.push(&line);
                line.clone_from(&margin);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.push(&line);
    }

    fn push(&mut self, line: &str) {
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }
}

/// Joins words as in "a, b or c".
pub(super) fn listed(words: impl Iterator<Item = String>, and: &str) -> String {
    let words: Vec<String> = words.collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {and} {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn long_lines_wrap_under_themselves() {
        let mut page = Page::default();
        page.hanging("  1. ", &"word ".repeat(30));
        let text = page.text();
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("     word")), "{text}");
    }
}
