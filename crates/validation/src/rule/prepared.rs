//! Precomputed values of an expression: constant patterns, dates and durations.
//!
//! The `cel` crate would compile and parse them for each request.

use cel::Context;
use cel::common::ast::IdedExpr;
use cel::common::types::{CelDuration, CelTimestamp};
use cel::common::value::Val;

use super::language::environment;
use super::pattern::RulePattern;

/// A precomputed value.
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

    /// The constant result of a call of `date`, `timestamp` or `duration`; `None` if it fails.
    pub(super) fn evaluate(call: &IdedExpr) -> Option<Self> {
        let context = Context::with_env(environment());
        let value = cel::Value::resolve_val(call, &context).ok()?;
        let moment = value.downcast_ref::<CelTimestamp>().cloned().map(Prepared::Timestamp);
        moment.or_else(|| value.downcast_ref::<CelDuration>().cloned().map(Prepared::Duration))
    }
}
