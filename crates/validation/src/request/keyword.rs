//! A JSON Schema keyword that failed → the condition, the place, the rule's own value.
//!
//! One match without a catch-all: "does not match the schema" helps nobody, so that each keyword says what
//! it wanted, and a keyword that jsonschema adds one day does not compile until it says so too.

use demur_contract::{Condition, Value as Limit, Violation};
use jsonschema::JsonType;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind as Kind};
use serde_json::Value;

use super::branch::{BestBranch, best_branch};
use super::excerpt;
use super::ordering::Order;
use super::violations::{Subject, ViolationPlace, Violations};
use crate::schema::{Schema, original_pattern};
use crate::tree::join;

/// Judges a value, and gathers what is wrong with it. A value without mistakes costs no allocation.
pub(super) fn judge(schema: &Schema, value: &Value, subject: Subject<'_>, violations: &mut Violations) {
    if schema.is_valid(value) {
        return;
    }
    let order = Order::new(schema, value);
    let mut judge = KeywordMapper { schema, value, subject, violations, order, blamed: Vec::new() };
    if !schema.within_budget(value) {
        judge.push("", Some(excerpt::value(value)), Broken::new(Condition::ParamSchema, None));
        return;
    }
    for error in schema.errors(value) {
        if judge.violations.is_full() {
            break;
        }
        judge.error(&error);
    }
}

struct KeywordMapper<'j> {
    schema: &'j Schema,
    value: &'j Value,
    subject: Subject<'j>,
    violations: &'j mut Violations,
    order: Order<'j>,
    /// Members already named as requiring a certain other one: two may require the same.
    blamed: Vec<(String, String)>,
}

/// What one keyword says.
struct Broken {
    condition: Condition,
    limit: Option<Limit>,
    allowed: Vec<String>,
}

impl Broken {
    fn new(condition: Condition, limit: impl Into<Option<Limit>>) -> Self {
        Self { condition, limit: limit.into(), allowed: Vec::new() }
    }
}

