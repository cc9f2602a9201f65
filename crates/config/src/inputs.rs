//! What a configuration was read from, and what is different between two of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};

/// What a configuration was read from: the file itself, in version 2, and the files that it refers to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inputs {
    /// The file, without positions. `null` if it could not be parsed.
    pub tree: Json,
    /// Contracts, documents, and the files that these refer to.
    pub files: InputFiles,
}

/// Files with the digests of their contents; `None` for one that could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputFiles(BTreeMap<PathBuf, Option<[u8; 32]>>);

impl InputFiles {
    /// Adds a file with this content.
    pub fn read(&mut self, path: &Path, content: &[u8]) {
        self.0.insert(absolute(path), Some(Sha256::digest(content).into()));
    }

    /// Adds a file that could not be read.
    pub fn missing(&mut self, path: &Path) {
        self.0.entry(absolute(path)).or_default();
    }

    /// Adds other files.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// A digest of this text and of all files, in hexadecimal digits.
    pub fn digest_with(&self, text: &str) -> String {
        let mut all = Sha256::new();
        all.update(text.as_bytes());
        for (path, digest) in &self.0 {
            all.update(b"\0");
            all.update(path.as_os_str().as_encoded_bytes());
            all.update(b"\0");
            all.update(digest.unwrap_or_default());
        }
        all.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether all files still have these contents, or still cannot be read.
    pub fn is_current(&self) -> bool {
        self.0.iter().all(|(path, digest)| {
            let now = std::fs::read(path).ok().map(|content| Sha256::digest(content).into());
            now == *digest
        })
    }

    /// The paths, also of files that could not be read.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }
}

/// One name for a file, whatever the configuration was called with.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What is different between two configurations: a line for each value and each file.
///
/// Values of headers are not shown, since they may be credentials for an upstream.
pub fn changes(old: &Inputs, new: &Inputs) -> Vec<String> {
    let mut lines = Vec::new();
    compare(&mut String::new(), &old.tree, &new.tree, &mut lines);
    let (old, new) = (&old.files.0, &new.files.0);
    let paths: BTreeSet<&PathBuf> = old.keys().chain(new.keys()).collect();
    for path in paths {
        let what = match (old.get(path), new.get(path)) {
            (Some(old), Some(new)) if old != new => "changed",
            // A file that only one of the two names is a change of the tree, or of the document that refers to it.
            (None, Some(_)) => "added",
            (Some(_), None) => "removed",
            _ => continue,
        };
        lines.push(format!("file `{}` {what}", path.display()));
    }
    lines
}

fn compare(path: &mut String, old: &Json, new: &Json, lines: &mut Vec<String>) {
    if old == new {
        return;
    }
    match (members(old), members(new)) {
        (Some(old), Some(new)) => {
            let names: Vec<&String> =
                old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))).collect();
            for name in names {
                let length = path.len();
                if !path.is_empty() && !name.starts_with('[') {
                    path.push('.');
                }
                path.push_str(name);
                match (old.get(name), new.get(name)) {
                    (Some(old), Some(new)) => compare(path, old, new, lines),
                    (None, Some(new)) => match scalar(path, new) {
                        Some(value) => lines.push(format!("{path}: added {value}")),
                        None => lines.push(format!("{path}: added")),
                    },
                    (Some(_), None) => lines.push(format!("{path}: removed")),
                    (None, None) => {}
                }
                path.truncate(length);
            }
        }
        _ => match (scalar(path, old), scalar(path, new)) {
            (Some(old), Some(new)) => lines.push(format!("{path}: {old} -> {new}")),
            _ => lines.push(format!("{path}: changed")),
        },
    }
}

/// A scalar as it may be shown.
fn scalar(path: &str, value: &Json) -> Option<String> {
    const LONGEST: usize = 80;
    let is_secret = path.contains("headers.");
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) => value.to_string(),
        Json::Null | Json::Array(_) | Json::Object(_) => return None,
    };
    (!is_secret && text.chars().count() <= LONGEST).then(|| format!("`{text}`"))
}

/// The members of a mapping; the items of a list of mappings by their names, where these are different, or else by their
/// numbers.
fn members(value: &Json) -> Option<Map<String, Json>> {
    match value {
        Json::Object(members) => Some(members.clone()),
        Json::Array(items) if items.iter().all(Json::is_object) => {
            let named = |item: &Json| Some((format!("[{}]", item.get("name")?.as_str()?), item.clone()));
            let by_name: Option<Map<String, Json>> = items.iter().map(named).collect();
            let by_number = || {
                let numbered = items.iter().enumerate();
                numbered.map(|(number, item)| (format!("[{number}]"), item.clone())).collect()
            };
            Some(by_name.filter(|by_name| by_name.len() == items.len()).unwrap_or_else(by_number))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inputs(tree: Json, files: &[(&str, &str)]) -> Inputs {
        let mut read = InputFiles::default();
        for (name, text) in files {
            read.read(Path::new(name), text.as_bytes());
        }
        Inputs { tree, files: read }
    }

    #[test]
    fn names_each_change_by_its_path() {
        let rows: &[(Json, Json, &[&str])] = &[
            (json!({ "a": 1 }), json!({ "a": 1 }), &[]),
            (json!({ "a": { "b": 1 } }), json!({ "a": { "b": "2s" } }), &["a.b: `1` -> `2s`"]),
            (json!({ "a": 1 }), json!({ "b": 2 }), &["a: removed", "b: added `2`"]),
            (json!({ "a": [1, 2] }), json!({ "a": [2, 1] }), &["a: changed"]),
            (json!({ "a": "x" }), json!({ "a": { "b": 1 } }), &["a: changed"]),
            (
                json!({ "apis": [{ "name": "shop", "mode": "enforce" }, { "name": "old" }] }),
                json!({ "apis": [{ "name": "new" }, { "name": "shop", "mode": "monitor" }] }),
                &["apis[shop].mode: `enforce` -> `monitor`", "apis[old]: removed", "apis[new]: added"],
            ),
            (
                json!({ "rates": [{ "per": "1s" }] }),
                json!({ "rates": [{ "per": "2s" }, { "per": "3s" }] }),
                &["rates[0].per: `1s` -> `2s`", "rates[1]: added"],
            ),
        ];
        for (old, new, expected) in rows {
            let found = changes(&inputs(old.clone(), &[]), &inputs(new.clone(), &[]));
            assert_eq!(found, *expected, "{old} {new}");
        }
    }

    #[test]
    fn names_changed_files_and_shows_no_value_of_a_header() {
        let tree = |token: &str| json!({ "headers": { "request": { "set": { "Authorization": token } } } });
        let old = inputs(tree("Bearer one"), &[("/a.yaml", "1"), ("/b.yaml", "1")]);
        let new = inputs(tree("Bearer two"), &[("/a.yaml", "2"), ("/c.yaml", "1")]);
        let expected = [
            "headers.request.set.Authorization: changed",
            "file `/a.yaml` changed",
            "file `/b.yaml` removed",
            "file `/c.yaml` added",
        ];
        assert_eq!(changes(&old, &new), expected);
    }
}
