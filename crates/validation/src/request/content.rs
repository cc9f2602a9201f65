//! The content of a request: its media type, its JSON, its schema.

use std::sync::Arc;

use demur_contract::{Condition, Location, Violation};

use super::json::{self, JsonProblem, MAX_DEPTH};
use super::keyword::judge;
use super::violations::{Subject, Violations};
use super::{Content, ContentProblem, excerpt};
use crate::DocumentOptions;
use crate::document::essence;
use crate::schema::Schema;

/// The content that an operation takes, compiled.
pub(crate) struct ContentRule {
    pub(crate) required: bool,
    pub(crate) media_types: Vec<MediaTypeRule>,
}

/// One media type of it.
pub(crate) struct MediaTypeRule {
    /// `application/json`, `image/*`, `*/*`; in lower case.
    pub(crate) range: String,
    pub(crate) is_json: bool,
    /// Only JSON has one.
    pub(crate) schema: Option<Arc<Schema>>,
}

pub(crate) fn check_content(
    options: &DocumentOptions,
    rule: &ContentRule,
    content_type: Option<&str>,
    bytes: &[u8],
) -> Content {
    if bytes.is_empty() {
        return absent(rule);
    }
    let media_type = match rule.media_type(content_type) {
        Ok(media_type) => media_type,
        Err(cause) => return refused(Condition::BodyUnsupportedMediaType, cause),
    };
    let Some(media_type) = media_type.filter(|media_type| media_type.is_json) else {
        return Content::Checked { value: None, violations: Vec::new() };
    };
    let value = match json::read(bytes) {
        Ok(value) => value,
        Err(JsonProblem::TooDeep) => {
            return refused(Condition::BodyTooDeep, format!("nested deeper than {MAX_DEPTH} levels"));
        }
        Err(JsonProblem::Invalid(cause)) => return refused(Condition::BodyInvalidJson, cause),
    };
    let mut violations = Violations::default();
    if let Some(schema) = &media_type.schema {
        judge(schema, &value, Subject::Content, &mut violations);
    }
    Content::Checked { value: Some(value), violations: violations.finish(options.max_violations) }
}

/// No content at all, whatever its type is said to be.
fn absent(rule: &ContentRule) -> Content {
    let expects_json = rule.media_types.iter().any(|media_type| media_type.is_json);
    match (rule.required, expects_json) {
        (false, _) => Content::Checked { value: None, violations: Vec::new() },
        (true, true) => refused(Condition::BodyInvalidJson, "the content is empty".to_owned()),
        (true, false) => {
            let violation = Violation {
                condition: Condition::ParamMissing,
                location: Location::Body,
                param: String::new(),
                pointer: String::new(),
                value: None,
                limit: None,
                allowed: Vec::new(),
            };
            Content::Checked { value: None, violations: vec![violation] }
        }
    }
}

impl ContentRule {
    /// The declared media type that covers the one given: the same, else its range, else any. `Ok(None)`
    /// where the document names no media type. `Err` is the cause of a refusal.
    fn media_type(&self, content_type: Option<&str>) -> Result<Option<&MediaTypeRule>, String> {
        let given = content_type.map(str::trim).filter(|given| !given.is_empty());
        let Some(given) = given else {
            // Nothing is said: then it can only be meant as the one thing that is taken.
            return match self.media_types.as_slice() {
                [] => Ok(None),
                [single] => Ok(Some(single)),
                _ => Err("no Content-Type, and several are declared".to_owned()),
            };
        };
        if self.media_types.is_empty() {
            return Ok(None);
        }
        let name = essence(given).to_ascii_lowercase();
        let covering = self.covering(&name);
        let Some(media_type) = covering else {
            return Err(format!("`{}` is not declared", excerpt::text(given)));
        };
        // RFC 8259 §8.1: JSON is UTF-8.
        match charset(given) {
            Some(charset) if media_type.is_json && !charset.eq_ignore_ascii_case("utf-8") => {
                Err(format!("JSON in the charset `{}`", excerpt::text(charset)))
            }
            _ => Ok(Some(media_type)),
        }
    }

    fn covering(&self, name: &str) -> Option<&MediaTypeRule> {
        let find = |range: &str| self.media_types.iter().find(|media_type| media_type.range == range);
        if let Some(same) = find(name) {
            return Some(same);
        }
        // A document that says `application/*+json` means every JSON by its suffix.
        if name.ends_with("+json")
            && let Some(suffix) = find("application/*+json")
        {
            return Some(suffix);
        }
        // A range holds no asterisk of the caller's: `a/*` as a Content-Type names nothing.
        let (kind, subtype) = name.split_once('/')?;
        if kind.is_empty() || subtype.is_empty() || name.contains('*') {
            return None;
        }
        let range =
            self.media_types.iter().find(|media_type| media_type.range.strip_suffix("/*") == Some(kind));
        range.or_else(|| find("*/*"))
    }
}

fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

fn refused(condition: Condition, cause: String) -> Content {
    Content::Refused(ContentProblem { condition, cause })
}