impl KeywordMapper<'_> {
    fn error(&mut self, error: &ValidationError<'_>) {
        let within = error.instance_path().as_str();
        let instance = error.instance().as_ref();
        match error.kind() {
            Kind::Required { property } => {
                self.required(error, within, property.as_str().unwrap_or_default());
            }
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                self.unknown(within, instance, unexpected.iter());
            }
            // Where no property is declared at all, jsonschema names the object and shows its first member.
            Kind::FalseSchema => match self.value.pointer(within) {
                Some(whole @ Value::Object(members)) if !std::ptr::eq(whole, instance) => {
                    self.unknown(within, whole, members.keys());
                }
                _ => self.plain(error, within),
            },
            Kind::PropertyNames { error: inner } => {
                // The rule is about the name, which is therefore the value that is shown.
                let name = inner.instance().as_str().unwrap_or_default();
                let broken = self.broken(inner.kind(), inner.instance());
                self.push(&join(within, name), Some(excerpt::text(name)), broken);
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                match best_branch(self.schema, error, context) {
                    Some(meant) => self.map_best_branch(meant, error, within),
                    None => self.plain(error, within),
                }
            }
            _ => self.plain(error, within),
        }
    }

    /// What is wrong in the branch that was meant, instead of "fits no branch".
    fn map_best_branch(&mut self, meant: BestBranch<'_>, error: &ValidationError<'_>, within: &str) {
        let instance = error.instance();
        let (place, broken) = match meant {
            BestBranch::Branch(errors) => {
                for error in errors {
                    if self.violations.is_full() {
                        return;
                    }
                    self.error(error);
                }
                return;
            }
            BestBranch::Types(types) => (within.to_owned(), types_broken(types)),
            BestBranch::Values(allowed) => {
                (within.to_owned(), Broken { allowed, ..Broken::new(Condition::ParamEnum, None) })
            }
            BestBranch::NoDiscriminator(name) => {
                return self.push(&join(within, &name), None, Broken::new(Condition::ParamMissing, None));
            }
            BestBranch::UnknownDiscriminator(name, allowed) => {
                let said = instance.get(&name).map(excerpt::value);
                let broken = Broken { allowed, ..Broken::new(Condition::ParamEnum, None) };
                return self.push(&join(within, &name), said, broken);
            }
        };
        self.push(&place, Some(excerpt::value(instance)), broken);
    }

    /// A rule about the value itself.
    fn plain(&mut self, error: &ValidationError<'_>, within: &str) {
        let instance = error.instance().as_ref();
        let broken = self.broken(error.kind(), instance);
        self.push(within, Some(excerpt::value(instance)), broken);
    }

    /// Each member that the schema does not know.
    fn unknown<'n>(&mut self, within: &str, object: &Value, names: impl Iterator<Item = &'n String>) {
        for name in names {
            if self.violations.is_full() {
                return;
            }
            let value = object.get(name).map(excerpt::value);
            self.push(&join(within, name), value, Broken::new(Condition::ParamUnknown, None));
        }
    }

    /// A member is missing: always, or because another one is present (`dependentRequired`).
    fn required(&mut self, error: &ValidationError<'_>, within: &str, missing: &str) {
        let keyword = error.schema_path().as_str();
        let dependent =
            keyword.ends_with("/dependentRequired").then(|| self.schema.keyword(keyword)).flatten();
        let Some(dependent) = dependent.and_then(Value::as_object) else {
            self.push(&join(within, missing), None, Broken::new(Condition::ParamMissing, None));
            return;
        };
        let instance = error.instance();
        for (present, wanted) in dependent {
            let is_blamed =
                self.blamed.iter().any(|(place, name)| place == &join(within, present) && name == missing);
            let wants = wanted.as_array().is_some_and(|names| names.iter().any(|name| name == missing));
            if let (true, false, Some(value)) = (wants, is_blamed, instance.get(present)) {
                let place = join(within, present);
                let limit = Limit::Text(missing.to_owned());
                self.push(&place, Some(excerpt::value(value)), Broken::new(Condition::ParamRequires, limit));
                self.blamed.push((place, missing.to_owned()));
                return;
            }
        }
    }

    fn broken(&self, kind: &Kind, instance: &Value) -> Broken {
        use Condition as C;
        match kind {
            Kind::Type { kind } => type_broken(kind),
            Kind::Enum { options } => {
                let allowed = options.as_array().into_iter().flatten().map(excerpt::uncut).collect();
                Broken { allowed, ..Broken::new(C::ParamEnum, None) }
            }
            Kind::Constant { expected_value } => {
                Broken { allowed: vec![excerpt::uncut(expected_value)], ..Broken::new(C::ParamConst, None) }
            }
            Kind::Format { format } => Broken::new(format_condition(format), Limit::Text(format.clone())),
            Kind::Pattern { pattern } => Broken::new(C::ParamPattern, Limit::Text(pattern.clone())),
            Kind::Not { schema } => match original_pattern(schema) {
                Some(pattern) => Broken::new(C::ParamPattern, Limit::Text(pattern.to_owned())),
                None => Broken::new(C::ParamSchema, Limit::Text(kind.keyword().to_owned())),
            },
            Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
                Broken::new(C::ParamPattern, None)
            }
            Kind::Minimum { limit } | Kind::ExclusiveMinimum { limit } => {
                Broken::new(C::ParamMinimum, bound(limit))
            }
            Kind::Maximum { limit } | Kind::ExclusiveMaximum { limit } => {
                Broken::new(C::ParamMaximum, bound(limit))
            }
            Kind::MultipleOf { multiple_of } => {
                Broken::new(C::ParamMultiple, bound(&Value::from(*multiple_of)))
            }
            Kind::MinLength { limit } => {
                let is_empty = instance.as_str().is_some_and(str::is_empty);
                Broken::new(if is_empty { C::ParamLengthEmpty } else { C::ParamLengthMin }, count(*limit))
            }
            Kind::MaxLength { limit } => Broken::new(C::ParamLengthMax, count(*limit)),
            Kind::MinItems { limit } | Kind::MinProperties { limit } => {
                Broken::new(C::ParamCountMin, count(*limit))
            }
            Kind::MaxItems { limit } | Kind::MaxProperties { limit } => {
                Broken::new(C::ParamCountMax, count(*limit))
            }
            Kind::AdditionalItems { limit } => Broken::new(C::ParamCountMax, count(*limit as u64)),
            Kind::UniqueItems => Broken::new(C::ParamUnique, None),
            // `false` where a property or an item would stand: there must be none.
            Kind::FalseSchema => Broken::new(C::ParamUnknown, None),
            Kind::ContentEncoding { content_encoding } => {
                Broken::new(C::ParamFormatOther, Limit::Text(content_encoding.clone()))
            }
            Kind::ContentMediaType { content_media_type } => {
                Broken::new(C::ParamFormatOther, Limit::Text(content_media_type.clone()))
            }
            Kind::FromUtf8 { .. } => Broken::new(C::ParamFormatOther, None),
            Kind::AnyOf { .. }
            | Kind::OneOfNotValid { .. }
            | Kind::OneOfMultipleValid { .. }
            | Kind::Contains
            | Kind::UnevaluatedItems { .. }
            | Kind::Custom { .. }
            | Kind::Referencing(_) => Broken::new(C::ParamSchema, Limit::Text(kind.keyword().to_owned())),
            // These name members of the value, not the value; `error` has taken them.
            Kind::Required { .. }
            | Kind::AdditionalProperties { .. }
            | Kind::UnevaluatedProperties { .. }
            | Kind::PropertyNames { .. } => {
                Broken::new(C::ParamSchema, Limit::Text(kind.keyword().to_owned()))
            }
        }
    }

    fn push(&mut self, within: &str, value: Option<String>, broken: Broken) {
        let param = self.subject.param(within);
        let rank = match self.subject {
            Subject::Parameter { rank, .. } => rank,
            Subject::Body => 0,
        };
        let place = ViolationPlace { rank, way: self.order.way(within) };
        let violation = Violation {
            condition: broken.condition,
            location: self.subject.location(),
            param,
            pointer: self.subject.pointer(within),
            value,
            limit: broken.limit,
            allowed: broken.allowed,
        };
        self.violations.push(place, violation);
    }
}

