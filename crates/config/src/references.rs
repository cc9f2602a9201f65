//! Which files the `$ref`s of a document may read: those below the document's folder, those below `reference_root`,
//! and the copies under `references`. Nothing is fetched.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use demur_source::{Key, Node, Source, Span};

use crate::reader::ConfigReader;

/// The most bytes of one file.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Where the files of a document are.
#[derive(Debug, Default)]
pub(crate) struct References {
    /// Copies of what has a URL, the longest name first.
    copies: Vec<LocalCopy>,
    /// Another folder that the document's files may be below.
    root: Option<PathBuf>,
}

#[derive(Debug)]
struct LocalCopy {
    /// `https://schemas.example.com/`, or the name of one file.
    name: String,
    path: PathBuf,
}

impl References {
    pub(crate) fn read(
        entries: &[(Key, Node)],
        root: Option<(String, Span)>,
        reader: &mut ConfigReader<'_>,
    ) -> Self {
        let mut copies = Vec::new();
        for (key, node) in entries {
            if !key.name.contains(':') {
                let message = format!("`{}` is not a URL", key.name);
                let help = "write `https://schemas.example.com/: ./schemas`".to_owned();
                reader.error(key.span, "reference", message, help);
                continue;
            }
            let path = reader.folder.join(node.scalar_text().unwrap_or_default());
            let is_folder = key.name.ends_with('/');
            if is_folder && !path.is_dir() || !is_folder && !path.is_file() {
                let what = if is_folder { "folder" } else { "file" };
                let message = format!("there is no {what} `{}`", path.display());
                let help = "a URL that ends in `/` names a folder, any other a file".to_owned();
                reader.error(node.span, "file", message, help);
                continue;
            }
            copies.push(LocalCopy { name: key.name.clone(), path });
        }
        // The longest name that fits says most.
        copies.sort_by_key(|reference| std::cmp::Reverse(reference.name.len()));
        let root = root.and_then(|(name, span)| {
            let path = reader.folder.join(&name);
            if !path.is_dir() {
                let message = format!("there is no folder `{}`", path.display());
                let help = "`reference_root` must be a folder, relative to this file".to_owned();
                reader.error(span, "file", message, help);
            }
            path.is_dir().then_some(path)
        });
        Self { copies, root }
    }

    /// The file that a document in `folder` names.
    pub(crate) fn file(&self, folder: &Path, name: &str) -> Result<Arc<Source>, String> {
        // A backslash separates folders on some systems; no other control character is in a file's name for a reason.
        if name.contains('\\') || name.chars().any(char::is_control) {
            return Err("a file name must not have a backslash or a control character".to_owned());
        }
        if let Some(reference) = self.copies.iter().find(|reference| reference.covers(name)) {
            let path = reference.path_of(name).ok_or_else(|| OUTSIDE_COPIES.to_owned())?;
            return match reference.is_folder() {
                true => read_below(&path, &[&reference.path], OUTSIDE_COPIES),
                // The configuration names this very file.
                false => read(&path, &path),
            };
        }
        if name.contains(':') || name.starts_with('/') {
            return Err(OUTSIDE.to_owned());
        }
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mut roots = vec![folder];
        roots.extend(self.root.as_deref());
        read_below(&folder.join(name), &roots, OUTSIDE)
    }
}

const OUTSIDE: &str = "only files below the folder of the document, files below `validation.reference_root` and the \
                       copies under `references` are read";
const OUTSIDE_COPIES: &str = "it is outside the folder that `references` names";

/// Reads a file that is below one of these folders, wherever links lead.
fn read_below(path: &Path, roots: &[&Path], otherwise: &str) -> Result<Arc<Source>, String> {
    let is_below = |real: &Path| {
        roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| real.starts_with(root))
    };
    match path.canonicalize() {
        Ok(real) if is_below(&real) => read(path, &real),
        Ok(_) => Err(otherwise.to_owned()),
        // Whether there is a file outside is not told.
        Err(error) => match path.parent().and_then(|parent| parent.canonicalize().ok()) {
            Some(parent) if !is_below(&parent) => Err(otherwise.to_owned()),
            None if path.components().any(|part| part == Component::ParentDir) => Err(otherwise.to_owned()),
            _ => Err(error.to_string()),
        },
    }
}

/// Reads a regular file: a device or a pipe may never end.
fn read(shown: &Path, real: &Path) -> Result<Arc<Source>, String> {
    let is_regular = |metadata: &std::fs::Metadata| match metadata.is_file() {
        true => Ok(()),
        false => Err("it is not a regular file".to_owned()),
    };
    // Looked at before it is opened, which waits for a pipe's other end, and after, when it cannot be replaced.
    let metadata = std::fs::metadata(real).map_err(|error| error.to_string())?;
    is_regular(&metadata)?;
    let file = File::open(real).map_err(|error| error.to_string())?;
    is_regular(&file.metadata().map_err(|error| error.to_string())?)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("it has more than {} MiB", MAX_BYTES >> 20));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Source::new(shown.display().to_string(), text))
}

