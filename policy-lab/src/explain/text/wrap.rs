//! A page of text for a terminal: fields, rows and long lines that wrap under themselves.

/// Columns of a page.
const WIDTH: usize = 100;

/// Text in the making.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// The text.
    pub(super) fn text(self) -> String {
        self.0
    }

    /// An empty line, but never two.
    pub(super) fn blank(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with("\n\n") {
            self.0.push('\n');
        }
    }

    /// The title of a part.
    pub(super) fn title(&mut self, title: &str) {
        self.blank();
        self.line(0, title);
    }

    /// A line with a margin, wrapped under itself.
    pub(super) fn line(&mut self, margin: usize, text: &str) {
        self.hanging(&" ".repeat(margin), text);
    }

    /// A line as it is.
    pub(super) fn verbatim(&mut self, margin: usize, text: &str) {
        let line = format!("{}{text}", " ".repeat(margin));
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    /// A name and a value.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        self.hanging(&format!("  {name:<9} "), value);
    }

    /// The head of a row, and what is said about it.
    pub(super) fn row(&mut self, head: &str, text: &str) {
        self.hanging(&format!("  {head} "), text);
    }

    /// A line that begins with `first`, wrapped under what follows it.
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

/// a, b or c
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
