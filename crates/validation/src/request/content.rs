//! The content of a request: its media type, its value, its schema.

use std::sync::Arc;

use demur_contract::{Condition, Location, Value as Limit, Violation};
use serde_json::Value;

use super::json::{self, JsonProblem};
use super::keyword::judge;
use super::violations::{Subject, Violations};
use super::{Content, ContentProblem, excerpt, form, multipart};
use crate::DocumentOptions;
use crate::document::{Encoding, MediaKind, essence};
use crate::schema::{Schema, Shape};

/// The content that an operation takes, compiled.
pub(crate) struct ContentRule {
    pub(crate) required: bool,
    pub(crate) media_types: Vec<MediaTypeRule>,
}

/// One media type of it.
pub(crate) struct MediaTypeRule {
    /// `application/json`, `image/*`, `*/*`; in lower case.
    pub(crate) range: String,
    pub(crate) kind: MediaKind,
    /// What is passed as it is has none.
    pub(crate) schema: Option<Arc<Schema>>,
    /// How a form's texts become values.
    pub(crate) shape: Shape,
    pub(crate) encodings: Vec<Encoding>,
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
    let Some(media_type) = media_type else {
        return Content::Checked { value: None, violations: Vec::new() };
    };
    let value = match media_type.read(content_type.unwrap_or_default(), bytes, options.max_depth) {
        Ok(Some(value)) => value,
        Ok(None) => return Content::Checked { value: None, violations: Vec::new() },
        Err(unread) => return unread,
    };
    let mut violations = Violations::default();
    if let Some(schema) = &media_type.schema {
        judge(schema, &value, Subject::Content, &mut violations);
    }
    Content::Checked { value: Some(value), violations: violations.finish(options.max_violations) }
}

impl MediaTypeRule {
    /// The value; `None` where content is not looked into. `Err` is the answer then. `max_depth` is how deep JSON may nest.
    fn read(&self, content_type: &str, bytes: &[u8], max_depth: usize) -> Result<Option<Value>, Content> {
        let text = || {
            let unreadable = |_| refused(Condition::BodyUnreadable, "the content is not UTF-8".to_owned());
            std::str::from_utf8(bytes).map_err(unreadable)
        };
        Ok(Some(match self.kind {
            MediaKind::Other => return Ok(None),
            MediaKind::Json => json::read(bytes, max_depth).map_err(|problem| match problem {
                JsonProblem::TooDeep => {
                    refused(Condition::BodyTooDeep, format!("nested deeper than {max_depth} levels"))
                }
                JsonProblem::Invalid(cause) => refused(Condition::BodyInvalidJson, cause),
            })?,
            // Without a schema nobody asks what it says.
            _ if self.schema.is_none() => return Ok(None),
            MediaKind::Text => Value::String(text()?.to_owned()),
            MediaKind::Form => {
                form::urlencoded(text()?, &self.shape, &self.encodings).map_err(|raw| undecodable(&raw))?
            }
            MediaKind::Multipart => {
                let unreadable = |cause: &str| refused(Condition::BodyUnreadable, cause.to_owned());
                let boundary = multipart::boundary(content_type)
                    .ok_or_else(|| unreadable("the Content-Type names no boundary"))?;
                let parts = multipart::read(bytes, &boundary).map_err(unreadable)?;
                form::multipart(&parts, &self.shape, &self.encodings)
            }
        }))
    }
}

/// Broken percent-encoding in a form.
fn undecodable(raw: &str) -> Content {
    let violation = Violation {
        condition: Condition::ParamFormatOther,
        location: Location::Body,
        param: String::new(),
        pointer: String::new(),
        value: Some(excerpt::text(raw)),
        limit: Some(Limit::Text("percent-encoding".to_owned())),
        allowed: Vec::new(),
    };
    Content::Checked { value: None, violations: vec![violation] }
}

/// No content at all, whatever its type is said to be.
fn absent(rule: &ContentRule) -> Content {
    let expects_json = rule.media_types.iter().any(|media_type| media_type.kind == MediaKind::Json);
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
        let Some(media_type) = covering(&self.media_types, &name) else {
            return Err(format!("`{}` is not declared", excerpt::text(given)));
        };
        // RFC 8259 §8.1: JSON is UTF-8.
        match charset(given) {
            Some(charset)
                if media_type.kind != MediaKind::Other && !charset.eq_ignore_ascii_case("utf-8") =>
            {
                Err(format!("content in the charset `{}`", excerpt::text(charset)))
            }
            _ => Ok(Some(media_type)),
        }
    }
}

/// The media type that covers a name: the same, else its range, else any.
pub(super) fn covering<'m>(media_types: &'m [MediaTypeRule], name: &str) -> Option<&'m MediaTypeRule> {
    let find = |range: &str| media_types.iter().find(|media_type| media_type.range == range);
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
    let range = media_types.iter().find(|media_type| media_type.range.strip_suffix("/*") == Some(kind));
    range.or_else(|| find("*/*"))
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
