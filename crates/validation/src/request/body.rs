//! The content of a request: its media type, its value, its schema.

use std::sync::Arc;

use demur_contract::{Condition, Location, Value as Limit, Violation};
use http::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;

use super::header_value::{HeaderValue, is_token};
use super::json::{self, JsonProblem};
use super::keyword::validate;
use super::style::PartEncoding;
use super::style_decode::DecodeError;
use super::violations::{Subject, Violations};
use super::{Aliases, BodyProblem, CheckedBody, MAX_FIELDS, excerpt, form, multipart};
use crate::DocumentOptions;
use crate::media_type::{MediaKind, essence};
use crate::schema::{Schema, ValueShape};
use crate::tree::join;

/// The content that an operation takes, compiled.
pub(crate) struct BodyRule {
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
    pub(crate) shape: ValueShape,
    /// The names of a form's fields, for those that servers take for one of them.
    pub(crate) names: Aliases,
    pub(crate) encodings: Vec<PartEncoding>,
}

pub(crate) fn check_body(
    options: &DocumentOptions,
    rule: &BodyRule,
    content_type: Option<&str>,
    bytes: &[u8],
) -> CheckedBody {
    if bytes.is_empty() {
        return absent_body(rule);
    }
    let media_type = match rule.media_type(content_type) {
        Ok(media_type) => media_type,
        Err(cause) => return rejected(Condition::BodyUnsupportedMediaType, cause),
    };
    let Some(media_type) = media_type else {
        return CheckedBody::Checked { value: None, violations: Vec::new() };
    };
    let value = match media_type.read(content_type, bytes, options.max_depth) {
        Ok(Some(value)) => value,
        Ok(None) => return CheckedBody::Checked { value: None, violations: Vec::new() },
        Err(unread) => return unread,
    };
    let mut violations = Violations::default();
    if let Some(schema) = &media_type.schema {
        validate(schema, &value, Subject::Body, &mut violations);
    }
    CheckedBody::Checked { value: Some(value), violations: violations.finish(options.max_violations) }
}

impl MediaTypeRule {
    /// The value; `None` where content is not looked into. `Err` is the answer then. `max_depth` is how deep JSON may nest.
    fn read(
        &self,
        content_type: Option<&str>,
        bytes: &[u8],
        max_depth: usize,
    ) -> Result<Option<Value>, CheckedBody> {
        let unreadable = |cause: &str| rejected(Condition::BodyUnreadable, cause.to_owned());
        let form = form::FormRule { shape: &self.shape, names: &self.names, encodings: &self.encodings };
        let text = || std::str::from_utf8(bytes).map_err(|_| unreadable("the content is not UTF-8"));
        Ok(Some(match self.kind {
            MediaKind::Other => return Ok(None),
            MediaKind::Json => json::read(bytes, max_depth).map_err(|problem| match problem {
                JsonProblem::TooDeep => {
                    rejected(Condition::BodyTooDeep, format!("nested deeper than {max_depth} levels"))
                }
                JsonProblem::Invalid(cause) => rejected(Condition::BodyInvalidJson, cause),
            })?,
            // Without a schema nobody asks what it says.
            _ if self.schema.is_none() => return Ok(None),
            MediaKind::Text => Value::String(text()?.to_owned()),
            MediaKind::Form => {
                form_content_type(content_type)?;
                form.urlencoded(text()?).map_err(|fault| fault.into_checked_body())?
            }
            MediaKind::Multipart => {
                let boundary = multipart::boundary(&form_content_type(content_type)?).map_err(unreadable)?;
                let parts = multipart::read(bytes, boundary).map_err(unreadable)?;
                form.multipart(&parts).map_err(|fault| fault.into_checked_body())?
            }
        }))
    }
}

