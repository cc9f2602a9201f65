//! Finds API keys in texts, and removes them: from logs, which an upstream's response may reach, and in queries, where none
//! may be forwarded.
//!
//! Three kinds of keys are known without a store: those of the gateway's own form with the prefix of one of its APIs, those
//! of imported forms, and the one that the request presents. JSON Web Tokens are removed from logs too.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use demur_admission::{Admission, Fingerprint, ImportedForms, Secret};

/// Keys have at least this length.
pub(crate) const MIN_KEY: usize = 16;
/// Imported forms with a shorter prefix are ignored: every long text would match.
const MIN_PREFIX: usize = 3;
/// This many characters of a truncated key are removed.
const MIN_PART: usize = 8;
/// The most characters of an upstream's body that a log quotes.
const MAX_QUOTED_CHARS: usize = 512;
/// This many letters and digits after a prefix of the gateway's own are a key, even with a wrong checksum.
const KEY_RUN: usize = 32;

/// Finds and removes API keys in texts.
pub(crate) struct Redactor {
    prefixes: Vec<String>,
    admission: Arc<Admission>,
}

impl Redactor {
    /// `prefixes` are those of all APIs.
    pub(crate) fn new<'p>(prefixes: impl Iterator<Item = &'p str>, admission: Arc<Admission>) -> Self {
        let mut prefixes: Vec<String> = prefixes.map(str::to_owned).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        Self { prefixes, admission }
    }

    /// Whether the text contains a key.
    pub(crate) fn contains_key(&self, text: &str) -> bool {
        let is_key = |text: &str| {
            text.len() >= MIN_KEY
                && (self.prefixes.iter().any(|prefix| Secret::check(text, prefix).is_ok())
                    || self.forms().is_some_and(|forms| is_imported(&forms, text)))
        };
        let joins = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.');
        let has_key = |text: &str| is_key(text) || text.split(|char| !joins(char)).any(is_key);
        has_key(text) || decodings(text).iter().any(|decoded| has_key(decoded))
    }

    /// A client's own identifier as it is stored and shown: unchanged, or its hash if it contains a key.
    pub(crate) fn stored_name<'t>(&self, text: &'t str, presented: &[&str]) -> Cow<'t, str> {
        if self.redact(text.to_owned(), presented) == text {
            return text.into();
        }
        hashed_name(text.as_bytes()).into()
    }

    /// Replaces the presented credentials by `…`, and everything of other keys except their public prefixes.
    pub(crate) fn redact(&self, text: String, presented: &[&str]) -> String {
        if text.len() < MIN_PART {
            return text;
        }
        // Quoted targets may be percent-encoded once or several times.
        for decoded in decodings(&text).iter().rev() {
            let stretches = self.stretches(decoded, presented);
            if !stretches.is_empty() {
                // Decoding must not introduce line breaks.
                let printable = |char: char| if char.is_control() { ' ' } else { char };
                return without(decoded, stretches).chars().map(printable).collect();
            }
        }
        let stretches = self.stretches(&text, presented);
        if stretches.is_empty() { text } else { without(&text, stretches) }
    }

    fn forms(&self) -> Option<Arc<ImportedForms>> {
        self.admission.imported().filter(|forms| !forms.forms.is_empty())
    }

    /// The positions of keys, without their public prefixes.
    fn stretches(&self, text: &str, presented: &[&str]) -> Vec<Range<usize>> {
        let mut stretches = Vec::new();
        for secret in presented.iter().filter(|secret| secret.len() >= MIN_KEY) {
            if text.len() >= secret.len() {
                stretches.extend(text.match_indices(secret).map(|(at, _)| at..at + secret.len()));
            }
            stretches.extend(cut_off(text, secret));
        }
        // Most texts are the gateway's own, and have none.
        let has_separator = memchr::memchr(b'_', text.as_bytes()).is_some();
        for prefix in self.prefixes.iter().filter(|_| has_separator) {
            let is_key = |run: usize, ends: bool| run >= KEY_RUN || (ends && run >= MIN_PART);
            stretches.extend(after(text, &format!("{prefix}_"), |char| char.is_ascii_alphanumeric(), is_key));
        }
        for form in
            self.forms().iter().flat_map(|forms| &forms.forms).filter(|form| is_distinctive(&form.prefix))
        {
            let rest = usize::from(form.shortest).saturating_sub(form.prefix.len());
            let is_key = |run: usize, ends: bool| run >= rest.max(1) || (ends && run >= MIN_PART);
            let goes_on = |char: char| char.is_ascii_graphic() && !"\"'<>&,;()[]{}".contains(char);
            stretches.extend(after(text, &form.prefix, goes_on, is_key));
        }
        stretches.extend(tokens(text));
        stretches
    }
}

