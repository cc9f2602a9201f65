//! The operator's rules in CEL: compiled when they are loaded, evaluated per request.
//!
//! `language` defines a subset of CEL with bounded cost: no nested loops, only literal patterns, and lists of limited
//! length. `lint` checks each rule against it, and against the types that the document declares for `params` and
//! `body` (`declarations`): a rule that no valid request can satisfy is an error.

mod declarations;
mod functions;
mod infer;
mod inputs;
mod kind;
mod language;
mod lint;
mod operators;
mod optional;
mod pattern;
mod prepared;
mod span;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cel::Context;
use cel::common::ast::IdedExpr;
use cel::common::types::CelBool;
use demur_contract::Value;
use demur_source::{Diagnostics, Source, Span};

pub use declarations::Declarations;
pub use inputs::{RuleInputs, Uses, Variable};

use inputs::{RuleMember, RuleScope};
use language::{HAS, MEMBER};
use prepared::Prepared;
use span::RuleSpans;

/// The maximum number of characters of an error text, which may quote the request.
const MAX_CAUSE: usize = 300;

/// A compiled expression. It is `Send + Sync`, and shared by all requests.
pub struct Expression {
    text: String,
    root: IdedExpr,
    prepared: Vec<Prepared>,
    members: Vec<RuleMember>,
    uses: Uses,
    unguarded: Vec<String>,
}

impl Expression {
    /// Compiles an expression of any type, for a parameter of an error.
    ///
    /// Returns `None` if it has errors, which are added to `diagnostics` with their positions in the text if
    /// possible.
    ///
    /// `span` is the span of the text in `source`, with or without quotes.
    pub fn compile(
        text: &str,
        declarations: &Declarations<'_>,
        source: &Arc<Source>,
        span: Span,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        Self::read(text, declarations, false, &mut RuleSpans::new(text, source, span, diagnostics))
    }

    /// Compiles a condition. An expression that cannot be a boolean is an error.
    pub fn compile_condition(
        text: &str,
        declarations: &Declarations<'_>,
        source: &Arc<Source>,
        span: Span,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        Self::read(text, declarations, true, &mut RuleSpans::new(text, source, span, diagnostics))
    }

    fn read(
        text: &str,
        declarations: &Declarations<'_>,
        is_condition: bool,
        spans: &mut RuleSpans<'_>,
    ) -> Option<Self> {
        let (mut root, positions) = language::parse(text, spans)?;
        let unguarded = optional::unguarded(&root, declarations);
        let checked = lint::check(&mut root, &positions, declarations, is_condition, spans)?;
        let lint::CheckedExpression { uses, prepared, members } = checked;
        Some(Self { text: text.to_owned(), root, prepared, members, uses, unguarded })
    }

    /// The text of the expression.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Members of `params` and `body` that it reads although a valid request may be without them, and that it never
    /// tests with `has`: `params.n`.
    pub fn unguarded(&self) -> &[String] {
        &self.unguarded
    }

    /// The variables it uses.
    pub fn uses(&self) -> Uses {
        self.uses
    }

    /// The members of variables it uses by name, such as `body` and `start` for `body.start`.
    pub fn members(&self) -> impl Iterator<Item = (Variable, &str)> {
        self.members.iter().map(|member| (member.variable, member.name.as_str()))
    }

    /// Evaluates a condition.
    pub fn evaluate(&self, inputs: &RuleInputs<'_>) -> Result<bool, RuleFailure> {
        let scope = self.scope(inputs);
        let mut context = Context::with_env(language::environment());
        context.set_variable_resolver(&scope);
        let value =
            cel::Value::resolve_val(&self.root, &context).map_err(|error| self.failure(&error, &scope))?;
        match value.downcast_ref::<CelBool>() {
            Some(holds) => Ok(*holds.inner()),
            None => Err(RuleFailure::NotBoolean { actual: value.get_type().name().to_owned() }),
        }
    }

