//! What a rule can speak of, built only when it is spoken of.

use serde_json::Value;

/// A variable of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variable {
    /// `request`: `method`, `path`, and `headers` by lower-case name.
    Request,
    /// `params`: the declared parameters that are present, by name.
    Params,
    /// `body`: the JSON content; null where there is none.
    Body,
    /// `key`: `id`, `scopes`, `resources`, `operations`.
    Key,
    /// `account`: `id`, `name`.
    Account,
    /// `plan`: `name`, `features`.
    Plan,
    /// `now`: a timestamp.
    Now,
}

impl Variable {
    /// Every variable.
    pub const ALL: [Variable; 7] = [
        Variable::Request,
        Variable::Params,
        Variable::Body,
        Variable::Key,
        Variable::Account,
        Variable::Plan,
        Variable::Now,
    ];

    /// As a rule writes it.
    pub fn name(self) -> &'static str {
        match self {
            Variable::Request => "request",
            Variable::Params => "params",
            Variable::Body => "body",
            Variable::Key => "key",
            Variable::Account => "account",
            Variable::Plan => "plan",
            Variable::Now => "now",
        }
    }
}

/// A set of variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uses(u8);

impl Uses {
    /// Whether `variable` is among them.
    pub fn contains(self, variable: Variable) -> bool {
        self.0 & (1 << variable as u8) != 0
    }

    /// Those of both.
    pub fn union(self, other: Uses) -> Uses {
        Uses(self.0 | other.0)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The variables of one request. Each is asked for when a rule first mentions it, and then kept, so that
/// several rules share it.
pub struct RuleInputs<'a> {
    now: jiff::Timestamp,
    providers: Vec<(Variable, Box<dyn Fn() -> Value + Send + Sync + 'a>)>,
}

impl<'a> RuleInputs<'a> {
    /// Nothing but the time; a variable that is not provided is null.
    pub fn new(now: jiff::Timestamp) -> Self {
        Self { now, providers: Vec::new() }
    }

    /// Says how a variable is made when it is needed. `now` is given by [`RuleInputs::new`] only.
    pub fn provide(mut self, variable: Variable, provider: impl Fn() -> Value + Send + Sync + 'a) -> Self {
        let _ = self.now;
        self.providers.push((variable, Box::new(provider)));
        self
    }

    /// Lends a value that is there already, such as the content.
    pub fn lend(self, variable: Variable, value: &'a Value) -> Self {
        self.provide(variable, move || value.clone())
    }
}
