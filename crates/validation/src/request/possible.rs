//! The violations that requests of one operation can have, each with the keyword of the document that it breaks.
//! Long because it is one walk over every keyword of JSON Schema.
//!
//! For documentation and tests. The keywords map to conditions as in `keyword.rs`, and each violation has a value that
//! breaks its keyword. Parts of schemas that are nested deeply, or that refer to themselves, are listed once.

use std::collections::HashSet;

use demur_contract::{Condition, Location, Value as Limit, Violation};
use jsonschema::JsonType;
use serde_json::{Map, Value};

use super::body::BodyRule;
use super::excerpt;
use super::keyword::{BrokenRule, bound, count, format_condition, types_rule};
use super::parameters::ParameterRule;
use super::query_pairs::MAX_FIELDS;
use super::violations::Subject;
use crate::media_type::MediaKind;
use crate::schema::{is_known_format, original_pattern};
use crate::tree::{JsonReference, join, reference};
use crate::{DocumentOptions, Formats, UnknownQuery};

/// The maximum number of schemas visited for one operation.
const MAX_SCHEMAS: usize = 2_000;
/// The maximum depth within one value.
const MAX_DEPTH: usize = 12;
/// The maximum number of violations listed for one operation.
const MAX_LISTED: usize = 1_000;

/// A violation that a request can have.
#[derive(Debug, Clone, PartialEq)]
pub struct PossibleViolation {
    /// An example of it.
    pub violation: Violation,
    /// The keyword that it breaks: `required`, `maximum`; `style` if the text cannot be decoded, `limit` for a limit
    /// of the gateway.
    pub keyword: &'static str,
    /// The JSON Pointer of the keyword in the document. Empty for a limit of the gateway.
    pub pointer: String,
}

/// All of them, in the order in which they would be reported.
pub(crate) fn possible_violations(
    options: &DocumentOptions,
    parameters: &[ParameterRule],
    has_query_names: bool,
    body: Option<&BodyRule>,
) -> Vec<PossibleViolation> {
    let mut walk = Walk { options, found: Vec::new(), seen: HashSet::new(), left: MAX_SCHEMAS };
    for (rank, rule) in parameters.iter().enumerate() {
        walk.parameter(rank, rule);
    }
    if has_query_names {
        let too_many = i64::try_from(MAX_FIELDS).ok().map(Limit::Int);
        let whole = |condition, param: &str, limit| violation_of(condition, Location::Query, param, limit);
        walk.push(whole(Condition::ParamCountMax, "", too_many), "limit", String::new());
        walk.push(whole(Condition::ParamUnknown, "unexpected", None), "limit", String::new());
    }
    if options.unknown_query == UnknownQuery::Reject {
        let violation = violation_of(Condition::ParamUnknown, Location::Query, "unexpected", None);
        walk.push(violation, "parameters", String::new());
    }
    if let Some(body) = body {
        walk.body(body);
    }
    walk.found
}

fn violation_of(condition: Condition, location: Location, param: &str, limit: Option<Limit>) -> Violation {
    let pointer = if param.is_empty() { String::new() } else { join("", param) };
    let value = (!param.is_empty()).then(|| "value".to_owned());
    Violation { condition, location, param: param.to_owned(), pointer, value, limit, allowed: Vec::new() }
}

struct Walk<'w> {
    options: &'w DocumentOptions,
    found: Vec<PossibleViolation>,
    /// Conditions by the location, and the pointer of the value.
    seen: HashSet<(Condition, Location, String)>,
    left: usize,
}

/// A schema and the value that it applies to.
struct Place<'p> {
    document: &'p Value,
    subject: Subject<'p>,
    /// Whether the value is sent as text, so that every value is a string.
    is_text: bool,
}

impl Place<'_> {
    /// Whether every value has one of these types, because it is sent as text. A parameter of the query can come twice,
    /// which makes it a list.
    fn accepts(&self, types: &DeclaredTypes) -> bool {
        let is_in_query = self.subject.location() == Location::Query;
        self.is_text && (types.accepts_list || types.accepts_string && !is_in_query)
    }
}

