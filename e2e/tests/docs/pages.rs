//! The pages and their blocks of code.

use std::fs;
use std::path::{Path, PathBuf};

/// A Markdown file.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A fenced block of code.
pub(crate) struct Block<'p> {
    /// The words behind the fence: language, then attributes.
    pub(crate) info: Vec<&'p str>,
    pub(crate) text: String,
    /// The line of the opening fence, from 1.
    pub(crate) line: usize,
}

impl Page {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path: path.to_owned(), text }
    }

    /// The path from the repository's root, for messages.
    pub(crate) fn name(&self) -> String {
        self.path.strip_prefix(root()).unwrap_or(&self.path).display().to_string()
    }

    /// Fenced blocks, and the lines that stand in none of them.
    pub(crate) fn split(&self) -> (Vec<Block<'_>>, Vec<(usize, &str)>) {
        let mut blocks: Vec<Block<'_>> = Vec::new();
        let mut prose = Vec::new();
        let mut is_inside = false;
        for (index, line) in self.text.lines().enumerate() {
            let fence = line.trim_start().strip_prefix("```");
            match (is_inside, fence, blocks.last_mut()) {
                (false, Some(info), _) => {
                    let info = info.split_whitespace().collect();
                    blocks.push(Block { info, text: String::new(), line: index + 1 });
                    is_inside = true;
                }
                (true, Some(_), _) => is_inside = false,
                (true, None, Some(block)) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                _ => prose.push((index + 1, line)),
            }
        }
        assert!(!is_inside, "{}: a block of code has no end", self.name());
        (blocks, prose)
    }
}

impl Block<'_> {
    pub(crate) fn is(&self, language: &str) -> bool {
        self.info.first() == Some(&language)
    }

    pub(crate) fn has(&self, attribute: &str) -> bool {
        self.info.contains(&attribute)
    }

    /// The name in `file=NAME`.
    pub(crate) fn file(&self) -> Option<&str> {
        self.info.iter().find_map(|word| word.strip_prefix("file="))
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The folder of the book.
pub(crate) fn docs() -> PathBuf {
    root().join("docs")
}

/// Every page of the book, and the pages beside it that users read.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    collect(&docs(), &mut paths);
    paths.sort();
    for page in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md"] {
        paths.push(root().join(page));
    }
    paths.iter().map(|path| Page::read(path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
}
