//! The modules of one crate, and which of them refers to which.
//!
//! A module is a file. A path leads to the module that defines what it names: a re-export is followed, and is no reference
//! of the module that has it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::source::{Reference, references, without_tests, without_texts};

/// A crate: its modules by their paths, such as `request::stages`. The root's is empty.
pub(crate) struct Crate {
    modules: BTreeMap<Vec<String>, Vec<Reference>>,
}

/// Longer chains of re-exports are circles.
const MAX_REEXPORTS: usize = 16;

impl Crate {
    /// Reads the modules in a folder `src`.
    pub(crate) fn read(src: &Path) -> Self {
        let mut files = Vec::new();
        let mut folders = vec![src.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let relative = path.strip_prefix(src).unwrap().with_extension("");
                    let text = std::fs::read_to_string(&path).unwrap();
                    files.push((relative.to_str().unwrap().replace('\\', "/"), text));
                }
            }
        }
        Self::new(files)
    }

    /// Files by their paths below `src`, without `.rs`.
    pub(crate) fn new(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut modules = BTreeMap::new();
        let mut tests = BTreeSet::new();
        for (file, text) in files {
            let mut path: Vec<String> = file.split('/').map(str::to_owned).collect();
            if path.last().is_some_and(|last| last == "mod") || matches!(file.as_str(), "lib" | "main") {
                path.pop();
            }
            let (source, test_modules) = without_tests(&without_texts(&text));
            tests.extend(test_modules.into_iter().map(|name| [path.clone(), vec![name]].concat()));
            modules.insert(path, references(&source));
        }
        modules.retain(|path, _| !tests.iter().any(|test| path.starts_with(test)));
        Self { modules }
    }

    /// For each module, the modules that it refers to.
    pub(crate) fn edges(&self) -> BTreeMap<String, BTreeSet<String>> {
        let name = |path: &[String]| if path.is_empty() { "crate".to_owned() } else { path.join("::") };
        let edges = self.modules.iter().map(|(module, references)| {
            let targets = references
                .iter()
                .filter(|reference| reference.exported_as.is_none())
                .filter_map(|reference| self.resolve(module, &reference.segments, 0))
                .filter(|target| target != module)
                .map(|target| name(&target));
            (name(module), targets.collect())
        });
        edges.collect()
    }

    /// The module that defines what a path names, seen from a module; `None` for other crates.
    fn resolve(&self, from: &[String], segments: &[String], depth: usize) -> Option<Vec<String>> {
        let (first, mut rest) = segments.split_first()?;
        let mut module = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.to_vec(),
            "super" => from.split_last()?.1.to_vec(),
            child if self.has(from, child) => [from, std::slice::from_ref(first)].concat(),
            _ => return None,
        };
        while let Some((next, after)) = rest.split_first() {
            if next == "super" {
                module.pop()?;
            } else if self.has(&module, next) {
                module.push(next.clone());
            } else {
                return Some(self.defines(&module, next, depth));
            }
            rest = after;
        }
        Some(module)
    }

    fn has(&self, module: &[String], child: &str) -> bool {
        self.modules.contains_key(&[module, &[child.to_owned()]].concat())
    }

    /// The module that defines a name that is visible in a module.
    fn defines(&self, module: &[String], name: &str, depth: usize) -> Vec<String> {
        let exports = self.modules.get(module).into_iter().flatten();
        let export = exports.clone().find(|it| it.exported_as.as_deref() == Some(name));
        match export {
            Some(export) if depth < MAX_REEXPORTS => {
                self.resolve(module, &export.segments, depth + 1).unwrap_or_else(|| module.to_vec())
            }
            _ => module.to_vec(),
        }
    }
}

#[test]
fn follows_paths_to_the_module_that_defines_the_item() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let of = Crate::new([
        file("lib", "mod a; mod b; pub use a::inner::Item; use std::fmt;"),
        file("a/mod", "pub mod inner; pub use inner::Item as Other;"),
        file("a/inner", "use super::super::b; pub struct Item; #[cfg(test)] mod tests { use crate::b::X; }"),
        file("b", "use crate::Item; use crate::a::Other; fn f() { crate::g(); }"),
        file("c", "use crate::c::Own; fn f() { super::a::inner::g(); String::new() }"),
    ]);
    let found: Vec<String> = of
        .edges()
        .into_iter()
        .map(|(from, to)| format!("{from}: {}", to.into_iter().collect::<Vec<_>>().join(" ")))
        .collect();
    assert_eq!(found, ["a: ", "a::inner: b", "b: a::inner crate", "c: a::inner", "crate: "]);
}
