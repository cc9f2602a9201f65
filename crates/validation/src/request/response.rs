//! An answer of the API behind, held against its document.
//!
//! Only what it declares counts as declared: a status that the document does not know, a media type that it
//! does not name, content that breaks its schema.

use std::sync::Arc;

use demur_contract::Violation;

use super::body::{MediaTypeRule, best_match};
use super::excerpt;
use super::json::{self, JsonProblem};
use super::keyword::validate;
use super::violations::{Subject, Violations};
use crate::DocumentOptions;
use crate::media_type::{MediaKind, essence};

/// Which statuses an answer is declared for.
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
    /// As a document writes it.
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

    /// Whether a success may be meant.
    pub(crate) fn is_success(self) -> bool {
        match self {
            StatusRange::One(status) => (200..300).contains(&status),
            StatusRange::Class(class) => class == 2,
            StatusRange::Any => false,
        }
    }
}

/// One declared answer, compiled.
pub(crate) struct ResponseRule {
    pub(crate) status: StatusRange,
    pub(crate) media_types: Arc<[MediaTypeRule]>,
}

/// What becomes of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseCheck {
    /// It is as declared.
    Valid,
    /// It is not.
    Invalid(ResponseFault),
}

/// What is wrong with an answer. For operators: callers are not told.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseFault {
    /// The document does not know the status.
    Status(u16),
    /// The document does not name the media type for this status.
    MediaType(String),
    /// It says that it is JSON, and is not.
    Unreadable(String),
    /// It breaks the schema.
    Schema(Vec<Violation>),
}

impl std::fmt::Display for ResponseFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ResponseFault::Status(status) => write!(f, "the document does not declare the status {status}"),
            ResponseFault::MediaType(name) => write!(f, "the document does not declare content in `{name}`"),
            ResponseFault::Unreadable(cause) => f.write_str(cause),
            ResponseFault::Schema(violations) => {
                // Values stay out: an answer may hold what no log should.
                for (number, violation) in violations.iter().enumerate() {
                    let comma = if number == 0 { "" } else { "; " };
                    let place = if violation.pointer.is_empty() { "the content" } else { &violation.pointer };
                    write!(f, "{comma}{place}: {}", violation.condition)?;
                }
                Ok(())
            }
        }
    }
}

/// The declared answer for a status.
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
        // Deeper than requests may be: that is no fault of an answer, and nothing is said of it.
        Err(JsonProblem::TooDeep) => return ResponseCheck::Valid,
        Err(JsonProblem::Invalid(cause)) => return ResponseCheck::Invalid(ResponseFault::Unreadable(cause)),
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
