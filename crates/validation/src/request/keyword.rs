//! Maps a failed JSON Schema keyword to a condition, a pointer, and the keyword's value.
//!
//! The match has no catch-all: a keyword that jsonschema adds must be mapped before this compiles.

use demur_contract::{Condition, Value as Limit, Violation};
use jsonschema::JsonType;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind as Kind};
use serde_json::Value;

use super::branch::{BestBranch, best_branch};
use super::excerpt;
use super::ordering::Order;
use super::violations::{SortKey, Subject, Violations};
use crate::schema::{Schema, original_pattern};
use crate::tree::join;

/// Validates a value and collects its violations. Does not allocate for a valid value.
pub(super) fn validate(schema: &Schema, value: &Value, subject: Subject<'_>, violations: &mut Violations) {
    if schema.is_valid(value) {
        return;
    }
    let order = Order::new(schema, value);
    let mut mapper = KeywordMapper { schema, value, subject, violations, order, reported: Vec::new() };
    if !schema.within_budget(value) {
        mapper.push("", Some(excerpt::value(value)), BrokenRule::new(Condition::ParamSchema, None));
        return;
    }
    for error in schema.errors(value) {
        if mapper.violations.is_full() {
            break;
        }
        mapper.error(&error);
    }
}

struct KeywordMapper<'j> {
    schema: &'j Schema,
    value: &'j Value,
    subject: Subject<'j>,
    violations: &'j mut Violations,
    order: Order<'j>,
    /// Members already reported for requiring another member: two may require the same.
    reported: Vec<(String, String)>,
}

/// The violation of one keyword.
pub(super) struct BrokenRule {
    pub(super) condition: Condition,
    pub(super) limit: Option<Limit>,
    pub(super) allowed: Vec<String>,
}