/// The Content-Type of a form. Servers parse no form without one, Tomcat none whose type is not in lower case, and they
/// differ in what they make of a malformed one.
fn form_content_type(content_type: Option<&str>) -> Result<HeaderValue<'_>, CheckedBody> {
    let parsed = content_type.and_then(HeaderValue::parse).filter(|parsed| {
        let is_extended = parsed.parameters().iter().any(|parameter| parameter.name.contains('*'));
        !is_extended && !parsed.value.contains(|c: char| c.is_ascii_uppercase())
    });
    let cause = "the Content-Type of a form is absent, malformed or not in lower case";
    parsed.ok_or_else(|| rejected(Condition::BodyUnsupportedMediaType, cause.to_owned()))
}

/// The names of the fields of the form that a request says it has.
pub(super) fn form_names<'c>(rule: &'c BodyRule, headers: &HeaderMap) -> Option<&'c Aliases> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = rule.media_type(Some(content_type)).ok()??;
    let is_form = matches!(media_type.kind, MediaKind::Form | MediaKind::Multipart);
    (is_form && !media_type.names.is_empty()).then_some(&media_type.names)
}

impl form::FormFault {
    fn into_checked_body(self) -> CheckedBody {
        let (condition, param, value, limit) = match self {
            form::FormFault::Unreadable(cause) => {
                return rejected(Condition::BodyUnreadable, cause.to_owned());
            }
            form::FormFault::DecodeError(DecodeError { raw, rule }) => {
                (Condition::ParamFormatOther, String::new(), raw, Some(Limit::Text(rule.to_owned())))
            }
            form::FormFault::Ambiguous(name) => (Condition::ParamUnknown, name, String::new(), None),
            form::FormFault::TooMany => {
                let limit = i64::try_from(MAX_FIELDS).ok().map(Limit::Int);
                (Condition::ParamCountMax, String::new(), String::new(), limit)
            }
        };
        let param = excerpt::text(&param);
        let pointer = if param.is_empty() { String::new() } else { join("", &param) };
        let value = Some(excerpt::text(&value));
        let location = Location::Body;
        let violation = Violation { condition, location, param, pointer, value, limit, allowed: Vec::new() };
        CheckedBody::Checked { value: None, violations: vec![violation] }
    }
}

/// No content at all, whatever its type is said to be.
fn absent_body(rule: &BodyRule) -> CheckedBody {
    let expects_json = rule.media_types.iter().any(|media_type| media_type.kind == MediaKind::Json);
    match (rule.required, expects_json) {
        (false, _) => CheckedBody::Checked { value: None, violations: Vec::new() },
        (true, true) => rejected(Condition::BodyInvalidJson, "the content is empty".to_owned()),
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
            CheckedBody::Checked { value: None, violations: vec![violation] }
        }
    }
}

impl BodyRule {
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
        let Some(media_type) = best_match(&self.media_types, &name) else {
            return Err(format!("`{}` is not declared", excerpt::text(given)));
        };
        // RFC 8259 §8.1: JSON is UTF-8.
        let other = charsets(given).find(|charset| !charset.eq_ignore_ascii_case("utf-8"));
        match other.filter(|_| media_type.kind != MediaKind::Other) {
            Some(charset) => Err(format!("content in the charset `{}`", excerpt::text(charset))),
            None => Ok(Some(media_type)),
        }
    }
}

/// The media type that covers a name: the same, else its range, else any.
pub(super) fn best_match<'m>(media_types: &'m [MediaTypeRule], name: &str) -> Option<&'m MediaTypeRule> {
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
    // A range holds no asterisk of the caller's: `a/*` as a Content-Type names nothing. Nor does what is no media type,
    // of which some servers read the beginning.
    let (kind, subtype) = name.split_once('/')?;
    if !is_token(kind) || !is_token(subtype) || name.contains('*') {
        return None;
    }
    let range = media_types.iter().find(|media_type| media_type.range.strip_suffix("/*") == Some(kind));
    range.or_else(|| find("*/*"))
}

/// Every charset that a Content-Type names.
fn charsets(content_type: &str) -> impl Iterator<Item = &str> {
    content_type.split(';').skip(1).filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

fn rejected(condition: Condition, cause: String) -> CheckedBody {
    CheckedBody::Rejected(BodyProblem { condition, cause })
}
