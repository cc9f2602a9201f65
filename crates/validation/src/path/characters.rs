//! Characters in a path that servers interpret differently.

use std::fmt;

/// A set of characters in a path that servers interpret differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathCharacters(u8);

impl PathCharacters {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// `%2F`: many servers decode it before routing.
    pub const SLASH: Self = Self(1);
    /// `\` or `%5C`: some servers read it as `/`.
    pub const BACKSLASH: Self = Self(1 << 1);
    /// `%00`: it terminates strings in C.
    pub const NUL: Self = Self(1 << 2);
    /// `%25` before two hexadecimal digits: a server that decodes twice reads another character.
    pub const PERCENT: Self = Self(1 << 3);
    /// `;`: Java servers drop it and the rest of the segment (matrix parameters).
    pub const SEMICOLON: Self = Self(1 << 4);

    const NAMES: [(&'static str, Self); 5] = [
        ("slash", Self::SLASH),
        ("backslash", Self::BACKSLASH),
        ("nul", Self::NUL),
        ("percent", Self::PERCENT),
        ("semicolon", Self::SEMICOLON),
    ];

    /// The names used in the configuration.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().map(|(name, _)| *name)
    }

    /// The set with the character of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, set)| *set)
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The characters of this set that are not in `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The union of both sets.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Display for PathCharacters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, set) in Self::NAMES {
            if !set.without(*self).is_empty() {
                continue;
            }
            write!(f, "{separator}{name}")?;
            separator = ", ";
        }
        Ok(())
    }
}