fn type_broken(kind: &TypeKind) -> Broken {
    types_broken(match kind {
        TypeKind::Single(single) => vec![*single],
        TypeKind::Multiple(several) => several.iter().collect(),
    })
}

fn types_broken(mut types: Vec<JsonType>) -> Broken {
    // Who may send a string or null, and sends a number, is told to send a string.
    if types.len() == 2 {
        types.retain(|name| *name != JsonType::Null);
    }
    match types.as_slice() {
        [single] => Broken::new(type_condition(*single), Limit::Text(single.to_string())),
        several => {
            let allowed: Vec<String> = several.iter().map(ToString::to_string).collect();
            let limit = Limit::List(allowed.clone());
            Broken { allowed, ..Broken::new(Condition::ParamTypeUnion, limit) }
        }
    }
}

fn type_condition(name: JsonType) -> Condition {
    match name {
        JsonType::String => Condition::ParamTypeString,
        JsonType::Number => Condition::ParamTypeNumber,
        JsonType::Integer => Condition::ParamTypeInteger,
        JsonType::Boolean => Condition::ParamTypeBoolean,
        JsonType::Array => Condition::ParamTypeArray,
        JsonType::Object => Condition::ParamTypeObject,
        JsonType::Null => Condition::ParamTypeNull,
    }
}

fn format_condition(format: &str) -> Condition {
    match format {
        "date" => Condition::ParamFormatDate,
        "date-time" => Condition::ParamFormatDateTime,
        "time" => Condition::ParamFormatTime,
        "duration" => Condition::ParamFormatDuration,
        "email" | "idn-email" => Condition::ParamFormatEmail,
        "hostname" | "idn-hostname" => Condition::ParamFormatHostname,
        "ipv4" => Condition::ParamFormatIpv4,
        "ipv6" => Condition::ParamFormatIpv6,
        "uri" | "uri-reference" | "iri" | "iri-reference" => Condition::ParamFormatUri,
        "uuid" => Condition::ParamFormatUuid,
        _ => Condition::ParamFormatOther,
    }
}

/// A whole number where it is one: `1.0` says no more than `1`.
fn bound(value: &Value) -> Limit {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match (value.as_i64(), value.as_f64()) {
        (Some(whole), _) => Limit::Int(whole),
        (None, Some(float)) if float.fract() == 0.0 && float.abs() <= EXACT => Limit::Int(float as i64),
        _ => Limit::Text(excerpt::uncut(value)),
    }
}

fn count(limit: u64) -> Limit {
    i64::try_from(limit).map_or_else(|_| Limit::Text(limit.to_string()), Limit::Int)
}
