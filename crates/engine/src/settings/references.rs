//! `references` of `validation`: where the copies are of what a document refers to by URL. Nothing is fetched.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use demur_source::{Key, Node, Source};

use super::Reading;

/// Names and the files that stand for them.
#[derive(Debug, Default)]
pub(super) struct References(Vec<Reference>);

#[derive(Debug)]
struct Reference {
    /// `https://schemas.example.com/`, or the name of one file.
    name: String,
    path: PathBuf,
}

impl References {
    pub(super) fn read(entries: &[(Key, Node)], reading: &mut Reading<'_>) -> Self {
        let mut references = Vec::new();
        for (key, node) in entries {
            if !key.name.contains(':') {
                let message = format!("`{}` is no URL that a `$ref` could begin with", key.name);
                let help = "write `https://schemas.example.com/: ./schemas`".to_owned();
                reading.error(key.span, "reference", message, help);
                continue;
            }
            let path = reading.folder.join(node.scalar_text().unwrap_or_default());
            let is_folder = key.name.ends_with('/');
            if is_folder && !path.is_dir() || !is_folder && !path.is_file() {
                let what = if is_folder { "folder" } else { "file" };
                let message = format!("there is no {what} `{}`", path.display());
                let help = "a name that ends in `/` stands for a folder, any other for a file".to_owned();
                reading.error(node.span, "file", message, help);
                continue;
            }
            references.push(Reference { name: key.name.clone(), path });
        }
        // The longest name that fits says most.
        references.sort_by_key(|reference| std::cmp::Reverse(reference.name.len()));
        Self(references)
    }

    /// The file that a document in `folder` names: one beside it, or the copy of what has a URL.
    pub(super) fn file(&self, folder: &Path, name: &str) -> Result<Arc<Source>, String> {
        let path = match self.0.iter().find_map(|reference| reference.path_of(name)) {
            Some(path) => path,
            None if name.contains(':') || name.starts_with('/') => {
                return Err("only files beside the document, and `references`, are read".to_owned());
            }
            None => folder.join(name),
        };
        Source::read(&path).map_err(|error| error.to_string())
    }
}

impl Reference {
    /// A name leads into the folder, never out of it.
    fn path_of(&self, name: &str) -> Option<PathBuf> {
        if name == self.name && !self.name.ends_with('/') {
            return Some(self.path.clone());
        }
        let rest = Path::new(name.strip_prefix(&self.name).filter(|_| self.name.ends_with('/'))?);
        let stays = rest.components().all(|component| matches!(component, Component::Normal(_)));
        stays.then(|| self.path.join(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_into_its_folder_and_never_out_of_it() {
        let folder = Reference { name: "https://s.example/v1/".to_owned(), path: PathBuf::from("schemas") };
        let file = Reference { name: "urn:example:pet".to_owned(), path: PathBuf::from("pet.yaml") };
        for (reference, name, path) in [
            (&folder, "https://s.example/v1/pet.json", Some("schemas/pet.json")),
            (&folder, "https://s.example/v1/deep/pet.json", Some("schemas/deep/pet.json")),
            (&folder, "https://s.example/v1/../secret", None),
            (&folder, "https://s.example/v1/deep/../../../secret", None),
            (&folder, "https://s.example/v1//etc/passwd", None),
            (&folder, "https://s.example/v2/pet.json", None),
            (&file, "urn:example:pet", Some("pet.yaml")),
            (&file, "urn:example:pet/../../secret", None),
            (&file, "urn:example:petition", None),
        ] {
            assert_eq!(reference.path_of(name), path.map(PathBuf::from), "{name}");
        }
    }
}
