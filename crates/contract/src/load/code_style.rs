//! How the codes of a contract are spelt: checked where they are written, kept where they are derived.

/// How the codes of a contract are spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeStyle {
    Snake,
    Kebab,
    Screaming,
    Pascal,
}

impl CodeStyle {
    pub(super) const ALL: [(&'static str, CodeStyle); 4] = [
        ("snake_case", CodeStyle::Snake),
        ("kebab-case", CodeStyle::Kebab),
        ("SCREAMING_SNAKE_CASE", CodeStyle::Screaming),
        ("PascalCase", CodeStyle::Pascal),
    ];

    pub(super) fn fits(self, code: &str) -> bool {
        let all = |allowed: fn(&u8) -> bool| code.bytes().all(|byte| allowed(&byte));
        match self {
            CodeStyle::Snake => all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_'),
            CodeStyle::Kebab => all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-'),
            CodeStyle::Screaming => all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_'),
            CodeStyle::Pascal => {
                all(u8::is_ascii_alphanumeric) && code.starts_with(|c: char| c.is_ascii_uppercase())
            }
        }
    }

    /// A name of ours (`rate.exceeded`) as a code in this style.
    pub(crate) fn spell(self, name: &str) -> String {
        let words = name.split(['.', '_', '-']);
        match self {
            CodeStyle::Snake => words.collect::<Vec<_>>().join("_"),
            CodeStyle::Kebab => words.collect::<Vec<_>>().join("-"),
            CodeStyle::Screaming => words.collect::<Vec<_>>().join("_").to_ascii_uppercase(),
            CodeStyle::Pascal => words.map(capitalise).collect(),
        }
    }
}

fn capitalise(word: &str) -> String {
    let mut characters = word.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
}