impl Walk<'_> {
    fn parameter(&mut self, rank: usize, rule: &ParameterRule) {
        let subject = Subject::Parameter { location: rule.location, name: &rule.name, rank };
        let declared = rule.schema.as_ref().map(|schema| schema.pointer());
        let owner = declared.and_then(|pointer| pointer.strip_suffix("/schema")).unwrap_or_default();
        // A path without the parameter is that of another operation.
        if rule.required && rule.location != Location::Path {
            let violation = Violation { value: None, ..self.whole(Condition::ParamMissing, subject) };
            self.push(violation, "required", join(owner, "required"));
        }
        let style = Violation {
            limit: Some(Limit::Text("the parameter once".to_owned())),
            ..self.whole(Condition::ParamFormatOther, subject)
        };
        self.push(style, "style", owner.to_owned());
        let Some(schema) = &rule.schema else { return };
        let place = Place { document: schema.document(), subject, is_text: true };
        self.schema(&place, schema.pointer(), "", &mut Vec::new());
    }

    fn body(&mut self, body: &BodyRule) {
        let expects_json = body.media_types.iter().any(|media_type| media_type.kind == MediaKind::Json);
        if body.required && !expects_json {
            let violation =
                Violation { value: None, ..violation_of(Condition::ParamMissing, Location::Body, "", None) };
            self.push(violation, "required", String::new());
        }
        for media_type in &body.media_types {
            let is_form = matches!(media_type.kind, MediaKind::Form | MediaKind::Multipart);
            if is_form {
                let too_many = i64::try_from(MAX_FIELDS).ok().map(Limit::Int);
                for (condition, param, limit) in [
                    (Condition::ParamCountMax, "", too_many),
                    (Condition::ParamUnknown, "unexpected", None),
                    (Condition::ParamFormatOther, "", Some(Limit::Text("valid form data".to_owned()))),
                ] {
                    let violation = violation_of(condition, Location::Body, param, limit);
                    self.push(violation, "limit", String::new());
                }
            }
            let Some(schema) = &media_type.schema else { continue };
            let is_text = media_type.kind != MediaKind::Json;
            let place = Place { document: schema.document(), subject: Subject::Body, is_text };
            self.schema(&place, schema.pointer(), "", &mut Vec::new());
        }
    }

    fn whole(&self, condition: Condition, subject: Subject<'_>) -> Violation {
        Violation {
            condition,
            location: subject.location(),
            param: subject.param(""),
            pointer: subject.pointer(""),
            value: Some("value".to_owned()),
            limit: None,
            allowed: Vec::new(),
        }
    }

    /// `within` is the pointer of the value; `above` are the schemas that this one is a part of.
    fn schema(&mut self, place: &Place<'_>, pointer: &str, within: &str, above: &mut Vec<String>) {
        let is_deep = within.matches('/').count() >= MAX_DEPTH;
        if self.left == 0 || is_deep || above.iter().any(|known| known == pointer) {
            return;
        }
        self.left -= 1;
        let schema = match place.document.pointer(pointer) {
            Some(Value::Object(schema)) => schema,
            Some(Value::Bool(false)) => {
                return self.broken(place, within, Condition::ParamUnknown, "value", None, pointer, "false");
            }
            _ => return,
        };
        above.push(pointer.to_owned());
        self.keywords(place, schema, pointer, within);
        self.parts(place, schema, pointer, within, above);
        above.pop();
    }

    /// The keywords that apply to the value itself.
    fn keywords(&mut self, place: &Place<'_>, schema: &Map<String, Value>, pointer: &str, within: &str) {
        if let Some(types) = schema.get("type").and_then(declared_types)
            && !place.accepts(&types)
        {
            let BrokenRule { condition, limit, allowed } = types.rule;
            let violation =
                Violation { allowed, ..self.example(place, within, condition, types.wrong, limit) };
            self.push(violation, "type", join(pointer, "type"));
        }
        let number = |name: &str| schema.get(name).filter(|value| value.is_number());
        let length = |name: &str| schema.get(name).and_then(Value::as_u64);
        let mut push = |keyword: &'static str, condition, value: &str, limit: Option<Limit>| {
            let at = join(pointer, keyword);
            self.broken(place, within, condition, value, limit, &at, keyword);
        };
        for (keyword, step) in
            [("minimum", -1.0), ("exclusiveMinimum", -1.0), ("maximum", 1.0), ("exclusiveMaximum", 1.0)]
        {
            let Some(limit) = number(keyword) else { continue };
            let condition = if step < 0.0 { Condition::ParamMinimum } else { Condition::ParamMaximum };
            let value = match limit.as_i64() {
                Some(whole) => whole.saturating_add(if step < 0.0 { -1 } else { 1 }).to_string(),
                None => (limit.as_f64().unwrap_or_default() + step).to_string(),
            };
            push(keyword, condition, &value, Some(bound(limit)));
        }
        if let Some(step) = number("multipleOf") {
            push("multipleOf", Condition::ParamMultiple, "0.3", Some(bound(step)));
        }
        if let Some(min) = length("minLength").filter(|min| *min > 0) {
            push("minLength", Condition::ParamLengthEmpty, "", Some(count(min)));
            if min > 1 {
                push("minLength", Condition::ParamLengthMin, "x", Some(count(min)));
            }
        }
        if let Some(max) = length("maxLength") {
            let long = "x".repeat(usize::try_from(max).unwrap_or(usize::MAX).min(64).saturating_add(1));
            push("maxLength", Condition::ParamLengthMax, &excerpt::text(&long), Some(count(max)));
        }
        for (keyword, condition, value) in [
            ("minItems", Condition::ParamCountMin, "[]"),
            ("minProperties", Condition::ParamCountMin, "{}"),
            ("maxItems", Condition::ParamCountMax, "[…]"),
            ("maxProperties", Condition::ParamCountMax, "{…}"),
        ] {
            if let Some(limit) = length(keyword).filter(|limit| *limit > 0 || keyword.starts_with("max")) {
                push(keyword, condition, value, Some(count(limit)));
            }
        }
        if let Some(Value::Bool(true)) = schema.get("uniqueItems") {
            push("uniqueItems", Condition::ParamUnique, "[1,1]", None);
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
            push("pattern", Condition::ParamPattern, "?", Some(Limit::Text(pattern.to_owned())));
        }
        if let Some(not) = schema.get("not") {
            match original_pattern(not) {
                Some(pattern) => {
                    push("not", Condition::ParamPattern, "?", Some(Limit::Text(pattern.to_owned())));
                }
                None => push("not", Condition::ParamSchema, "value", Some(Limit::Text("not".to_owned()))),
            }
        }
        for keyword in ["contains", "oneOf", "anyOf", "unevaluatedItems", "$dynamicRef"] {
            if schema.contains_key(keyword) {
                push(keyword, Condition::ParamSchema, "value", Some(Limit::Text(keyword.to_owned())));
            }
        }
        if let Some(format) = schema.get("format").and_then(Value::as_str)
            && self.options.formats == Formats::Assert
            && is_known_format(format)
        {
            let limit = Some(Limit::Text(format.to_owned()));
            let at = join(pointer, "format");
            self.broken(place, within, format_condition(format), "invalid", limit, &at, "format");
        }
        self.choices(place, schema, pointer, within);
    }

    /// `enum` and `const`, and keywords about the members of an object.
    fn choices(&mut self, place: &Place<'_>, schema: &Map<String, Value>, pointer: &str, within: &str) {
        let texts = |values: &[Value]| values.iter().map(excerpt::uncut).collect::<Vec<_>>();
        if let Some(Value::Array(options)) = schema.get("enum") {
            self.allowed(place, within, Condition::ParamEnum, texts(options), pointer, "enum");
        }
        if let Some(value) = schema.get("const") {
            let allowed = texts(std::slice::from_ref(value));
            self.allowed(place, within, Condition::ParamConst, allowed, pointer, "const");
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = name.as_str() else { continue };
            let at = join(within, name);
            let violation =
                Violation { value: None, ..self.example(place, &at, Condition::ParamMissing, "", None) };
            self.push(violation, "required", join(pointer, "required"));
        }
        for (present, missing) in
            schema.get("dependentRequired").and_then(Value::as_object).into_iter().flatten()
        {
            let Some(name) = missing.as_array().and_then(|names| names.first()?.as_str()) else { continue };
            let at = join(pointer, "dependentRequired");
            let limit = Some(Limit::Text(name.to_owned()));
            let value = join(within, present);
            self.broken(place, &value, Condition::ParamRequires, "value", limit, &at, "dependentRequired");
        }
        for keyword in ["additionalProperties", "unevaluatedProperties"] {
            if let Some(Value::Bool(false)) = schema.get(keyword) {
                let (at, value) = (join(pointer, keyword), join(within, "unexpected"));
                self.broken(
                    place,
                    &value,
                    Condition::ParamUnknown,
                    "value",
                    None,
                    &at,
                    "additionalProperties",
                );
            }
        }
    }

    fn allowed(
        &mut self,
        place: &Place<'_>,
        within: &str,
        condition: Condition,
        allowed: Vec<String>,
        pointer: &str,
        keyword: &'static str,
    ) {
        let violation = Violation { allowed, ..self.example(place, within, condition, "invalid", None) };
        self.push(violation, keyword, join(pointer, keyword));
    }

    /// The schemas below this one.
    fn parts(
        &mut self,
        place: &Place<'_>,
        schema: &Map<String, Value>,
        pointer: &str,
        within: &str,
        above: &mut Vec<String>,
    ) {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str)
            && let JsonReference::Local(target) = reference(target)
        {
            self.schema(place, &target, within, above);
        }
        for keyword in ["allOf", "oneOf", "anyOf"] {
            let branches = schema.get(keyword).and_then(Value::as_array).map_or(0, Vec::len);
            for branch in 0..branches {
                self.schema(place, &format!("{pointer}/{keyword}/{branch}"), within, above);
            }
        }
        for keyword in ["if", "then", "else"] {
            if keyword != "if" && schema.contains_key(keyword) {
                self.schema(place, &join(pointer, keyword), within, above);
            }
        }
        for (name, _) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let at = join(&join(pointer, "properties"), name);
            self.schema(place, &at, &join(within, name), above);
        }
        for (name, _) in schema.get("dependentSchemas").and_then(Value::as_object).into_iter().flatten() {
            self.schema(place, &join(&join(pointer, "dependentSchemas"), name), within, above);
        }
        if let Some(Value::Object(_)) = schema.get("additionalProperties") {
            let at = join(pointer, "additionalProperties");
            self.schema(place, &at, &join(within, "name"), above);
        }
        for (pattern, _) in schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten() {
            let at = join(&join(pointer, "patternProperties"), pattern);
            self.schema(place, &at, &join(within, "name"), above);
        }
        if schema.contains_key("items") {
            self.schema(place, &join(pointer, "items"), &join(within, "0"), above);
        }
        let positions = schema.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
        for position in 0..positions {
            let at = format!("{pointer}/prefixItems/{position}");
            self.schema(place, &at, &format!("{within}/{position}"), above);
        }
        if schema.contains_key("propertyNames") {
            self.schema(place, &join(pointer, "propertyNames"), &join(within, "name"), above);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a violation has, and where it comes from")]
    fn broken(
        &mut self,
        place: &Place<'_>,
        within: &str,
        condition: Condition,
        value: &str,
        limit: Option<Limit>,
        pointer: &str,
        keyword: &'static str,
    ) {
        let violation = self.example(place, within, condition, value, limit);
        self.push(violation, keyword, pointer.to_owned());
    }

    fn example(
        &self,
        place: &Place<'_>,
        within: &str,
        condition: Condition,
        value: &str,
        limit: Option<Limit>,
    ) -> Violation {
        Violation {
            condition,
            location: place.subject.location(),
            param: place.subject.param(within),
            pointer: place.subject.pointer(within),
            value: Some(value.to_owned()),
            limit,
            allowed: Vec::new(),
        }
    }

    fn push(&mut self, violation: Violation, keyword: &'static str, pointer: String) {
        let key = (violation.condition, violation.location, violation.pointer.clone());
        if self.found.len() < MAX_LISTED && self.seen.insert(key) {
            self.found.push(PossibleViolation { violation, keyword, pointer });
        }
    }
}

