//! What an expression holds ready: patterns, dates and durations that are written out, read when it is loaded.
//!
//! The `cel` crate would compile a pattern at each `matches`, and read `duration('24h')` for each request.

use cel::Context;
use cel::common::ast::IdedExpr;
use cel::common::types::{CelDuration, CelTimestamp, Type};
use cel::common::value::{StaticVal, Val};

use super::language::environment;

/// As the schemas' patterns.
const PATTERN_SIZE_LIMIT: usize = 2 * 1024 * 1024;

/// A value that is the same for every request.
#[derive(Debug, Clone)]
pub(super) enum Prepared {
    Pattern(RulePattern),
    Timestamp(CelTimestamp),
    Duration(CelDuration),
}

impl Prepared {
    pub(super) fn value(&self) -> &dyn Val {
        match self {
            Prepared::Pattern(pattern) => pattern,
            Prepared::Timestamp(moment) => moment,
            Prepared::Duration(duration) => duration,
        }
    }

    /// The date or duration that a call gives whatever the request; `None` where it gives none.
    pub(super) fn evaluate(call: &IdedExpr) -> Option<Self> {
        let context = Context::with_env(environment());
        let value = cel::Value::resolve_val(call, &context).ok()?;
        let moment = value.downcast_ref::<CelTimestamp>().cloned().map(Prepared::Timestamp);
        moment.or_else(|| value.downcast_ref::<CelDuration>().cloned().map(Prepared::Duration))
    }
}

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub(super) struct RulePattern(regex::Regex);

static PATTERN_TYPE_STATIC: Type = PATTERN_TYPE;
pub(super) const PATTERN_TYPE: Type = Type::new_unspecified_type("pattern");

impl RulePattern {
    /// `Err` says why the pattern is refused.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        let compiled = regex::RegexBuilder::new(text).size_limit(PATTERN_SIZE_LIMIT).build();
        compiled.map(RulePattern).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
            // The last line says what; those before draw the place.
            other => {
                let text = other.to_string();
                text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
        })
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl Val for RulePattern {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &PATTERN_TYPE_STATIC
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

impl StaticVal for RulePattern {}
