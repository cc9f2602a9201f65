//! What a rule can speak of, built only when it is spoken of, and then shared by all rules of the request.

use std::collections::HashMap;
use std::sync::OnceLock;

use cel::common::types::CelUInt;
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelTimestamp,
};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::Value;

use super::language::{PATTERN, Pattern};

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

    /// The variable of that name.
    pub fn named(name: &str) -> Option<Variable> {
        Variable::ALL.into_iter().find(|variable| variable.name() == name)
    }

    /// Its members, where they do not depend on the document: whoever provides the variable gives these.
    pub fn members(self) -> Option<&'static [&'static str]> {
        match self {
            Variable::Request => Some(&["method", "path", "headers"]),
            Variable::Key => Some(&["id", "scopes", "resources", "operations"]),
            Variable::Account => Some(&["id", "name"]),
            Variable::Plan => Some(&["name", "features"]),
            Variable::Now => Some(&[]),
            Variable::Params | Variable::Body => None,
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

    pub(super) fn insert(&mut self, variable: Variable) {
        self.0 |= 1 << variable as u8;
    }
}

/// The variables of one request. Each is asked for when a rule first mentions it, and then kept.
pub struct RuleInputs<'a> {
    now: jiff::Timestamp,
    /// Parallel to [`Variable::ALL`].
    slots: [Slot<'a>; Variable::ALL.len()],
}

#[derive(Default)]
struct Slot<'a> {
    provider: Provider<'a>,
    built: OnceLock<Box<dyn Val + 'a>>,
}

#[derive(Default)]
enum Provider<'a> {
    #[default]
    Absent,
    Lent(&'a Value),
    Made(Box<dyn Fn() -> Value + Send + Sync + 'a>),
}

impl<'a> RuleInputs<'a> {
    /// Nothing but the time; a variable that is not provided is null.
    pub fn new(now: jiff::Timestamp) -> Self {
        Self { now, slots: Default::default() }
    }

    /// Says how a variable is made when it is needed. `now` is given by [`RuleInputs::new`] only.
    #[must_use]
    pub fn provide(mut self, variable: Variable, provider: impl Fn() -> Value + Send + Sync + 'a) -> Self {
        self.slots[variable as usize].provider = Provider::Made(Box::new(provider));
        self
    }

    /// Lends a value that is there already, such as the content.
    #[must_use]
    pub fn lend(mut self, variable: Variable, value: &'a Value) -> Self {
        self.slots[variable as usize].provider = Provider::Lent(value);
        self
    }

    fn value(&self, variable: Variable) -> &(dyn Val + 'a) {
        let slot = &self.slots[variable as usize];
        let built = slot.built.get_or_init(|| match (&slot.provider, variable) {
            (_, Variable::Now) => moment(self.now),
            (Provider::Absent, _) => Box::new(CelNull),
            (Provider::Lent(value), _) => lent(value),
            (Provider::Made(make), _) => made(make()),
        });
        built.as_ref()
    }
}

/// Nothing of the request is shown.
impl std::fmt::Debug for RuleInputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleInputs").field("now", &self.now).finish_non_exhaustive()
    }
}

/// What the names of one expression stand for.
pub(super) struct Scope<'s, 'a> {
    pub(super) inputs: &'s RuleInputs<'a>,
    pub(super) patterns: &'s [Pattern],
}

impl VariableResolver for Scope<'_, '_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if let Some(number) = name.strip_prefix(PATTERN) {
            let pattern = self.patterns.get(number.parse::<usize>().ok()?)?;
            return Some(CowVal::Borrowed(pattern));
        }
        Variable::named(name).map(|variable| CowVal::Borrowed(self.inputs.value(variable)))
    }
}

/// JSON as CEL sees it, its texts borrowed. Whole numbers are `int`, so that they add to literals.
fn lent<'a>(value: &'a Value) -> Box<dyn Val + 'a> {
    match value {
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(lent).collect::<Vec<_>>())),
        Value::Object(members) => {
            let entries = members.iter().map(|(name, value)| (CelMapKey::from(name.as_str()), lent(value)));
            Box::new(CelMap::from(entries.collect::<HashMap<_, _>>()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => plain(value),
    }
}

/// The same for a value that nobody else holds.
fn made<'a>(value: Value) -> Box<dyn Val + 'a> {
    match value {
        Value::String(text) => Box::new(CelString::from(text)),
        Value::Array(items) => Box::new(CelList::from(items.into_iter().map(made).collect::<Vec<_>>())),
        Value::Object(members) => {
            let entries = members.into_iter().map(|(name, value)| (CelMapKey::from(name), made(value)));
            Box::new(CelMap::from(entries.collect::<HashMap<_, _>>()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => plain(&value),
    }
}

fn plain<'a>(value: &Value) -> Box<dyn Val + 'a> {
    match value {
        Value::Bool(flag) => Box::new(CelBool::from(*flag)),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), _, _) => Box::new(CelInt::from(whole)),
            (None, Some(whole), _) => Box::new(CelUInt::from(whole)),
            (None, None, Some(float)) => Box::new(CelDouble::from(float)),
            (None, None, None) => Box::new(CelNull),
        },
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => Box::new(CelNull),
    }
}

fn moment<'a>(now: jiff::Timestamp) -> Box<dyn Val + 'a> {
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    match chrono::DateTime::from_timestamp(now.as_second(), nanoseconds) {
        Some(moment) => Box::new(CelTimestamp::from(moment.fixed_offset())),
        None => Box::new(CelNull),
    }
}
