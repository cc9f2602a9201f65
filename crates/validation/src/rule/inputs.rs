//! The variables of rules, built on first use and shared by all rules of a request.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use cel::common::types::CelUInt;
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelTimestamp,
};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::{Map, Value};

use super::language::{HAS, MEMBER, PREPARED};
use super::prepared::Prepared;

/// The maximum number of values copied for an expression.
const MAX_VALUES: usize = 20_000;

/// A variable of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variable {
    /// `request`: `method`, `path`, and `headers` by lower-case name.
    Request,
    /// `params`: the declared parameters of the request, by name.
    Params,
    /// `body`: the JSON body, or null.
    Body,
    /// `key`: `id`, `scopes`, `metadata`, `resources`, `operations`.
    Key,
    /// `account`: `id`, `name`.
    Account,
    /// `plan`: `name`, `features`.
    Plan,
    /// `now`: a timestamp.
    Now,
}

impl Variable {
    /// All variables.
    pub const ALL: [Variable; 7] = [
        Variable::Request,
        Variable::Params,
        Variable::Body,
        Variable::Key,
        Variable::Account,
        Variable::Plan,
        Variable::Now,
    ];

    /// The name in rules.
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

    /// The variable with this name.
    pub fn from_name(name: &str) -> Option<Variable> {
        Variable::ALL.into_iter().find(|variable| variable.name() == name)
    }

    /// The members, unless they depend on the document. The provider of the variable must set exactly these.
    pub fn members(self) -> Option<&'static [&'static str]> {
        match self {
            Variable::Request => Some(&["method", "path", "headers"]),
            Variable::Key => Some(&["id", "environment", "scopes", "metadata", "resources", "operations"]),
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
    /// Whether `variable` is in the set.
    pub fn contains(self, variable: Variable) -> bool {
        self.0 & (1 << variable as u8) != 0
    }

    /// The union of both sets.
    pub fn union(self, other: Uses) -> Uses {
        Uses(self.0 | other.0)
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn insert(&mut self, variable: Variable) {
        self.0 |= 1 << variable as u8;
    }
}

/// The variables of one request. Each is built when a rule first uses it, and then cached.
pub struct RuleInputs<'a> {
    now: jiff::Timestamp,
    /// By position in [`Variable::ALL`].
    slots: [InputSlot<'a>; Variable::ALL.len()],
}

#[derive(Default)]
struct InputSlot<'a> {
    provider: Provider<'a>,
    cached: OnceLock<Value>,
}

#[derive(Default)]
enum Provider<'a> {
    #[default]
    Absent,
    Value(&'a Value),
    Members(&'a Map<String, Value>),
    Lazy(Box<dyn Fn() -> Value + Send + Sync + 'a>),
}

impl<'a> RuleInputs<'a> {
    /// Only `now` is set; all other variables are null.
    pub fn new(now: jiff::Timestamp) -> Self {
        Self { now, slots: Default::default() }
    }

    /// Sets a function that builds a variable on first use. `now` is only set by [`RuleInputs::new`].
    #[must_use]
    pub fn bind_lazy(mut self, variable: Variable, provider: impl Fn() -> Value + Send + Sync + 'a) -> Self {
        self.slots[variable as usize].provider = Provider::Lazy(Box::new(provider));
        self
    }

    /// Sets a variable to an existing value, such as the body.
    #[must_use]
    pub fn bind(mut self, variable: Variable, value: &'a Value) -> Self {
        self.slots[variable as usize].provider = Provider::Value(value);
        self
    }

    /// Sets a variable to an object with these members, such as the parameters.
    #[must_use]
    pub fn bind_members(mut self, variable: Variable, members: &'a Map<String, Value>) -> Self {
        self.slots[variable as usize].provider = Provider::Members(members);
        self
    }

    /// The members of a variable; `None` if it is not an object.
    fn members(&self, variable: Variable) -> Option<&Map<String, Value>> {
        let slot = &self.slots[variable as usize];
        match &slot.provider {
            Provider::Absent => None,
            Provider::Value(value) => value.as_object(),
            Provider::Members(members) => Some(members),
            Provider::Lazy(make) => slot.cached.get_or_init(make).as_object(),
        }
    }

    /// The value of a variable; `None` if it is too large.
    fn whole(&self, variable: Variable) -> Option<Box<dyn Val + '_>> {
        let slot = &self.slots[variable as usize];
        match &slot.provider {
            _ if variable == Variable::Now => Some(timestamp(self.now)),
            Provider::Absent => Some(Box::new(CelNull)),
            Provider::Value(value) => to_cel(value),
            Provider::Members(members) => is_within_budget(members.values()).then(|| map(members)),
            Provider::Lazy(make) => to_cel(slot.cached.get_or_init(make)),
        }
    }
}

/// Does not show values of the request.
impl std::fmt::Debug for RuleInputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleInputs").field("now", &self.now).finish_non_exhaustive()
    }
}

