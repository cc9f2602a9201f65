//! Checks the body of a request: its media type, syntax and schema.

use std::sync::Arc;

use demur_contract::{Condition, Location, Value as Limit, Violation};
use http::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;

use super::aliases::Aliases;
use super::header_value::{HeaderValue, is_token};
use super::json::{self, JsonError};
use super::keyword::validate;
use super::query_pairs::MAX_FIELDS;
use super::results::{BodyProblem, CheckedBody};
use super::style::PartEncoding;
use super::style_decode::DecodeError;
use super::text::scalar;
use super::violations::{Subject, Violations};
use super::{excerpt, form, multipart};
use crate::DocumentOptions;
use crate::acceptor::Acceptor;
use crate::media_type::{MediaKind, essence};
use crate::schema::{Schema, ValueShape};
use crate::tree::join;

/// The compiled body of an operation.
pub(crate) struct BodyRule {
    pub(crate) required: bool,
    pub(crate) media_types: Vec<MediaTypeRule>,
}

/// A compiled media type.
pub(crate) struct MediaTypeRule {
    /// In lower case: `application/json`, `image/*`, `*/*`.
    pub(crate) range: String,
    pub(crate) kind: MediaKind,
    /// `None` if the body is not validated.
    pub(crate) schema: Option<Arc<Schema>>,
    /// How the strings of a form or a text are parsed.
    pub(crate) shape: ValueShape,
    /// Other ways to read the same text.
    pub(crate) alternatives: Vec<ValueShape>,
    /// The names of a form, to detect names that servers read as one of these.
    pub(crate) names: Aliases,
    pub(crate) encodings: Vec<PartEncoding>,
    /// Accepts valid JSON without a tree.
    pub(crate) acceptor: Option<Acceptor>,
}

/// Whether a JSON body is valid, without a tree of its values. `false` says nothing.
pub(crate) fn accepts_body(
    options: &DocumentOptions,
    rule: &BodyRule,
    content_type: Option<&str>,
    bytes: &[u8],
) -> bool {
    let media_type = rule.media_type(content_type).ok().flatten();
    let acceptor = media_type.and_then(|media_type| media_type.acceptor.as_ref());
    acceptor.is_some_and(|acceptor| acceptor.accepts(bytes, options.max_depth))
}

pub(crate) fn check_body(
    options: &DocumentOptions,
    rule: &BodyRule,
    content_type: Option<&str>,
    bytes: &[u8],
) -> CheckedBody {
    if bytes.is_empty() && !rule.is_empty_form(content_type) {
        return absent_body(rule);
    }
    let media_type = match rule.media_type(content_type) {
        Ok(media_type) => media_type,
        Err(cause) => return rejected(Condition::BodyUnsupportedMediaType, cause),
    };
    let Some(media_type) = media_type else {
        return CheckedBody::Checked { value: None, violations: Vec::new() };
    };
    let mut value = match media_type.read(&media_type.shape, content_type, bytes, options.max_depth) {
        Ok(Some(value)) => value,
        Ok(None) => return CheckedBody::Checked { value: None, violations: Vec::new() },
        Err(unread) => return unread,
    };
    let mut violations = Violations::default();
    if let Some(schema) = &media_type.schema
        && !schema.is_valid(&value)
    {
        for shape in &media_type.alternatives {
            if let Ok(Some(other)) = media_type.read(shape, content_type, bytes, options.max_depth) {
                value = better_reading(schema, value, other);
            }
        }
        if bytes.is_empty() && !rule.required && !schema.is_valid(&value) {
            // An optional form without fields is absent.
            return CheckedBody::Checked { value: None, violations: Vec::new() };
        }
        validate(schema, &value, Subject::Body, &mut violations);
    }
    CheckedBody::Checked { value: Some(value), violations: violations.finish(options.max_violations) }
}

