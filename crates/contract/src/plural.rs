//! Plural forms in a template: `{limit, plural, one {# character} other {# characters}}`.
//!
//! The syntax is that of ICU MessageFormat, the categories are those of CLDR. `=0 {…}` applies to exactly this number and
//! takes precedence over the categories; `#` is the number. The form `other` is required, since every language uses it.
//! Forms cannot be nested.

use std::fmt;

use crate::plural_rules::PluralCategory;
pub(crate) use crate::plural_rules::Plurals;
use crate::template_parameter::{TemplateError, TemplateParameter};

/// The plural forms of a text, which are templates. A number selects one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plural<T> {
    /// The parameter that selects the form, by its number, or by its length if it is a list.
    pub(crate) parameter: TemplateParameter,
    /// The forms for exact numbers, such as `=0`, by the number as written.
    exact: Vec<(String, T)>,
    by_category: Vec<(PluralCategory, T)>,
    other: T,
}

/// The maximum length of a number; longer ones are not meant for people and get the form `other`.
const MAX_DIGITS: usize = 32;

const CATEGORIES: [(&str, PluralCategory); 6] = [
    ("zero", PluralCategory::Zero),
    ("one", PluralCategory::One),
    ("two", PluralCategory::Two),
    ("few", PluralCategory::Few),
    ("many", PluralCategory::Many),
    ("other", PluralCategory::Other),
];

fn word(category: PluralCategory) -> &'static str {
    CATEGORIES.iter().find(|(_, known)| *known == category).map_or("other", |(word, _)| word)
}

impl<T> Plural<T> {
    /// Parses the text between the braces: `NAME, plural, FORMS`. `parse_form` parses the text of a form.
    pub(crate) fn parse(
        text: &str,
        parse_form: impl Fn(&str) -> Result<T, TemplateError>,
    ) -> Result<Self, TemplateError> {
        let bad = |why: &str| TemplateError::BadPlural(why.to_owned());
        let mut parts = text.splitn(3, ',').map(str::trim);
        let (Some(name), Some("plural"), Some(mut rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("missing `plural`"));
        };
        if !TemplateParameter::is_name(name) {
            return Err(TemplateError::BadName(name.to_owned()));
        }
        let (mut exact, mut by_category, mut other) = (Vec::new(), Vec::new(), None);
        while !rest.is_empty() {
            let (word, after) = rest.split_once('{').ok_or_else(|| bad("a form must be in braces"))?;
            let end = closing(after).ok_or(TemplateError::Unbalanced)?;
            let form = parse_form(&after[..end].replace('#', &format!("{{{name}}}")))?;
            rest = after[end + 1..].trim_start();
            let word = word.trim();
            if let Some(number) = word.strip_prefix('=') {
                exact.push((number.trim().to_owned(), form));
                continue;
            }
            match CATEGORIES.iter().find(|(known, _)| *known == word) {
                Some((_, PluralCategory::Other)) => other = Some(form),
                Some((_, category)) => by_category.push((*category, form)),
                None => {
                    return Err(TemplateError::BadPlural(format!("unknown form `{word}`")));
                }
            }
        }
        let other = other.ok_or_else(|| bad("missing form `other`"))?;
        Ok(Self { parameter: TemplateParameter::from_name(name), exact, by_category, other })
    }

    /// The form for a number; `other` if the text is not a number.
    pub(crate) fn select(&self, number: &str, plurals: &Plurals) -> &T {
        if let Some((_, form)) = self.exact.iter().find(|(exact, _)| exact == number) {
            return form;
        }
        let category = (number.len() <= MAX_DIGITS).then(|| plurals.category_of(number)).flatten();
        let Some(category) = category else { return &self.other };
        let form = self.by_category.iter().find(|(known, _)| *known == category);
        form.map_or(&self.other, |(_, form)| form)
    }

    /// All forms in source order, `other` last.
    pub(crate) fn forms(&self) -> impl Iterator<Item = &T> {
        let exact = self.exact.iter().map(|(_, form)| form);
        exact.chain(self.by_category.iter().map(|(_, form)| form)).chain([&self.other])
    }

    /// The categories with a form that the language does not use.
    pub(crate) fn unused(&self, plurals: &Plurals) -> Vec<&'static str> {
        let unused = self.by_category.iter().filter(|(category, _)| !plurals.uses(*category));
        unused.map(|(category, _)| word(*category)).collect()
    }
}

/// The source of the forms, with `#` replaced by the parameter.
impl<T: fmt::Display> fmt::Display for Plural<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}, plural,", self.parameter.as_str())?;
        for (number, form) in &self.exact {
            write!(f, " ={number} {{{form}}}")?;
        }
        for (category, form) in &self.by_category {
            write!(f, " {} {{{form}}}", word(*category))?;
        }
        write!(f, " other {{{}}}}}", self.other)
    }
}

/// The position of the brace that closes one opened before `text`.
pub(crate) fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;

    fn parse(text: &str) -> Result<Plural<Template>, TemplateError> {
        Plural::parse(text, Template::parse_form)
    }

    fn plurals(tag: &str) -> Plurals {
        Plurals::of(&crate::locale::tag(tag).unwrap()).unwrap()
    }

    fn form(tag: &str, template: &str, number: &str) -> String {
        let plural = parse(template).unwrap();
        plural.select(number, &plurals(tag)).to_string()
    }

    #[test]
    #[cfg(feature = "languages")]
    fn selects_forms_by_the_rules_of_the_language() {
        const FORMS: &str = "n, plural, =0 {none} one {one} few {few} many {many} other {other}";
        for (tag, number, expected) in [
            ("en", "1", "one"),
            ("en", "2", "other"),
            ("en", "0", "none"),
            ("en", "x", "other"),
            ("fr", "1.5", "one"),
            ("it", "1", "one"),
            ("it", "7", "other"),
            ("pl", "3", "few"),
            ("pl", "5", "many"),
            ("ja", "1", "other"),
        ] {
            assert_eq!(form(tag, FORMS, number), expected, "{tag} {number}");
        }
    }

    #[test]
    fn rejects_invalid_plural_forms() {
        for text in [
            "n, plural, one {x}",
            "n, plural, several {x} other {y}",
            "n, select, a {x} other {y}",
            "n, plural, one x other {y}",
            "n, plural, other {{n, plural, other {x}}}",
        ] {
            assert!(matches!(parse(text), Err(TemplateError::BadPlural(_))), "{text}");
        }
        assert!(parse("n, plural, other {x").is_err());
    }

    #[test]
    #[cfg(feature = "languages")]
    fn reports_categories_that_the_language_does_not_use() {
        let plural = parse("n, plural, one {a} few {b} other {c}").unwrap();
        assert_eq!(plural.unused(&plurals("it")), ["few"]);
        assert!(plural.unused(&plurals("pl")).is_empty());
    }
}