/// What `type` says.
struct DeclaredTypes {
    rule: BrokenRule,
    /// A value of another type.
    wrong: &'static str,
    accepts_string: bool,
    /// Whether a list or an object is one of these types: any text can be read as such.
    accepts_list: bool,
}

fn declared_types(value: &Value) -> Option<DeclaredTypes> {
    let single = std::slice::from_ref(value);
    let names = value.as_array().map_or(single, Vec::as_slice).iter().filter_map(Value::as_str);
    let types: Vec<JsonType> = names.filter_map(json_type).collect();
    let first = *types.iter().find(|name| **name != JsonType::Null).or(types.first())?;
    let accepts_string = types.contains(&JsonType::String);
    let accepts_list = types.iter().any(|name| matches!(name, JsonType::Array | JsonType::Object));
    let wrong = match first {
        JsonType::String | JsonType::Array | JsonType::Object => "5",
        JsonType::Number | JsonType::Integer => "ten",
        JsonType::Boolean | JsonType::Null => "value",
    };
    Some(DeclaredTypes { wrong, accepts_string, accepts_list, rule: types_rule(types) })
}

fn json_type(name: &str) -> Option<JsonType> {
    Some(match name {
        "string" => JsonType::String,
        "number" => JsonType::Number,
        "integer" => JsonType::Integer,
        "boolean" => JsonType::Boolean,
        "array" => JsonType::Array,
        "object" => JsonType::Object,
        "null" => JsonType::Null,
        _ => return None,
    })
}
