//! Names of files, and the classes of failures.

use std::collections::HashMap;

/// Gives each name a file name of its own, without characters that a path or a shell could read differently.
#[derive(Debug, Default)]
pub(crate) struct FileNames {
    known: HashMap<String, String>,
    taken: HashMap<String, usize>,
}

impl FileNames {
    pub(crate) fn add(&mut self, name: &str) -> &str {
        if !self.known.contains_key(name) {
            let file = slug(name);
            // File systems may not distinguish cases.
            let count = self.taken.entry(file.to_lowercase()).or_default();
            *count += 1;
            let file = if *count > 1 { format!("{file}-{count}") } else { file };
            self.known.insert(name.to_owned(), file);
        }
        self.of(name)
    }

    /// The file name of a name that was added.
    pub(crate) fn of(&self, name: &str) -> &str {
        self.known.get(name).map_or("index", String::as_str)
    }
}

/// ASCII letters, digits, `_`, `-` and inner dots.
pub(crate) fn slug(name: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.');
    let slug: String = name.chars().map(|char| if is_plain(char) { char } else { '-' }).collect();
    let slug = slug.trim_matches(['.', '-']);
    if slug.is_empty() { "_".to_owned() } else { slug.to_owned() }
}

/// The class of a status, which has a colour.
pub(crate) fn class_of(status: u16) -> &'static str {
    match status {
        200..=399 => "ok",
        401 | 402 | 403 | 407 => "auth",
        429 => "limit",
        400..=499 => "request",
        _ => "server",
    }
}

/// The reason phrase of a status.
pub(crate) fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_safe_and_distinct() {
        let mut names = FileNames::default();
        for (name, file) in [
            ("rate_limit", "rate_limit"),
            ("../../etc/passwd", "etc-passwd"),
            ("GET /a/{b}", "GET--a--b"),
            ("GET /a/{b", "GET--a--b-2"),
            ("Rate_Limit", "Rate_Limit-2"),
            ("..", "_"),
            ("é", "_-2"),
            ("rate_limit", "rate_limit"),
        ] {
            assert_eq!(names.add(name), file, "{name}");
        }
    }
}