impl BrokenRule {
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
                self.unknown_members(within, instance, unexpected.iter());
            }
            // If no property is declared, jsonschema reports the object with its first member as the value.
            Kind::FalseSchema => match self.value.pointer(within) {
                Some(whole @ Value::Object(members)) if !std::ptr::eq(whole, instance) => {
                    self.unknown_members(within, whole, members.keys());
                }
                _ => self.value_error(error, within),
            },
            Kind::PropertyNames { error: inner } => {
                // The keyword validates the name, so the name is shown as the value.
                let name = inner.instance().as_str().unwrap_or_default();
                let rule = self.broken_rule(inner.kind(), inner.instance());
                self.push(&join(within, name), Some(excerpt::text(name)), rule);
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                match best_branch(self.schema, error, context) {
                    Some(branch) => self.map_best_branch(branch, error, within),
                    None => self.value_error(error, within),
                }
            }
            _ => self.value_error(error, within),
        }
    }

    /// Reports the selected branch instead of "no branch matches".
    fn map_best_branch(&mut self, branch: BestBranch<'_>, error: &ValidationError<'_>, within: &str) {
        let instance = error.instance();
        let (pointer, rule) = match branch {
            BestBranch::Branch(errors) => {
                for error in errors {
                    if self.violations.is_full() {
                        return;
                    }
                    self.error(error);
                }
                return;
            }
            BestBranch::Types(types) => (within.to_owned(), types_rule(types)),
            BestBranch::Values(allowed) => {
                (within.to_owned(), BrokenRule { allowed, ..BrokenRule::new(Condition::ParamEnum, None) })
            }
            BestBranch::NoDiscriminator(name) => {
                return self.push(&join(within, &name), None, BrokenRule::new(Condition::ParamMissing, None));
            }
            BestBranch::UnknownDiscriminator(name, allowed) => {
                let value = instance.get(&name).map(excerpt::value);
                let rule = BrokenRule { allowed, ..BrokenRule::new(Condition::ParamEnum, None) };
                return self.push(&join(within, &name), value, rule);
            }
        };
        self.push(&pointer, Some(excerpt::value(instance)), rule);
    }

    /// A keyword that validates the value itself.
    fn value_error(&mut self, error: &ValidationError<'_>, within: &str) {
        let instance = error.instance().as_ref();
        let rule = self.broken_rule(error.kind(), instance);
        self.push(within, Some(excerpt::value(instance)), rule);
    }

    /// Reports each member that the schema does not allow.
    fn unknown_members<'n>(&mut self, within: &str, object: &Value, names: impl Iterator<Item = &'n String>) {
        for name in names {
            if self.violations.is_full() {
                return;
            }
            let value = object.get(name).map(excerpt::value);
            self.push(&join(within, name), value, BrokenRule::new(Condition::ParamUnknown, None));
        }
    }

    /// A required member is missing: always, or because another one is present (`dependentRequired`).
    fn required(&mut self, error: &ValidationError<'_>, within: &str, missing: &str) {
        let keyword = error.schema_path().as_str();
        let dependent =
            keyword.ends_with("/dependentRequired").then(|| self.schema.keyword(keyword)).flatten();
        let Some(dependent) = dependent.and_then(Value::as_object) else {
            self.push(&join(within, missing), None, BrokenRule::new(Condition::ParamMissing, None));
            return;
        };
        let instance = error.instance();
        for (present, required) in dependent {
            let is_reported = self
                .reported
                .iter()
                .any(|(pointer, name)| pointer == &join(within, present) && name == missing);
            let is_cause = required.as_array().is_some_and(|names| names.iter().any(|name| name == missing));
            if let (true, false, Some(value)) = (is_cause, is_reported, instance.get(present)) {
                let pointer = join(within, present);
                let limit = Limit::Text(missing.to_owned());
                self.push(
                    &pointer,
                    Some(excerpt::value(value)),
                    BrokenRule::new(Condition::ParamRequires, limit),
                );
                self.reported.push((pointer, missing.to_owned()));
                return;
            }
        }
    }

    fn broken_rule(&self, kind: &Kind, instance: &Value) -> BrokenRule {
        use Condition as C;
        match kind {
            Kind::Type { kind } => type_rule(kind),
            Kind::Enum { options } => {
                let allowed = options.as_array().into_iter().flatten().map(excerpt::uncut).collect();
                BrokenRule { allowed, ..BrokenRule::new(C::ParamEnum, None) }
            }
            Kind::Constant { expected_value } => BrokenRule {
                allowed: vec![excerpt::uncut(expected_value)],
                ..BrokenRule::new(C::ParamConst, None)
            },
            Kind::Format { format } => BrokenRule::new(format_condition(format), Limit::Text(format.clone())),
            Kind::Pattern { pattern } => BrokenRule::new(C::ParamPattern, Limit::Text(pattern.clone())),
            Kind::Not { schema } => match original_pattern(schema) {
                Some(pattern) => BrokenRule::new(C::ParamPattern, Limit::Text(pattern.to_owned())),
                None => BrokenRule::new(C::ParamSchema, Limit::Text(kind.keyword().to_owned())),
            },
            Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
                BrokenRule::new(C::ParamPattern, None)
            }
            Kind::Minimum { limit } | Kind::ExclusiveMinimum { limit } => {
                BrokenRule::new(C::ParamMinimum, bound(limit))
            }
            Kind::Maximum { limit } | Kind::ExclusiveMaximum { limit } => {
                BrokenRule::new(C::ParamMaximum, bound(limit))
            }
            Kind::MultipleOf { multiple_of } => {
                BrokenRule::new(C::ParamMultiple, bound(&Value::from(*multiple_of)))
            }
            Kind::MinLength { limit } => {
                let is_empty = instance.as_str().is_some_and(str::is_empty);
                BrokenRule::new(if is_empty { C::ParamLengthEmpty } else { C::ParamLengthMin }, count(*limit))
            }
            Kind::MaxLength { limit } => BrokenRule::new(C::ParamLengthMax, count(*limit)),
            Kind::MinItems { limit } | Kind::MinProperties { limit } => {
                BrokenRule::new(C::ParamCountMin, count(*limit))
            }
            Kind::MaxItems { limit } | Kind::MaxProperties { limit } => {
                BrokenRule::new(C::ParamCountMax, count(*limit))
            }
            Kind::AdditionalItems { limit } => BrokenRule::new(C::ParamCountMax, count(*limit as u64)),
            Kind::UniqueItems => BrokenRule::new(C::ParamUnique, None),
            // The schema `false` of a property or an item allows no value.
            Kind::FalseSchema => BrokenRule::new(C::ParamUnknown, None),
            Kind::ContentEncoding { content_encoding } => {
                BrokenRule::new(C::ParamFormatOther, Limit::Text(content_encoding.clone()))
            }
            Kind::ContentMediaType { content_media_type } => {
                BrokenRule::new(C::ParamFormatOther, Limit::Text(content_media_type.clone()))
            }
            Kind::FromUtf8 { .. } => BrokenRule::new(C::ParamFormatOther, None),
            Kind::AnyOf { .. }
            | Kind::OneOfNotValid { .. }
            | Kind::OneOfMultipleValid { .. }
            | Kind::Contains
            | Kind::UnevaluatedItems { .. }
            | Kind::Custom { .. }
            | Kind::Referencing(_) => BrokenRule::new(C::ParamSchema, Limit::Text(kind.keyword().to_owned())),
            // Handled by `error`: these concern members, not the value.
            Kind::Required { .. }
            | Kind::AdditionalProperties { .. }
            | Kind::UnevaluatedProperties { .. }
            | Kind::PropertyNames { .. } => {
                BrokenRule::new(C::ParamSchema, Limit::Text(kind.keyword().to_owned()))
            }
        }
    }

    fn push(&mut self, within: &str, value: Option<String>, rule: BrokenRule) {
        let param = self.subject.param(within);
        let rank = match self.subject {
            Subject::Parameter { rank, .. } => rank,
            Subject::Body => 0,
        };
        let key = SortKey { rank, path: self.order.path(within) };
        let violation = Violation {
            condition: rule.condition,
            location: self.subject.location(),
            param,
            pointer: self.subject.pointer(within),
            value,
            limit: rule.limit,
            allowed: rule.allowed,
        };
        self.violations.push(key, violation);
    }
}