/// The hash of a client's own identifier, which is stored and shown in place of it.
pub(crate) fn hashed_name(identifier: &[u8]) -> String {
    let hash = Fingerprint::of(&[b"identifier", identifier]);
    hash.0.iter().fold(String::from("sha256:"), |name, byte| name + &format!("{byte:02x}"))
}

/// The text percent-decoded once, twice and so on.
fn decodings(text: &str) -> Vec<String> {
    /// No one encodes a text more often.
    const MAX_ROUNDS: usize = 8;
    let mut decoded: Vec<String> = Vec::new();
    while decoded.len() < MAX_ROUNDS {
        let last = decoded.last().map_or(text, String::as_str);
        match percent_encoding::percent_decode_str(last).decode_utf8_lossy() {
            Cow::Owned(next) if next != last => decoded.push(next),
            _ => break,
        }
    }
    decoded
}

fn is_distinctive(prefix: &str) -> bool {
    prefix.len() >= MIN_PREFIX
}

fn is_imported(forms: &ImportedForms, text: &str) -> bool {
    forms.forms.iter().any(|form| is_distinctive(&form.prefix) && form.matches(text))
}

/// Runs of characters after a prefix that are keys, by their length and whether they end the text.
fn after(
    text: &str,
    prefix: &str,
    goes_on: impl Fn(char) -> bool,
    is_key: impl Fn(usize, bool) -> bool,
) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        let from = at + prefix.len();
        let rest = &text[from..];
        let run = rest.find(|char| !goes_on(char)).unwrap_or(rest.len());
        if is_key(run, run == rest.len()) {
            found.push(from..from + run);
        }
    }
    found
}

/// JSON Web Tokens, without their first characters, which all of them share: the claims of a token are in it.
fn tokens(text: &str) -> Vec<Range<usize>> {
    let goes_on = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.');
    let found = after(text, "eyJ", goes_on, |run, _| run >= MIN_KEY);
    found.into_iter().filter(|run| text[run.clone()].contains('.')).collect()
}

/// The end of the text, if it is the beginning of a secret: quotes are truncated.
fn cut_off(text: &str, secret: &str) -> Option<Range<usize>> {
    let longest = secret.len().min(text.len());
    let beginning = |length: &usize| secret.get(..*length).is_some_and(|begin| text.ends_with(begin));
    let length = (MIN_PART..longest).rev().find(beginning)?;
    Some(text.len() - length..text.len())
}

