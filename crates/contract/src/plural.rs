//! Plural forms within a template: `{limit, plural, one {# character} other {# characters}}`.
//!
//! The syntax is ICU MessageFormat's, the categories are CLDR's. `=0 {…}` speaks of one number exactly and
//! goes before the categories; `#` is the number. `other` must be there, since every language has it. Forms
//! do not nest.

use std::fmt;

use crate::plural_rules::PluralCategory;
pub(crate) use crate::plural_rules::Plurals;
use crate::template::{Template, TemplateError, TemplateParameter};

/// The forms of one text, of which a number chooses one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plural {
    /// Whose number chooses: of a list it is how many elements there are.
    pub(crate) parameter: TemplateParameter,
    /// `=0`, by the number as it is written.
    exact: Vec<(String, Template)>,
    by_category: Vec<(PluralCategory, Template)>,
    other: Template,
}

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

impl Plural {
    /// Reads what stands between the braces: `NAME, plural, FORMS`.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let bad = |why: &str| TemplateError::BadPlural(why.to_owned());
        let mut parts = text.splitn(3, ',').map(str::trim);
        let (Some(name), Some("plural"), Some(mut rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("write `{name, plural, one {…} other {…}}`"));
        };
        if !TemplateParameter::is_name(name) {
            return Err(TemplateError::BadName(name.to_owned()));
        }
        let mut plural = Plural {
            parameter: TemplateParameter::named(name),
            exact: Vec::new(),
            by_category: Vec::new(),
            other: Template::default(),
        };
        let mut has_other = false;
        while !rest.is_empty() {
            let (word, after) = rest.split_once('{').ok_or_else(|| bad("a form stands in braces"))?;
            let end = closing(after).ok_or(TemplateError::Unbalanced)?;
            let form = Template::parse(&after[..end].replace('#', &format!("{{{name}}}")))?;
            if form.plurals().next().is_some() {
                return Err(bad("forms do not nest"));
            }
            rest = after[end + 1..].trim_start();
            let word = word.trim();
            if let Some(number) = word.strip_prefix('=') {
                plural.exact.push((number.trim().to_owned(), form));
                continue;
            }
            match CATEGORIES.iter().find(|(known, _)| *known == word) {
                Some((_, PluralCategory::Other)) => {
                    has_other = true;
                    plural.other = form;
                }
                Some((_, category)) => plural.by_category.push((*category, form)),
                None => {
                    let message = format!("`{word}` is none of zero, one, two, few, many, other, =NUMBER");
                    return Err(TemplateError::BadPlural(message));
                }
            }
        }
        if has_other { Ok(plural) } else { Err(bad("the form `other` is missing")) }
    }

    /// The form for a number as it is written; `other` for what is none.
    pub(crate) fn select(&self, number: &str, plurals: &Plurals) -> &Template {
        if let Some((_, form)) = self.exact.iter().find(|(exact, _)| exact == number) {
            return form;
        }
        // Whatever is longer is no number that a person would read.
        let category = (number.len() <= MAX_DIGITS).then(|| plurals.category_of(number)).flatten();
        let Some(category) = category else { return &self.other };
        let form = self.by_category.iter().find(|(known, _)| *known == category);
        form.map_or(&self.other, |(_, form)| form)
    }

    /// Every form, in the order in which they were written, `other` last.
    pub(crate) fn forms(&self) -> impl Iterator<Item = &Template> {
        let exact = self.exact.iter().map(|(_, form)| form);
        exact.chain(self.by_category.iter().map(|(_, form)| form)).chain([&self.other])
    }

    /// Categories for which there is a form, though the language never asks for it.
    pub(crate) fn unused(&self, plurals: &Plurals) -> Vec<&'static str> {
        let unused = self.by_category.iter().filter(|(category, _)| !plurals.uses(*category));
        unused.map(|(category, _)| word(*category)).collect()
    }
}

/// As it was written, but for `#`, which comes back as the parameter.
impl fmt::Display for Plural {
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

/// Where the brace that was opened before `text` closes.
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

    fn plurals(tag: &str) -> Plurals {
        Plurals::of(&crate::locale::tag(tag).unwrap()).unwrap()
    }

    fn form(tag: &str, template: &str, number: &str) -> String {
        let plural = Plural::parse(template).unwrap();
        plural.select(number, &plurals(tag)).to_string()
    }

    #[test]
    #[cfg(feature = "languages")]
    fn each_language_counts_in_its_own_way() {
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
    fn mistakes_are_named() {
        for text in [
            "n, plural, one {x}",
            "n, plural, several {x} other {y}",
            "n, select, a {x} other {y}",
            "n, plural, one x other {y}",
            "n, plural, other {{n, plural, other {x}}}",
        ] {
            assert!(matches!(Plural::parse(text), Err(TemplateError::BadPlural(_))), "{text}");
        }
        assert!(Plural::parse("n, plural, other {x").is_err());
    }

    #[test]
    #[cfg(feature = "languages")]
    fn a_category_that_a_language_does_not_have_is_told() {
        let plural = Plural::parse("n, plural, one {a} few {b} other {c}").unwrap();
        assert_eq!(plural.unused(&plurals("it")), ["few"]);
        assert!(plural.unused(&plurals("pl")).is_empty());
    }
}
