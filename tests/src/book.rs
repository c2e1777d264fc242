//! The book: README and `docs/`.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A page in Markdown.
#[derive(Clone, Debug)]
pub struct Page {
    /// The path of the page below the root of the repository.
    pub name: String,
    /// The text of the page.
    pub text: String,
}

/// A fenced block of a page.
#[derive(Debug)]
struct Block {
    language: String,
    lines: Vec<String>,
}

impl Page {
    /// Reads the page at a path below the root of the repository.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let text = fs::read_to_string(root().join(name));
        Self { name: name.to_owned(), text: text.unwrap_or_else(|fault| panic!("{name}: {fault}")) }
    }

    /// Every page: those beside README, and those below `docs/`.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut names = Vec::new();
        let beside = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];
        names.extend(beside.map(str::to_owned));
        names.extend(files("docs").into_iter().filter(|name| is_of(name, "md")));
        names.iter().map(|name| Self::of(name)).collect()
    }

    /// The blocks of a language, without the indentation of a list that they are in.
    #[must_use]
    pub fn blocks(&self, language: &str) -> Vec<String> {
        let (blocks, _) = self.parts();
        let blocks = blocks.into_iter().filter(|block| block.language == language);
        blocks.map(|block| block.lines.join("\n") + "\n").collect()
    }

    /// The commands of the blocks marked `sh`, a line each, without their comments.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let blocks = self.blocks("sh");
        let lines = blocks.iter().flat_map(|block| block.lines());
        let bare = lines.map(|line| line.split(" # ").next().unwrap().trim().to_owned());
        bare.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    }

    /// The lines that are not in a fenced block.
    #[must_use]
    pub fn prose(&self) -> Vec<String> {
        self.parts().1
    }

    /// What stands between single back-ticks outside of fenced blocks.
    #[must_use]
    pub fn code(&self) -> Vec<String> {
        let prose = self.prose();
        let spans = prose.iter().flat_map(|line| line.split('`').skip(1).step_by(2));
        spans.map(str::to_owned).collect()
    }

    fn parts(&self) -> (Vec<Block>, Vec<String>) {
        let (mut blocks, mut prose) = (Vec::<Block>::new(), Vec::new());
        let mut open: Option<usize> = None;
        for line in self.text.lines() {
            let indentation = line.len() - line.trim_start().len();
            match (open, line.trim_start().strip_prefix("```")) {
                (None, Some(language)) => {
                    open = Some(indentation);
                    blocks.push(Block { language: language.to_owned(), lines: Vec::new() });
                }
                (Some(_), Some(_)) => open = None,
                (Some(margin), None) => {
                    let line = line.get(margin.min(indentation)..).unwrap();
                    blocks.last_mut().unwrap().lines.push(line.to_owned());
                }
                (None, None) => prose.push(line.to_owned()),
            }
        }
        assert!(open.is_none(), "{}: a block has no end", self.name);
        (blocks, prose)
    }
}

/// Whether a name is that of a file with this extension.
#[must_use]
pub fn is_of(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|own| own == extension)
}

/// The files below a folder of the repository, by their paths below its root.
#[must_use]
pub fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    gather(&root().join(folder), folder, &mut found);
    found.sort();
    found
}

fn gather(folder: &Path, name: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let own = entry.file_name().into_string().unwrap();
        if ["target", ".git", "node_modules"].contains(&own.as_str()) {
            continue;
        }
        let path = if name.is_empty() { own } else { format!("{name}/{own}") };
        if entry.path().is_dir() {
            gather(&entry.path(), &path, found);
        } else {
            found.push(path);
        }
    }
}