impl LocalCopy {
    fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }

    /// Whether the name is this one, or below it.
    fn covers(&self, name: &str) -> bool {
        match self.is_folder() {
            true => name.starts_with(&self.name),
            false => name == self.name,
        }
    }

    /// A name leads into the folder, never out of it.
    fn path_of(&self, name: &str) -> Option<PathBuf> {
        if name == self.name && !self.is_folder() {
            return Some(self.path.clone());
        }
        let rest = Path::new(name.strip_prefix(&self.name).filter(|_| self.is_folder())?);
        let stays = rest.components().all(|component| matches!(component, Component::Normal(_)));
        stays.then(|| self.path.join(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_into_its_folder_and_never_out_of_it() {
        let folder = LocalCopy { name: "https://s.example/v1/".to_owned(), path: PathBuf::from("schemas") };
        let file = LocalCopy { name: "urn:example:pet".to_owned(), path: PathBuf::from("pet.yaml") };
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
    /// A document's folder, and beside it what no `$ref` may read.
    fn tree(test: &str) -> (PathBuf, PathBuf) {
        let base = std::env::temp_dir().join(format!("demur-references-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&base);
        let api = base.join("api");
        for folder in ["api/schemas/deep", "copies", "shared", "api-twin"] {
            std::fs::create_dir_all(base.join(folder)).unwrap();
        }
        for file in [
            "api/pet.yaml",
            "api/schemas/cat.yaml",
            "api/schemas/deep/paw.yaml",
            "api/a b.yaml",
            "api/%2e%2e",
            "copies/dog.yaml",
            "shared/common.yaml",
            "secret.yaml",
            "api-twin/secret.yaml",
        ] {
            std::fs::write(base.join(file), "{}").unwrap();
        }
        let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, base.join(name)).unwrap();
        link(&base.join("secret.yaml"), "api/link.yaml");
        link(Path::new("../secret.yaml"), "api/relative.yaml");
        link(&base, "api/up");
        link(Path::new("schemas"), "api/inside");
        link(&base.join("secret.yaml"), "copies/link.yaml");
        link(Path::new("/dev/zero"), "api/zero.yaml");
        let made = std::process::Command::new("mkfifo").arg(api.join("pipe.yaml")).status().unwrap();
        assert!(made.success());
        (base, api)
    }

    fn references(base: &Path, root: Option<&str>) -> References {
        let copy = |name: &str, path: &str| LocalCopy { name: name.to_owned(), path: base.join(path) };
        References {
            copies: vec![copy("https://s.example/", "copies"), copy("urn:one", "secret.yaml")],
            root: root.map(|root| base.join(root)),
        }
    }

    #[test]
    fn references_stay_below_the_documents_folder() {
        let (base, api) = tree("stay");
        let absolute = base.join("secret.yaml").display().to_string();
        let url = format!("file://{absolute}");
        for (name, expected) in [
            ("pet.yaml", ""),
            ("./pet.yaml", ""),
            ("a b.yaml", ""),
            ("schemas/cat.yaml", ""),
            ("schemas/deep/paw.yaml", ""),
            ("schemas/../pet.yaml", ""),
            ("inside/cat.yaml", ""),
            ("../api/pet.yaml", ""),
            ("https://s.example/dog.yaml", ""),
            ("urn:one", ""),
            ("../secret.yaml", "below"),
            ("../api-twin/secret.yaml", "below"),
            ("../none.yaml", "below"),
            ("../nowhere/none.yaml", "below"),
            ("schemas/../../secret.yaml", "below"),
            ("schemas/deep/../../../secret.yaml", "below"),
            ("../shared/common.yaml", "below"),
            ("link.yaml", "below"),
            ("relative.yaml", "below"),
            ("up/secret.yaml", "below"),
            ("up/api/pet.yaml", ""),
            ("inside/../../secret.yaml", "below"),
            ("../../../../../../../../etc/passwd", "below"),
            (&absolute, "below"),
            (&url, "below"),
            ("FILE:///etc/passwd", "below"),
            ("file:secret.yaml", "below"),
            ("//etc/passwd", "below"),
            ("C:\\secret.yaml", "backslash"),
            ("..\\secret.yaml", "backslash"),
            ("schemas\\..\\..\\secret.yaml", "backslash"),
            ("pet.yaml\0", "control"),
            ("../secret.yaml\0.yaml", "control"),
            ("pet.yaml\n", "control"),
            ("https://s.example/../secret.yaml", "outside"),
            ("https://s.example/link.yaml", "outside"),
            ("https://s.example//etc/passwd", "outside"),
            ("https://other.example/dog.yaml", "below"),
            ("schemas", "regular file"),
            ("", "regular file"),
            (".", "regular file"),
            ("pipe.yaml", "regular file"),
            ("zero.yaml", "below"),
            ("none.yaml", "No such file"),
        ] {
            let said = references(&base, None).file(&api, name).map_or_else(|cause| cause, |_| String::new());
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{name:?}: {said}");
        }
        std::fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn another_folder_is_read_where_the_setting_names_it() {
        let (base, api) = tree("root");
        for (root, name, is_read) in [
            ("shared", "../shared/common.yaml", true),
            ("shared", "pet.yaml", true),
            ("shared", "../secret.yaml", false),
            ("shared", "../shared/../secret.yaml", false),
            (".", "../secret.yaml", true),
            (".", "link.yaml", true),
            (".", "../../secret.yaml", false),
            (".", "zero.yaml", false),
        ] {
            let read = references(&base, Some(root)).file(&api, name);
            assert_eq!(read.is_ok(), is_read, "{root} {name}: {read:?}");
        }
        std::fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn a_file_has_an_end() {
        let (base, api) = tree("size");
        let file = File::create(api.join("large.yaml")).unwrap();
        file.set_len(MAX_BYTES + 1).unwrap();
        let said = references(&base, None).file(&api, "large.yaml").unwrap_err();
        assert!(said.contains("64 MiB"), "{said}");
        std::fs::remove_dir_all(base).unwrap();
    }
}
