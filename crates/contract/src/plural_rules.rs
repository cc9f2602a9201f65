//! The plural rules of a language: which categories it has, and which one a number belongs to.
//!
//! With the feature `languages` the rules are CLDR's. Without it every language follows the English rule, so that programs
//! that need no other language do not compile CLDR's data.

use std::fmt;

use crate::locale::Language;

/// A plural category of CLDR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PluralCategory {
    Zero,
    One,
    Two,
    Few,
    Many,
    Other,
}

/// The plural rules of one language. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Plurals(rules::Rules);

impl Plurals {
    /// The rules of a language; the rules that all languages share if CLDR has none for it.
    pub(crate) fn of(language: &Language) -> Option<Self> {
        rules::Rules::of(language).map(Self)
    }

    /// Whether any number of the language belongs to the category.
    pub(crate) fn uses(&self, category: PluralCategory) -> bool {
        self.0.uses(category)
    }

    /// The category of a number in decimal digits; `None` for anything else.
    pub(crate) fn category_of(&self, number: &str) -> Option<PluralCategory> {
        self.0.category_of(number)
    }
}

impl fmt::Debug for Plurals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plurals")
    }
}

#[cfg(feature = "languages")]
mod rules {
    use std::str::FromStr;
    use std::sync::Arc;

    use fixed_decimal::Decimal;
    use icu_locale_core::LanguageIdentifier;
    use icu_plurals::{PluralCategory as Cldr, PluralOperands, PluralRules};

    use super::{Language, PluralCategory};

    #[derive(Clone)]
    pub(super) struct Rules(Arc<PluralRules>);

    impl Rules {
        pub(super) fn of(language: &Language) -> Option<Self> {
            let language: LanguageIdentifier = language.as_str().parse().ok()?;
            PluralRules::try_new_cardinal((&language).into()).ok().map(|rules| Self(Arc::new(rules)))
        }

        pub(super) fn uses(&self, category: PluralCategory) -> bool {
            self.0.categories().any(|used| PluralCategory::from(used) == category)
        }

        pub(super) fn category_of(&self, number: &str) -> Option<PluralCategory> {
            let decimal = Decimal::from_str(number).ok()?;
            Some(self.0.category_for(PluralOperands::from(&decimal)).into())
        }
    }

    impl From<Cldr> for PluralCategory {
        fn from(category: Cldr) -> Self {
            match category {
                Cldr::Zero => PluralCategory::Zero,
                Cldr::One => PluralCategory::One,
                Cldr::Two => PluralCategory::Two,
                Cldr::Few => PluralCategory::Few,
                Cldr::Many => PluralCategory::Many,
                Cldr::Other => PluralCategory::Other,
            }
        }
    }
}

#[cfg(not(feature = "languages"))]
mod rules {
    use super::{Language, PluralCategory};

    #[derive(Clone)]
    pub(super) struct Rules;

    impl Rules {
        pub(super) fn of(_: &Language) -> Option<Self> {
            Some(Self)
        }

        /// Without CLDR's data no category is known to be unused.
        pub(super) fn uses(&self, _: PluralCategory) -> bool {
            true
        }

        pub(super) fn category_of(&self, number: &str) -> Option<PluralCategory> {
            match number.strip_prefix('-').unwrap_or(number).trim_start_matches('0') {
                "1" => Some(PluralCategory::One),
                _ => Some(PluralCategory::Other),
            }
        }
    }
}
