//! Rules of the operator's own, in CEL: compiled when loaded, evaluated per request.
//!
//! The language is a declared subset (`language`), and `lint` holds each expression against it when it is
//! loaded, so that what an evaluation may cost is known before the first request: no loop within a loop, no
//! pattern that is not known beforehand, no list longer than a bound. What the document says of `params` and
//! `body` result the types (`declarations`), so that a rule which no request could satisfy is refused.

mod declarations;
mod functions;
mod infer;
mod inputs;
mod kind;
mod language;
mod lint;
mod operators;
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

/// The text of a failure may quote the request: it is cut at this many characters.
const MAX_CAUSE: usize = 300;

/// A compiled expression. It is `Send + Sync`, and shared by all requests.
pub struct Expression {
    text: String,
    root: IdedExpr,
    prepared: Vec<Prepared>,
    members: Vec<RuleMember>,
    uses: Uses,
}

impl Expression {
    /// Compiles an expression of any type, for a parameter of an error. `None` where it has mistakes, all
    /// of which are then in `diagnostics`, each at its place within the text where that can be told.
    ///
    /// `span` is where the text stands in `source`, with or without quotes.
    pub fn compile(
        text: &str,
        declarations: &Declarations<'_>,
        source: &Arc<Source>,
        span: Span,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        Self::read(text, declarations, false, &mut RuleSpans::new(text, source, span, diagnostics))
    }

    /// Compiles an expression that must be true or false; one that plainly never is gets refused.
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
        let checked = lint::check(&mut root, &positions, declarations, is_condition, spans)?;
        let lint::Checked { uses, prepared, members } = checked;
        Some(Self { text: text.to_owned(), root, prepared, members, uses })
    }

    /// The text that was compiled.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The variables that it mentions: no others are asked for.
    pub fn uses(&self) -> Uses {
        self.uses
    }

    /// The members of variables that it speaks of by name: `body.start` is `body` and `start`.
    pub fn members(&self) -> impl Iterator<Item = (Variable, &str)> {
        self.members.iter().map(|member| (member.variable, member.name.as_str()))
    }

    /// Whether the rule holds.
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
            return RuleFailure::Evaluation { cause: "it speaks of too large a value".to_owned() };
        }
        // What a rule calls `body.start` is a variable of its own by now.
        let text = error.to_string();
        let missing = self.members.iter().enumerate().rev().find(|(number, _)| {
            let number = number.to_string();
            [MEMBER, HAS].iter().any(|prefix| text.contains(&format!("{prefix}{number}")))
        });
        match missing {
            Some((_, member)) => {
                let cause = format!("no such key: {} of `{}`", member.name, member.variable.name());
                RuleFailure::Evaluation { cause }
            }
            None => failure(&text),
        }
    }

    /// The value, as a parameter of a message: text, a whole number, or a list of texts.
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

/// A scalar as a message shows it.
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

/// Why a rule gave no answer. The text may quote the request: it is for the journal, never for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleFailure {
    /// It could not be evaluated: a missing member, a text that is no date, an overflow.
    Evaluation {
        /// What CEL says.
        cause: String,
    },
    /// It should be true or false.
    NotBoolean {
        /// The type that it has.
        actual: String,
    },
    /// It has no form that a message could show, such as a map.
    NotDisplayable {
        /// The type that it has.
        actual: String,
    },
}

impl fmt::Display for RuleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleFailure::Evaluation { cause } => write!(f, "the rule could not be evaluated: {cause}"),
            RuleFailure::NotBoolean { actual } => write!(f, "the rule must be true or false, not {actual}"),
            RuleFailure::NotDisplayable { actual } => {
                write!(f, "a message cannot show the value: it is {actual}")
            }
        }
    }
}

impl std::error::Error for RuleFailure {}
