//! Names that some server reads as a declared name.
//!
//! PHP turns dots and spaces into underscores, drops spaces before a name and ends it at NUL. PHP, Rails and Express
//! interpret brackets, closed or not. Rails, and older Java and Python, separate pairs at `;`. Spring reads `!name`
//! as a default, and dots as members. ASP.NET ignores case. If such a name means a declared one, the upstream would
//! use its value without any validation.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::text::decode;

/// The declared names of a query or a form, in the form that lenient servers read.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    /// By path; whether members may follow after a dot.
    names: HashMap<NamePath, bool>,
    /// The prefixes of longer paths: a value there would replace the members below.
    parents: HashSet<NamePath>,
}

/// `filter[status][]` is `filter`, `status`.
type NamePath = Vec<String>;

impl Aliases {
    /// Collects names; the flag is whether each is an object.
    pub(crate) fn of<'n>(names: impl Iterator<Item = (&'n str, bool)>) -> Self {
        let mut aliases = Aliases::default();
        for (name, is_object) in names {
            let path = path(name);
            for length in 1..path.len() {
                aliases.parents.insert(path[..length].to_vec());
            }
            *aliases.names.entry(path).or_default() |= is_object;
        }
        aliases
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether some server reads an undeclared name as a declared one.
    pub(super) fn covers(&self, name: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let before_nul = name.split('\0').find(|part| !part.trim().is_empty()).unwrap_or_default();
        let without_controls: String = name.chars().filter(|c| !c.is_control()).collect();
        let again = name.contains('%').then(|| decode(name).ok()).flatten();
        let spellings = [Some(Cow::Borrowed(before_nul)), Some(Cow::Owned(without_controls)), again];
        spellings.into_iter().flatten().any(|name| self.covers_spelling(&name))
    }

    fn covers_spelling(&self, name: &str) -> bool {
        let own = path(name);
        let is_declared = |path: &[String]| (1..=path.len()).any(|end| self.names.contains_key(&path[..end]));
        if is_declared(&own) || self.parents.contains(&own) {
            return true;
        }
        // PHP reads an unclosed bracket as an underscore.
        if name.contains('[') && is_declared(&path(&name.replacen('[', "_", 1))) {
            return true;
        }
        if !name.contains('.') {
            return false;
        }
        let dotted = path(&name.replace('.', "["));
        (1..=dotted.len()).any(|end| {
            let is_object = self.names.get(&dotted[..end]).copied().unwrap_or_default();
            is_object || end > 1 && self.names.contains_key(&dotted[..end])
        })
    }
}

/// A name as the most lenient server reads it.
fn path(name: &str) -> NamePath {
    let is_ignored =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '[' | ']' | '!' | '?');
    let name = name.trim_start_matches(is_ignored);
    let mut path = NamePath::new();
    for (position, part) in name.split(['[', ']']).enumerate() {
        let part = part.trim_matches(|c: char| c.is_whitespace() || c.is_control());
        if position > 0 && part.is_empty() {
            continue;
        }
        let folded = match position {
            0 => part.replace(['.', ' '], "_"),
            _ => part.to_owned(),
        };
        path.push(folded.to_lowercase());
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_names_that_servers_read_as_declared_ones() {
        let declared = [
            ("role", false),
            ("a_b", false),
            ("list[]", false),
            ("page[size]", false),
            ("filter", true),
            ("hub.mode", false),
        ];
        let aliases = Aliases::of(declared.into_iter());
        for name in [
            " role",
            "role ",
            "\trole",
            "\u{feff}role",
            "\u{a0}role",
            "role\0",
            "role\0x",
            "\0role",
            "ro\0le",
            "ro\u{1}le",
            "role[]",
            "role[0]",
            "role[x][y]",
            "role[",
            "role]",
            "[role]",
            "[]role",
            "Role",
            "!role",
            "%72ole",
            "a.b",
            "a b",
            "a[b",
            " a.b",
            "A.B",
            "list",
            "list[0]",
            "page",
            "page[]",
            "page[Size]",
            "page.size",
            "filter.role",
            "filter[role]",
            "hub_mode",
        ] {
            assert!(aliases.covers(name), "{name:?}");
        }
        for name in [
            "",
            "roles",
            "role_",
            "xrole",
            "_",
            "a",
            "b",
            "a-b",
            "ab",
            "page[number]",
            "page.number",
            "hub",
            "role.x",
            "utm_source",
            "x[role]",
            "hub.topic",
        ] {
            assert!(!aliases.covers(name), "{name:?}");
        }
        assert!(!Aliases::default().covers("role"));
    }
}
