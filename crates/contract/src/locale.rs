//! Language tags, and the choice of a language by `Accept-Language`: lookup (RFC 4647, section 3.4), then the likely
//! subtags of CLDR.

use std::fmt;

/// The maximum number of ranges read from an `Accept-Language`; real clients send fewer.
const MAX_RANGES: usize = 32;

/// The languages of ISO 639-1. Codes of three letters are too many to list and are accepted unchecked.
const TWO_LETTERS: &str = "\
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee \
    el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is \
    it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms \
    mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk \
    sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi \
    yo za zh zu";

/// A language by its tag, in the usual spelling: `it`, `pt-BR`, `zh-Hant`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Language(String);

impl Language {
    /// English, the language of a contract that names none.
    pub(crate) fn english() -> Self {
        Self("en".to_owned())
    }

    #[cfg(feature = "languages")]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads `language[-Script][-REGION][-variant…]` (the tags of Unicode locale identifiers) in any case.
    fn parse(text: &str) -> Option<Self> {
        let mut subtags = text.split('-').peekable();
        let primary = subtags.next().filter(|subtag| is_alphabetic(subtag, &[2, 3]))?;
        let mut tag = primary.to_ascii_lowercase();
        if let Some(script) = subtags.next_if(|subtag| is_alphabetic(subtag, &[4])) {
            tag += "-";
            tag += &script[..1].to_ascii_uppercase();
            tag += &script[1..].to_ascii_lowercase();
        }
        let is_region = |subtag: &&str| is_alphabetic(subtag, &[2]) || subtag.len() == 3 && is_digits(subtag);
        if let Some(region) = subtags.next_if(is_region) {
            tag += "-";
            tag += &region.to_ascii_uppercase();
        }
        let mut variants: Vec<String> = subtags.map(str::to_ascii_lowercase).collect();
        variants.sort();
        let count = variants.len();
        variants.dedup();
        if variants.len() != count || !variants.iter().all(|variant| is_variant(variant)) {
            return None;
        }
        for variant in variants {
            tag += "-";
            tag += &variant;
        }
        Some(Self(tag))
    }