    fn scope<'s, 'a>(&'s self, inputs: &'s RuleInputs<'a>) -> RuleScope<'s, 'a> {
        RuleScope {
            inputs,
            prepared: &self.prepared,
            members: &self.members,
            is_exceeded: AtomicBool::new(false),
        }
    }

    fn failure(&self, error: &cel::ExecutionError, scope: &RuleScope<'_, '_>) -> RuleFailure {
        if scope.is_exceeded.load(Ordering::Relaxed) {
            return RuleFailure::Evaluation { cause: "a value is too large to be evaluated".to_owned() };
        }
        // `body.start` was rewritten to a variable of its own.
        let text = error.to_string();
        let missing = self.members.iter().enumerate().rev().find(|(number, _)| {
            let number = number.to_string();
            [MEMBER, HAS].iter().any(|prefix| text.contains(&format!("{prefix}{number}")))
        });
        match missing {
            Some((_, member)) => {
                let cause = format!("`{}` has no member `{}`", member.variable.name(), member.name);
                RuleFailure::Evaluation { cause }
            }
            None => failure(&text),
        }
    }

    /// Evaluates the expression to a parameter of an error: a string, an integer, or a list of strings.
    pub fn evaluate_value(&self, inputs: &RuleInputs<'_>) -> Result<Value, RuleFailure> {
        let scope = self.scope(inputs);
        let mut context = Context::with_env(language::environment());
        context.set_variable_resolver(&scope);
        let value =
            cel::Value::resolve(&self.root, &context).map_err(|error| self.failure(&error, &scope))?;
        let not_showable = || RuleFailure::NotDisplayable { actual: value.type_of().to_string() };
        Ok(match &value {
            cel::Value::Int(whole) => Value::Int(*whole),
            cel::Value::List(items) => {
                Value::List(items.iter().map(display).collect::<Option<_>>().ok_or_else(not_showable)?)
            }
            other => Value::Text(display(other).ok_or_else(not_showable)?),
        })
    }
}

/// Formats a scalar for a message.
fn display(value: &cel::Value) -> Option<String> {
    Some(match value {
        cel::Value::Int(whole) => whole.to_string(),
        cel::Value::UInt(whole) => whole.to_string(),
        cel::Value::Float(number) => number.to_string(),
        cel::Value::Bool(flag) => flag.to_string(),
        cel::Value::String(text) => text.as_ref().clone(),
        cel::Value::Timestamp(moment) => moment.to_rfc3339(),
        cel::Value::Duration(duration) => format!("{}s", duration.num_seconds()),
        cel::Value::Null
        | cel::Value::Bytes(_)
        | cel::Value::List(_)
        | cel::Value::Map(_)
        | cel::Value::Function(..)
        | cel::Value::Opaque(_)
        | cel::Value::Struct(_) => return None,
    })
}

fn failure(text: &str) -> RuleFailure {
    let mut cause: String = text.chars().take(MAX_CAUSE).collect();
    if cause.len() < text.len() {
        cause.push('…');
    }
    RuleFailure::Evaluation { cause }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

/// Why a rule could not be evaluated. The text may quote the request: it must only be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleFailure {
    /// The evaluation failed: a missing member, an invalid date, an overflow.
    Evaluation {
        /// The error of the CEL interpreter.
        cause: String,
    },
    /// The result of a condition is not a boolean.
    NotBoolean {
        /// The type of the result.
        actual: String,
    },
    /// The result cannot be shown in a message, such as a map.
    NotDisplayable {
        /// The type of the result.
        actual: String,
    },
}

impl fmt::Display for RuleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleFailure::Evaluation { cause } => write!(f, "rule could not be evaluated: {cause}"),
            RuleFailure::NotBoolean { actual } => write!(f, "rule must evaluate to a boolean, not {actual}"),
            RuleFailure::NotDisplayable { actual } => {
                write!(f, "a value of type {actual} cannot be shown in a message")
            }
        }
    }
}

impl std::error::Error for RuleFailure {}