impl MediaTypeRule {
    /// Parses the body; `None` if bodies of this type are not parsed. `max_depth` limits the nesting of JSON.
    fn read(
        &self,
        shape: &ValueShape,
        content_type: Option<&str>,
        bytes: &[u8],
        max_depth: usize,
    ) -> Result<Option<Value>, CheckedBody> {
        let unreadable = |cause: &str| rejected(Condition::BodyUnreadable, cause.to_owned());
        let form = form::FormRule { shape, names: &self.names, encodings: &self.encodings };
        let text = || std::str::from_utf8(bytes).map_err(|_| unreadable("the body is not UTF-8"));
        Ok(Some(match self.kind {
            MediaKind::Other => return Ok(None),
            MediaKind::Json => json::read(bytes, max_depth).map_err(|problem| match problem {
                JsonError::TooDeep => {
                    rejected(Condition::BodyTooDeep, format!("nested deeper than {max_depth} levels"))
                }
                JsonError::Invalid(cause) => rejected(Condition::BodyInvalidJson, cause),
            })?,
            // Without a schema, the value is not needed.
            _ if self.schema.is_none() => return Ok(None),
            MediaKind::Text => scalar(text()?, shape.types),
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

/// The most members that are tried in another reading.
const MAX_TRIALS: usize = 64;

/// The value, with those members of another reading that have fewer errors.
fn better_reading(schema: &Schema, value: Value, other: Value) -> Value {
    if schema.is_valid(&value) || !schema.within_budget(&value) {
        return value;
    }
    if schema.is_valid(&other) {
        return other;
    }
    let (Value::Object(mut members), Value::Object(others)) = (value.clone(), other) else { return value };
    let mut best = schema.errors(&value).count();
    let differs = |(name, other): &(String, Value)| members.get(name) != Some(other);
    let trials: Vec<(String, Value)> = others.into_iter().filter(differs).take(MAX_TRIALS).collect();
    for (name, other) in trials {
        let Some(before) = members.insert(name.clone(), other) else { continue };
        let trial = Value::Object(members);
        let count = schema.errors(&trial).count();
        let Value::Object(back) = trial else { return value };
        members = back;
        if count < best {
            best = count;
        } else {
            members.insert(name, before);
        }
    }
    Value::Object(members)
}

/// Parses the Content-Type of a form. Servers parse no form without one, Tomcat none that is not in lower case, and
/// they differ in how they read a malformed one.
fn form_content_type(content_type: Option<&str>) -> Result<HeaderValue<'_>, CheckedBody> {
    let parsed = content_type.and_then(HeaderValue::parse).filter(|parsed| {
        let is_extended = parsed.parameters().iter().any(|parameter| parameter.name.contains('*'));
        !is_extended && !parsed.value.contains(|c: char| c.is_ascii_uppercase())
    });
    let cause = "the Content-Type of a form is missing, malformed or not in lower case";
    parsed.ok_or_else(|| rejected(Condition::BodyUnsupportedMediaType, cause.to_owned()))
}

/// The names of the form that the Content-Type of a request announces.
pub(super) fn form_names<'c>(rule: &'c BodyRule, headers: &HeaderMap) -> Option<&'c Aliases> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = rule.media_type(Some(content_type)).ok()??;
    let is_form = matches!(media_type.kind, MediaKind::Form | MediaKind::Multipart);
    (is_form && !media_type.names.is_empty()).then_some(&media_type.names)
}

impl form::FormError {
    fn into_checked_body(self) -> CheckedBody {
        let (condition, param, value, limit) = match self {
            form::FormError::Unreadable(cause) => {
                return rejected(Condition::BodyUnreadable, cause.to_owned());
            }
            form::FormError::DecodeError(DecodeError { raw, rule }) => {
                (Condition::ParamFormatOther, String::new(), raw, Some(Limit::Text(rule.to_owned())))
            }
            form::FormError::Ambiguous(name) => (Condition::ParamUnknown, name, String::new(), None),
            form::FormError::MediaType { name, given, declared } => {
                (Condition::ParamFormatOther, name, given, Some(Limit::Text(declared)))
            }
            form::FormError::TooMany => {
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

/// The result for an empty body, whatever its Content-Type.
fn absent_body(rule: &BodyRule) -> CheckedBody {
    match rule.required {
        false => CheckedBody::Checked { value: None, violations: Vec::new() },
        true => rejected(Condition::BodyMissing, "the body is empty".to_owned()),
    }
}

impl BodyRule {
    /// Whether a body without bytes is a form without fields: `{}`.
    fn is_empty_form(&self, content_type: Option<&str>) -> bool {
        let is_form = |media_type: &MediaTypeRule| media_type.kind == MediaKind::Form;
        content_type.is_some() && self.media_type(content_type).is_ok_and(|found| found.is_some_and(is_form))
    }

    /// The declared media type for a Content-Type: the same type, else its range, else `*/*`. `Ok(None)` if none is
    /// declared. The error is the cause of the rejection.
    fn media_type(&self, content_type: Option<&str>) -> Result<Option<&MediaTypeRule>, String> {
        let given = content_type.map(str::trim).filter(|given| !given.is_empty());
        let Some(given) = given else {
            // Without a Content-Type, the only declared media type is assumed.
            return match self.media_types.as_slice() {
                [] => Ok(None),
                [single] => Ok(Some(single)),
                _ => Err("missing Content-Type, and the operation declares several media types".to_owned()),
            };
        };
        if self.media_types.is_empty() {
            return Ok(None);
        }
        let name = essence(given).to_ascii_lowercase();
        let Some(media_type) = best_match(&self.media_types, &name) else {
            return Err(format!("media type `{}` is not declared", excerpt::text(given)));
        };
        // JSON is UTF-8 (RFC 8259, section 8.1).
        let other = charsets(given).find(|charset| !charset.eq_ignore_ascii_case("utf-8"));
        match other.filter(|_| media_type.kind != MediaKind::Other) {
            Some(charset) => Err(format!("charset `{}` is not UTF-8", excerpt::text(charset))),
            None => Ok(Some(media_type)),
        }
    }
}

/// The media type that covers a name: the same type, else its range, else `*/*`.
pub(super) fn best_match<'m>(media_types: &'m [MediaTypeRule], name: &str) -> Option<&'m MediaTypeRule> {
    let find = |range: &str| media_types.iter().find(|media_type| media_type.range == range);
    if let Some(same) = find(name) {
        return Some(same);
    }
    // `application/*+json` is no valid range, but documents use it.
    if name.ends_with("+json")
        && let Some(suffix) = find("application/*+json")
    {
        return Some(suffix);
    }
    // A Content-Type with an asterisk matches no range. Neither does a malformed type, of which some servers read
    // only the beginning.
    let (kind, subtype) = name.split_once('/')?;
    if !is_token(kind) || !is_token(subtype) || name.contains('*') {
        return None;
    }
    let range = media_types.iter().find(|media_type| media_type.range.strip_suffix("/*") == Some(kind));
    range.or_else(|| find("*/*"))
}

/// All charset parameters of a Content-Type.
fn charsets(content_type: &str) -> impl Iterator<Item = &str> {
    content_type.split(';').skip(1).filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

fn rejected(condition: Condition, cause: String) -> CheckedBody {
    CheckedBody::Rejected(BodyProblem { condition, cause })
}