fn without(text: &str, mut stretches: Vec<Range<usize>>) -> String {
    stretches.sort_unstable_by_key(|stretch| (stretch.start, stretch.end));
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    for Range { start, end } in stretches {
        if start > at || shown.is_empty() {
            shown.push_str(text.get(at..start).unwrap_or_default());
            shown.push('…');
        }
        at = at.max(end);
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    shown
}

/// The beginning of a body, made safe for a log line.
pub(crate) fn quoted(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * MAX_QUOTED_CHARS)]);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_QUOTED_CHARS).collect()
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").field("prefixes", &self.prefixes).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Redactor {
    /// Of these prefixes, with one form brought along that says something and one that does not.
    pub(crate) fn of_a_test(prefixes: &[&str]) -> Self {
        use demur_admission::memory::{MemoryDirectory, MemoryLedger};
        use demur_admission::{
            CacheConfig, ImportedForm, ImportedHash, LocalCounters, Pepper, Plans, Stores,
        };

        let keys = Arc::new(MemoryDirectory::new());
        let form = |prefix: &str, shortest| ImportedForm {
            api: "shop".into(),
            prefix: prefix.into(),
            shortest,
            longest: 40,
            hash: ImportedHash::Sha256,
        };
        let forms = vec![form("sk_live_", 24), form("", 20)];
        keys.accept_imported(ImportedForms { forms, keys: Vec::new() });
        let stores =
            Stores { keys, limits: Arc::new(LocalCounters::new()), credits: Arc::new(MemoryLedger::new()) };
        let plans = Arc::new(Plans::new([]));
        let admission = Admission::new(stores, Pepper::from_bytes(&[7; 32]), plans, CacheConfig::default());
        Redactor::new(prefixes.iter().copied(), admission)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Redactor {
        Redactor::of_a_test(&["shp", "dpt", "shp"])
    }

    #[test]
    fn recognizes_keys_by_their_form() {
        let secrets = secrets();
        let [shop, depot, other] = ["shp", "dpt", "oth"].map(|prefix| Secret::generate(prefix).unwrap());
        let foreign = "sk_live_0123456789abcdef";
        for (text, is_in) in [
            (shop.expose().to_owned(), true),
            (depot.expose().to_owned(), true),
            (other.expose().to_owned(), false),
            (format!("Bearer {}", depot.expose()), true),
            (format!("https://a.example/?k={}&b=1", shop.expose()), true),
            (format!("{}0", shop.expose()), false),
            (foreign.to_owned(), true),
            (format!("token {foreign}!"), true),
            (foreign[1..].to_owned(), false),
            // A form that admits everything says nothing.
            ("0123456789abcdefghijklmn".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(secrets.contains_key(&text), is_in, "{text}");
        }
    }

    /// Every byte percent-encoded, so often.
    fn encoded(text: &str, times: usize) -> String {
        let all = percent_encoding::NON_ALPHANUMERIC;
        let once = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        (1..times).fold(once(text), |text, _| percent_encoding::utf8_percent_encode(&text, all).to_string())
    }

    #[test]
    fn stores_the_hash_of_an_identifier_that_contains_a_key() {
        let secrets = secrets();
        let key = Secret::generate("shp").unwrap().expose().to_owned();
        let (foreign, plain) = ("sk_live_0123456789abcdef", "p1q2r3s4t5u6v7w8x9y0");
        let mut names = Vec::new();
        for text in [key.clone(), format!("a-{key}"), format!("{key}-2"), encoded(&key, 1), encoded(&key, 2)]
            .into_iter()
            .chain([foreign.to_owned(), plain.to_owned()])
        {
            let name = secrets.stored_name(&text, &[plain]).into_owned();
            assert!(name.starts_with("sha256:") && name.len() == 71, "{text}: {name}");
            assert_eq!(secrets.stored_name(&text, &[plain]), name);
            names.push(name);
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 7, "each has its own");
        for text in ["order-7", "0190f3d2-7c1b-7aaa-9f00-000000000001", "shp_001", "100%25"] {
            assert_eq!(secrets.stored_name(text, &[plain]), text);
        }
    }

    #[test]
    fn removes_keys_anywhere_in_a_text() {
        let secrets = secrets();
        let key = Secret::generate("shp").unwrap().expose().to_owned();
        let (foreign, plain) = ("sk_live_0123456789abcdef", "p1q2r3s4t5u6v7w8x9y0");
        for (text, hidden) in [
            (format!("no item {key} here"), "no item shp_… here"),
            (format!("GET /a?token={foreign}&b=1"), "GET /a?token=sk_live_…&b=1"),
            (format!("\"{plain}\", {plain}"), "\"…\", …"),
            (format!("{key}{foreign}"), "shp_…_live_…"),
            (format!("GET /{}", key.replacen("shp_", "%73hp%5F", 1)), "GET /shp_…"),
            (format!("GET /a%0Ab?{}", key.replacen("shp_", "%73hp%5F", 1)), "GET /a b?shp_…"),
            (encoded(&format!("GET /{key}"), 1), "GET /shp_…"),
            (encoded(&format!("GET /{key}"), 2), "GET /shp_…"),
            (encoded(&format!("GET /{key}"), 5), "GET /shp_…"),
            (encoded(foreign, 3), "sk_live_…"),
            (encoded(plain, 2), "…"),
            ("?t=eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln&b".to_owned(), "?t=eyJ…&b"),
            ("?t=eyJhbGciOiJSUzI1NiJ9.eyJzdWIi".to_owned(), "?t=eyJ…"),
            // Quotes are cut anywhere.
            (format!("no item {}", &key[..20]), "no item shp_…"),
            (format!("no item {}", &foreign[..18]), "no item sk_live_…"),
            (format!("no item {}", &plain[..9]), "no item …"),
            // What is no key is left as it is.
            ("no item shp_001 or sk_live_ or 100%".to_owned(), "no item shp_001 or sk_live_ or 100%"),
            ("?page=eyJhZnRlciI6MTIzNDU2fQ".to_owned(), "?page=eyJhZnRlciI6MTIzNDU2fQ"),
            (format!("no item {}", &plain[..7]), "no item p1q2r3s"),
        ] {
            assert_eq!(secrets.redact(text.clone(), &[plain]), hidden, "{text}");
        }
    }
}
