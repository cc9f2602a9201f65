//! The words of the pages themselves, in the languages that they are written in.

use std::collections::HashMap;

/// The words in one language. A language without words of its own has the English ones.
#[derive(Debug, Clone)]
pub(crate) struct Texts {
    words: HashMap<String, String>,
}

const ENGLISH: &str = include_str!("../../texts/en.json");
const LANGUAGES: &[(&str, &str)] = &[("it", include_str!("../../texts/it.json"))];

impl Texts {
    /// The words in the language of this tag.
    pub(crate) fn of(tag: &str) -> Self {
        let language = tag.split('-').next().unwrap_or_default();
        let known = LANGUAGES.iter().find(|(known, _)| known.eq_ignore_ascii_case(language));
        let text = known.map_or(ENGLISH, |(_, text)| text);
        Self { words: serde_json::from_str(text).unwrap_or_default() }
    }

    /// The words under a key.
    pub(crate) fn get(&self, key: &str) -> &str {
        self.words.get(key).map_or("", String::as_str)
    }

    /// The same with values in place of `{name}`.
    pub(crate) fn with(&self, key: &str, values: &[(&str, &str)]) -> String {
        let mut text = self.get(key).to_owned();
        for (name, value) in values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }

    pub(crate) fn all(&self) -> &HashMap<String, String> {
        &self.words
    }
}

/// The name of a language in that language.
pub(crate) fn language_name(tag: &str) -> &str {
    match tag.split('-').next().unwrap_or_default() {
        "en" => "English",
        "it" => "Italiano",
        "de" => "Deutsch",
        "fr" => "Français",
        "es" => "Español",
        "pt" => "Português",
        "nl" => "Nederlands",
        "ja" => "日本語",
        "zh" => "中文",
        _ => tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_text() {
        let english = Texts::of("en");
        assert!(english.words.len() > 150);
        for (tag, _) in LANGUAGES {
            let other = Texts::of(tag);
            for (key, text) in &english.words {
                let there = other.words.get(key).unwrap_or_else(|| panic!("{tag}: {key}"));
                let slots = |text: &str| text.matches('{').count();
                assert_eq!(slots(text), slots(there), "{tag}: {key}");
            }
            assert_eq!(english.words.len(), other.words.len(), "{tag}");
        }
    }
}
