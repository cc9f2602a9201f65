//! Checks a response of the upstream against the document.
//!
//! A response is invalid if its status or media type is not declared, or if its body does not match the schema.

use std::fmt;
use std::sync::Arc;

use demur_contract::Violation;

use super::body::{MediaTypeRule, best_match};
use super::excerpt;
use super::json::{self, JsonError};
use super::keyword::validate;
use super::violations::{Subject, Violations};
use crate::DocumentOptions;
use crate::media_type::{MediaKind, essence};

/// The statuses of a declared response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusRange {
    /// `200`
    One(u16),
    /// `2XX`
    Class(u16),
    /// `default`
    Any,
}

impl StatusRange {
    /// Parses a key of `responses`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "default" {
            return Some(StatusRange::Any);
        }
        let class = text.strip_suffix("XX").or_else(|| text.strip_suffix("xx"));
        if let Some(class) = class {
            return class.parse().ok().filter(|class| (1..=5).contains(class)).map(StatusRange::Class);
        }
        text.parse().ok().filter(|status| (100..=599).contains(status)).map(StatusRange::One)
    }

    fn specificity(self, status: u16) -> Option<u8> {
        match self {
            StatusRange::One(one) => (one == status).then_some(2),
            StatusRange::Class(class) => (class == status / 100).then_some(1),
            StatusRange::Any => Some(0),
        }
    }

    /// Whether it declares successful responses.
    pub(crate) fn is_success(self) -> bool {
        match self {
            StatusRange::One(status) => (200..300).contains(&status),
            StatusRange::Class(class) => class == 2,
            StatusRange::Any => false,
        }
    }
}

/// As in the document.
impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatusRange::One(status) => status.fmt(f),
            StatusRange::Class(class) => write!(f, "{class}XX"),
            StatusRange::Any => f.write_str("default"),
        }
    }
}

/// A compiled response.
pub(crate) struct ResponseRule {
    pub(crate) status: StatusRange,
    pub(crate) media_types: Arc<[MediaTypeRule]>,
}

/// The result of checking a response.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseCheck {
    /// The response is as declared.
    Valid,
    /// The response is not as declared.
    Invalid(ResponseFault),
}

/// What is wrong with a response. For operators only, never sent to clients.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseFault {
    /// The status is not declared.
    Status(u16),
    /// The media type is not declared for this status.
    MediaType(String),
    /// The media type is JSON, but the body is not.
    Unreadable(String),
    /// The body does not match the schema.
    Schema(Vec<Violation>),
}

impl std::fmt::Display for ResponseFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ResponseFault::Status(status) => write!(f, "status {status} is not declared"),
            ResponseFault::MediaType(name) => write!(f, "media type `{name}` is not declared"),
            ResponseFault::Unreadable(cause) => f.write_str(cause),
            ResponseFault::Schema(violations) => {
                // Values are omitted: they may be secrets.
                for (number, violation) in violations.iter().enumerate() {
                    let comma = if number == 0 { "" } else { "; " };
                    let location = if violation.pointer.is_empty() { "body" } else { &violation.pointer };
                    write!(f, "{comma}{location}: {}", violation.condition)?;
                }
                Ok(())
            }
        }
    }
}

/// The most specific rule for a status.
pub(crate) fn rule_for(rules: &[ResponseRule], status: u16) -> Option<&ResponseRule> {
    let matching = rules.iter().filter_map(|rule| Some((rule.status.specificity(status)?, rule)));
    matching.max_by_key(|(specificity, _)| *specificity).map(|(_, rule)| rule)
}

pub(crate) fn check_response(
    options: &DocumentOptions,
    rules: &[ResponseRule],
    status: u16,
    content_type: Option<&str>,
    bytes: &[u8],
) -> ResponseCheck {
    let Some(rule) = rule_for(rules, status) else {
        return ResponseCheck::Invalid(ResponseFault::Status(status));
    };
    if bytes.is_empty() || rule.media_types.is_empty() {
        return ResponseCheck::Valid;
    }
    let name = essence(content_type.unwrap_or_default()).to_ascii_lowercase();
    let Some(media_type) = best_match(&rule.media_types, &name) else {
        return ResponseCheck::Invalid(ResponseFault::MediaType(excerpt::text(&name)));
    };
    if media_type.kind != MediaKind::Json {
        return ResponseCheck::Valid;
    }
    let value = match json::read(bytes, options.max_depth) {
        Ok(value) => value,
        // Responses may nest deeper than the limit for requests. They are not checked then.
        Err(JsonError::TooDeep) => return ResponseCheck::Valid,
        Err(JsonError::Invalid(cause)) => return ResponseCheck::Invalid(ResponseFault::Unreadable(cause)),
    };
    let mut violations = Violations::default();
    if let Some(schema) = &media_type.schema {
        validate(schema, &value, Subject::Body, &mut violations);
    }
    match violations.finish(options.max_violations) {
        none if none.is_empty() => ResponseCheck::Valid,
        violations => ResponseCheck::Invalid(ResponseFault::Schema(violations)),
    }
}