/// A member of a variable, such as `body.start`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RuleMember {
    pub(super) variable: Variable,
    pub(super) name: String,
}

/// Resolves the names in one expression.
pub(super) struct RuleScope<'s, 'a> {
    pub(super) inputs: &'s RuleInputs<'a>,
    pub(super) prepared: &'s [Prepared],
    pub(super) members: &'s [RuleMember],
    /// Whether a value was too large to be copied.
    pub(super) is_exceeded: AtomicBool,
}

impl RuleScope<'_, '_> {
    /// The value of a member. Only members that the rule uses are copied for it.
    fn member(&self, number: &str) -> Option<&Value> {
        let member = self.members.get(number.parse::<usize>().ok()?)?;
        self.inputs.members(member.variable)?.get(&member.name)
    }

    fn checked<'v>(&self, value: Option<Box<dyn Val + 'v>>) -> Option<Box<dyn Val + 'v>> {
        if value.is_none() {
            self.is_exceeded.store(true, Ordering::Relaxed);
        }
        value
    }
}

impl VariableResolver for RuleScope<'_, '_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if let Some(number) = name.strip_prefix(MEMBER) {
            return self.checked(to_cel(self.member(number)?)).map(CowVal::Owned);
        }
        if let Some(number) = name.strip_prefix(HAS) {
            let member = self.members.get(number.parse::<usize>().ok()?)?;
            let has = self.inputs.members(member.variable)?.contains_key(&member.name);
            return Some(CowVal::owned(CelBool::from(has)));
        }
        if let Some(number) = name.strip_prefix(PREPARED) {
            let prepared = self.prepared.get(number.parse::<usize>().ok()?)?;
            return Some(CowVal::Borrowed(prepared.value()));
        }
        let variable = Variable::from_name(name)?;
        self.checked(self.inputs.whole(variable)).map(CowVal::Owned)
    }
}

/// Whether the values are few enough to be copied.
fn is_within_budget<'v>(values: impl Iterator<Item = &'v Value>) -> bool {
    let mut count = 0;
    let mut rest: Vec<&Value> = values.collect();
    while let Some(value) = rest.pop() {
        count += 1;
        if count + rest.len() > MAX_VALUES {
            return false;
        }
        match value {
            Value::Array(items) => rest.extend(items),
            Value::Object(members) => rest.extend(members.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    true
}

/// Converts JSON to CEL without copying strings; `None` if it is too large. Whole numbers become `int` however they
/// are written: `1.0` is an integer in JSON Schema.
fn to_cel(value: &Value) -> Option<Box<dyn Val + '_>> {
    let is_small = match value {
        Value::Array(items) => is_within_budget(items.iter()),
        Value::Object(members) => is_within_budget(members.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    };
    is_small.then(|| convert(value))
}

fn convert(value: &Value) -> Box<dyn Val + '_> {
    match value {
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(convert).collect::<Vec<_>>())),
        Value::Object(members) => map(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => plain(value),
    }
}

fn map(members: &Map<String, Value>) -> Box<dyn Val + '_> {
    let entries = members.iter().map(|(name, value)| (CelMapKey::from(name.as_str()), convert(value)));
    Box::new(CelMap::from(entries.collect::<HashMap<_, _>>()))
}

fn plain<'a>(value: &Value) -> Box<dyn Val + 'a> {
    match value {
        Value::Bool(flag) => Box::new(CelBool::from(*flag)),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), _, _) => Box::new(CelInt::from(whole)),
            (None, Some(whole), _) => Box::new(CelUInt::from(whole)),
            (None, None, Some(float)) => match whole(float) {
                Some(whole) => Box::new(CelInt::from(whole)),
                None => Box::new(CelDouble::from(float)),
            },
            (None, None, None) => Box::new(CelNull),
        },
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => Box::new(CelNull),
    }
}

/// The integer equal to a float, if it is exact.
fn whole(float: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
}

fn timestamp<'a>(now: jiff::Timestamp) -> Box<dyn Val + 'a> {
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    match chrono::DateTime::from_timestamp(now.as_second(), nanoseconds) {
        Some(timestamp) => Box::new(CelTimestamp::from(timestamp.fixed_offset())),
        None => Box::new(CelNull),
    }
}
