//! `code_style:`, the spelling of error codes. Declared codes are checked, derived ones are made in this style.

/// The spelling of the error codes in a contract.
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

    /// A name (`rate.exceeded`, `TooMany`) as a code in this style.
    pub(crate) fn spell(self, name: &str) -> String {
        let words = words(name);
        let words = words.iter().map(String::as_str);
        match self {
            CodeStyle::Snake => words.collect::<Vec<_>>().join("_"),
            CodeStyle::Kebab => words.collect::<Vec<_>>().join("-"),
            CodeStyle::Screaming => words.collect::<Vec<_>>().join("_").to_ascii_uppercase(),
            CodeStyle::Pascal => words.map(capitalise).collect(),
        }
    }
}

/// The words of a name in lower case, split at `.`, `_`, `-`, spaces and changes of case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut after_lower = false;
    for character in name.chars() {
        let is_separator = matches!(character, '.' | '_' | '-' | ' ');
        if (is_separator || (character.is_uppercase() && after_lower))
            && words.last().is_some_and(|word| !word.is_empty())
        {
            words.push(String::new());
        }
        after_lower = character.is_lowercase() || character.is_ascii_digit();
        if let (false, Some(word)) = (is_separator, words.last_mut()) {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn capitalise(word: &str) -> String {
    let mut characters = word.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
}