    fn primary(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_alphabetic(subtag: &str, lengths: &[usize]) -> bool {
    lengths.contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_digits(subtag: &str) -> bool {
    subtag.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_variant(subtag: &str) -> bool {
    let is_alphanumeric = subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let begins_with_digit = subtag.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    is_alphanumeric && ((5..=8).contains(&subtag.len()) || subtag.len() == 4 && begins_with_digit)
}

/// The reason why a text is not a valid language tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TagError {
    /// It does not have the syntax of BCP 47.
    Malformed,
    /// ISO 639-1 has no such two-letter code.
    Unknown,
    /// It is not in this canonical form.
    NotCanonical(String),
}

/// Parses a tag such as `it` or `pt-BR`.
pub(crate) fn tag(text: &str) -> Result<Language, TagError> {
    let language = Language::parse(&text.replace('_', "-")).ok_or(TagError::Malformed)?;
    let primary = language.primary();
    if primary == "und" || primary.len() == 2 && !TWO_LETTERS.split(' ').any(|known| known == primary) {
        return Err(TagError::Unknown);
    }
    if language.0 == text { Ok(language) } else { Err(TagError::NotCanonical(language.0)) }
}

/// The position of the tag that an `Accept-Language` prefers; `None` if it asks for none of them.
///
/// Ranges are tried by weight, then in order. Each is shortened from its end until it is one of the tags, so that `it-CH`
/// matches `it`. If none is, a tag of the same language in the same script matches (`pt` and `pt-PT` match `pt-BR`, `zh-TW`
/// matches `zh-Hant`): a text in another variant of a language can be read, one in another script cannot.
pub(crate) fn lookup(accept_language: &str, tags: &[&str]) -> Option<usize> {
    let mut ranges: Vec<(u16, &str)> =
        accept_language.split(',').take(MAX_RANGES).filter_map(range).collect();
    ranges.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    ranges.into_iter().find_map(|(_, range)| likely(range, tags).or_else(|| shortened(range, tags)))
}

/// The tag of the same language and script that is closest to a range.
#[cfg(feature = "languages")]
fn likely(range: &str, tags: &[&str]) -> Option<usize> {
    let shortened = shortened(range, tags);
    if shortened.is_some_and(|position| tags[position].eq_ignore_ascii_case(range)) {
        return shortened;
    }
    let wanted = maximized(range)?;
    let known: Vec<_> = tags.iter().map(|tag| maximized(tag)).collect();
    let is_readable = |position: &usize| {
        known[*position]
            .as_ref()
            .is_some_and(|tag| (tag.language, tag.script) == (wanted.language, wanted.script))
    };
    let readable: Vec<usize> = (0..tags.len()).filter(is_readable).collect();
    let in_region = |region| {
        let is_there = |position: &&usize| known[**position].as_ref().is_some_and(|tag| tag.region == region);
        readable.iter().find(is_there).copied()
    };
    // Of several, the one that lookup finds, a parent in CLDR (`es-419` of `es-MX`), that of the region, that of the region
    // with the most speakers.
    let usual = || {
        let mut language = wanted.clone();
        language.region = None;
        expander().maximize(&mut language);
        in_region(language.region)
    };
    shortened
        .filter(|position| readable.contains(position))
        .or_else(|| parents(range, tags).filter(|position| readable.contains(position)))
        .or_else(|| in_region(wanted.region))
        .or_else(usual)
        .or_else(|| readable.first().copied())
}

/// The tag that is the closest parent of a range in CLDR.
#[cfg(feature = "languages")]
fn parents(range: &str, tags: &[&str]) -> Option<usize> {
    use icu_locale::fallback::{LocaleFallbackConfig, LocaleFallbacker};
    let locale: icu_locale_core::LanguageIdentifier = range.parse().ok()?;
    let fallbacker = const { LocaleFallbacker::new() }.for_config(LocaleFallbackConfig::default());
    let mut chain = fallbacker.fallback_for((&locale).into());
    while !chain.get().is_unknown() {
        let parent = chain.get().to_string();
        if let Some(position) = tags.iter().position(|tag| tag.eq_ignore_ascii_case(&parent)) {
            return Some(position);
        }
        chain.step();
    }
    None
}

#[cfg(not(feature = "languages"))]
fn likely(_: &str, _: &[&str]) -> Option<usize> {
    None
}

/// A tag with its likely script and region: `zh-Hant-TW` for `zh-TW`.
#[cfg(feature = "languages")]
fn maximized(tag: &str) -> Option<icu_locale_core::LanguageIdentifier> {
    let mut tag: icu_locale_core::LanguageIdentifier = tag.parse().ok()?;
    // Norwegian is written as Bokmål unless it says otherwise.
    if tag.language.as_str() == "no" {
        tag.language = "nb".parse().ok()?;
    }
    expander().maximize(&mut tag);
    (!tag.language.is_unknown()).then_some(tag)
}

#[cfg(feature = "languages")]
fn expander() -> &'static icu_locale::LocaleExpander {
    static EXPANDER: std::sync::LazyLock<icu_locale::LocaleExpander> =
        std::sync::LazyLock::new(icu_locale::LocaleExpander::new_common);
    &EXPANDER
}

fn shortened(mut range: &str, tags: &[&str]) -> Option<usize> {
    loop {
        if let Some(position) = tags.iter().position(|tag| tag.eq_ignore_ascii_case(range)) {
            return Some(position);
        }
        let (rest, _) = range.rsplit_once('-')?;
        // A single letter or digit introduces the subtag after it, so both are removed together.
        range = match rest.rsplit_once('-') {
            Some((before, single)) if single.len() == 1 => before,
            _ => rest,
        };
    }
}

/// Parses a range such as `it-CH;q=0.8`, with its weight in thousandths. Ranges of weight 0 and `*` are ignored.
fn range(text: &str) -> Option<(u16, &str)> {
    let (range, parameters) = text.split_once(';').unwrap_or((text, ""));
    let range = range.trim();
    let weight = weight(parameters)?;
    (weight > 0 && !range.is_empty() && range != "*").then_some((weight, range))
}

/// The weight `q=0.8` in thousandths (RFC 9110, section 12.4.2); 1000 if there is none, `None` if it is malformed.
pub(crate) fn weight(parameters: &str) -> Option<u16> {
    for parameter in parameters.split(';') {
        let Some((name, value)) = parameter.trim().split_once('=') else { continue };
        if !name.trim().eq_ignore_ascii_case("q") {
            continue;
        }
        let (whole, fraction) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
        if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
        return match (whole, thousandths) {
            ("0", thousandths) => Some(thousandths),
            ("1", 0) => Some(1000),
            _ => None,
        };
    }
    Some(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup_shortens_ranges_until_a_tag_matches() {
        const TAGS: [&str; 4] = ["en", "it", "pt-BR", "zh-Hant"];
        for (accept, expected) in [
            ("it", Some("it")),
            ("IT-ch", Some("it")),
            ("de, it;q=0.5, en;q=0.1", Some("it")),
            ("en;q=0.1, it;q=0.5", Some("it")),
            ("it;q=0, en", Some("en")),
            ("pt", Some("pt-BR")),
            ("pt-PT", Some("pt-BR")),
            ("zh-TW", Some("zh-Hant")),
            ("zh-HK", Some("zh-Hant")),
            ("zh", None),
            ("zh-CN", None),
            ("fr-FR, en-US;q=0.9", Some("en")),
            ("pt;q=0, en", Some("en")),
            ("zh-TW, en;q=0.9", Some("zh-Hant")),
            ("pt-BR", Some("pt-BR")),
            ("zh-Hant-TW", Some("zh-Hant")),
            ("it-x-dialect", Some("it")),
            ("*", None),
            ("*, it;q=0.5", Some("it")),
            ("", None),
            ("it;q=2", None),
            ("it;q=0.12345", None),
            (";;,,;q=", None),
        ] {
            let tag = lookup(accept, &TAGS).map(|position| TAGS[position]);
            assert_eq!(tag, expected, "{accept}");
        }
    }

    /// documenso/documenso#3090, alltuner/vibetuner#1975, tbphp/gpt-load#519, falling-fruit/falling-fruit-web#753.
    #[test]
    #[cfg(feature = "languages")]
    fn the_closest_readable_tag_matches() {
        for (tags, accept, expected) in [
            (&["en", "pt-PT", "pt-BR"][..], "pt", Some("pt-BR")),
            (&["en", "pt-BR", "pt-PT"], "pt-PT", Some("pt-PT")),
            (&["en", "pt-BR", "pt-PT"], "pt-AO", Some("pt-PT")),
            (&["en", "zh", "zh-Hant"], "zh-TW", Some("zh-Hant")),
            (&["en", "zh", "zh-Hant"], "zh-CN", Some("zh")),
            (&["en", "zh-Hans", "zh-Hant"], "zh-SG", Some("zh-Hans")),
            (&["en", "es-ES", "es-419"], "es-MX", Some("es-419")),
            (&["en", "sr"], "sr-Latn", Some("sr")),
            (&["en", "sr", "sr-Latn"], "sr-ME", Some("sr-Latn")),
            (&["en", "nb"], "no", Some("nb")),
            (&["en", "no"], "nb-NO", Some("no")),
            (&["de-AT", "en"], "de-CH", Some("de-AT")),
            (&["en-GB"], "en-US", Some("en-GB")),
            (&["en"], "de", None),
            (&["en"], "und", None),
            (&["en", "ca"], "ca-ES,es;q=0.9,en;q=0.8", Some("ca")),
        ] {
            let found = lookup(accept, tags).map(|position| tags[position]);
            assert_eq!(found, expected, "{accept} of {tags:?}");
        }
    }

    #[test]
    fn accepts_only_canonical_tags_of_known_languages() {
        for good in ["it", "pt-BR", "zh-Hant", "gsw"] {
            assert!(tag(good).is_ok(), "{good}");
        }
        for (bad, error) in [
            ("it_IT", TagError::NotCanonical("it-IT".into())),
            ("IT", TagError::NotCanonical("it".into())),
            ("xx", TagError::Unknown),
            ("italian language", TagError::Malformed),
            ("", TagError::Malformed),
        ] {
            assert_eq!(tag(bad).unwrap_err(), error, "{bad}");
        }
    }

    /// Tags are read without ICU, so that they are the same without the feature `languages`.
    #[test]
    #[cfg(feature = "languages")]
    fn tags_are_read_as_icu_reads_them() {
        let agree = |text: &str| {
            let expected =
                text.parse::<icu_locale_core::LanguageIdentifier>().ok().map(|tag| tag.to_string());
            assert_eq!(Language::parse(text).map(|language| language.0), expected, "{text:?}");
        };
        const SUBTAGS: &[&str] = &[
            "it",
            "und",
            "UND",
            "IT",
            "abcd",
            "latn",
            "Latn",
            "br",
            "419",
            "41",
            "4190",
            "1abc",
            "abc1",
            "valencia",
            "abcde",
            "abcdefghi",
            "x",
            "a",
            "1",
            "",
            "12345",
            "é",
            "sl",
            "nedis",
            "rozaj",
            "root",
            "u",
            "i",
        ];
        for first in SUBTAGS {
            agree(first);
            for second in SUBTAGS {
                agree(&format!("{first}-{second}"));
                for third in SUBTAGS {
                    agree(&format!("{first}-{second}-{third}"));
                    agree(&format!("{first}-{second}-{third}-nedis"));
                }
            }
        }
    }
}