fn type_rule(kind: &TypeKind) -> BrokenRule {
    types_rule(match kind {
        TypeKind::Single(single) => vec![*single],
        TypeKind::Multiple(several) => several.iter().collect(),
    })
}

pub(super) fn types_rule(mut types: Vec<JsonType>) -> BrokenRule {
    // For a nullable string, reports that a string is expected.
    if types.len() == 2 {
        types.retain(|name| *name != JsonType::Null);
    }
    match types.as_slice() {
        [single] => BrokenRule::new(type_condition(*single), Limit::Text(single.to_string())),
        several => {
            let allowed: Vec<String> = several.iter().map(ToString::to_string).collect();
            let limit = Limit::List(allowed.clone());
            BrokenRule { allowed, ..BrokenRule::new(Condition::ParamTypeUnion, limit) }
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

pub(super) fn format_condition(format: &str) -> Condition {
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

/// Converts a number to an integer if it is whole, so that `1.0` is shown as `1`.
pub(super) fn bound(value: &Value) -> Limit {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match (value.as_i64(), value.as_f64()) {
        (Some(whole), _) => Limit::Int(whole),
        (None, Some(float)) if float.fract() == 0.0 && float.abs() <= EXACT => Limit::Int(float as i64),
        _ => Limit::Text(excerpt::uncut(value)),
    }
}

pub(super) fn count(limit: u64) -> Limit {
    i64::try_from(limit).map_or_else(|_| Limit::Text(limit.to_string()), Limit::Int)
}
