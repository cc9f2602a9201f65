//! A value that a schema allows: the smallest one that shows all its properties.
//! Long because the rows of its tests are a quarter of it.
//!
//! References and `allOf` are merged into one schema first. What cannot be satisfied by looking at one keyword after the
//! other (`not`, `if`, contradictions) is ignored: an example is not a proof.

use std::collections::HashSet;

use serde_json::{Map, Number, Value, json};

use super::pattern;
use super::text;

/// Values in one response.
const MAX_NODES: usize = 20_000;
/// Values within values.
const MAX_DEPTH: usize = 24;
/// Items of an array, and characters of a text, that a schema demands.
const MAX_ITEMS: usize = 200;
const MAX_CHARS: usize = 10_000;

type Schema = Map<String, Value>;

/// Makes values from the schemas of a document.
pub(crate) struct Generator<'d> {
    document: &'d Value,
    left: usize,
    /// The references that lead to the current value.
    references: Vec<String>,
}

/// What a reference leads to, or the value itself.
pub(crate) fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let mut value = value;
    for _ in 0..MAX_DEPTH {
        match target(document, value) {
            Some(next) => value = next,
            None => break,
        }
    }
    value
}

fn target<'d>(document: &'d Value, value: &Value) -> Option<&'d Value> {
    let reference = value.get("$ref")?.as_str()?.strip_prefix('#')?;
    document.pointer(&percent_decoded(reference))
}

/// References are URI fragments.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match digits.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl<'d> Generator<'d> {
    pub(crate) fn new(document: &'d Value) -> Self {
        Self { document, left: MAX_NODES, references: Vec::new() }
    }

    pub(crate) fn resolve<'v>(&'v self, value: &'v Value) -> &'v Value {
        resolve(self.document, value)
    }

    /// A value that the schema allows.
    pub(crate) fn value(&mut self, schema: &Value) -> Value {
        self.generate(schema, 0).unwrap_or(Value::Null)
    }

    /// `None` if there is none within the limits: at the end of a recursion.
    fn generate(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH || self.left == 0 {
            return None;
        }
        self.left -= 1;
        let before = self.references.len();
        let generated = self.merged(schema, 0).and_then(|merged| self.of_merged(&merged, depth));
        self.references.truncate(before);
        generated
    }

    /// The schema with its references and `allOf` in one. `None` if it is `false`, or if a reference leads to itself.
    fn merged(&mut self, schema: &Value, depth: usize) -> Option<Schema> {
        let schema = match schema {
            Value::Object(schema) => schema,
            Value::Bool(false) => return None,
            _ => return Some(Schema::new()),
        };
        if depth > MAX_DEPTH {
            return None;
        }
        let mut merged = Schema::new();
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            if self.references.iter().any(|known| known == reference) {
                return None;
            }
            self.references.push(reference.to_owned());
            if let Some(target) = target(self.document, &Value::Object(schema.clone())) {
                merged = self.merged(target, depth + 1)?;
            }
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let part = self.merged(part, depth + 1)?;
            merge(&mut merged, &part);
        }
        let own: Schema =
            schema.iter().filter(|(name, _)| !matches!(name.as_str(), "$ref" | "allOf")).map(own).collect();
        merge(&mut merged, &own);
        Some(merged)
    }

    fn of_merged(&mut self, schema: &Schema, depth: usize) -> Option<Value> {
        let first = |name: &str| schema.get(name).and_then(Value::as_array).and_then(|list| list.first());
        let declared = [schema.get("const"), schema.get("example"), first("examples"), schema.get("default")];
        if let Some(value) = declared.into_iter().flatten().next() {
            return Some(value.clone());
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return values.iter().find(|value| !value.is_null()).or(values.first()).cloned();
        }
        for name in ["oneOf", "anyOf"] {
            if let Some(branches) = schema.get(name).and_then(Value::as_array) {
                return self.of_branches(schema, name, branches, depth);
            }
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "string" => Some(string(schema).into()),
            "integer" => Some(number(schema, true)),
            "number" => Some(number(schema, false)),
            "boolean" => Some(true.into()),
            "null" => Some(Value::Null),
            _ => Some(json!({})),
        }
    }

    /// The first branch for which there is a value. `null` comes last.
    fn of_branches(
        &mut self,
        schema: &Schema,
        name: &str,
        branches: &[Value],
        depth: usize,
    ) -> Option<Value> {
        let is_null = |branch: &&Value| branch.get("type").and_then(Value::as_str) == Some("null");
        let (null, others): (Vec<&Value>, Vec<&Value>) = branches.iter().partition(is_null);
        for branch in others.into_iter().chain(null) {
            let before = self.references.len();
            let value = self.merged(branch, 0).and_then(|branch_schema| {
                let mut both = schema.clone();
                both.remove(name);
                let discriminator = both.remove("discriminator");
                merge(&mut both, &branch_schema);
                let mut value = self.of_merged(&both, depth + 1)?;
                if let Some(discriminator) = discriminator {
                    discriminate(&mut value, &discriminator, branch, &both);
                }
                Some(value)
            });
            self.references.truncate(before);
            if value.is_some() {
                return value;
            }
        }
        None
    }

    fn object(&mut self, schema: &Schema, depth: usize) -> Option<Value> {
        let required: HashSet<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut object = Map::new();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if self.resolve(property).get("writeOnly") == Some(&Value::Bool(true)) {
                continue;
            }
            match self.generate(property, depth + 1) {
                Some(value) => {
                    object.insert(name.clone(), value);
                }
                None if required.contains(name.as_str()) => return None,
                None => {}
            }
        }
        let additional = schema.get("additionalProperties");
        for name in &required {
            if !object.contains_key(*name) {
                let value = match additional {
                    Some(additional) => self.generate(additional, depth + 1)?,
                    None => json!({}),
                };
                object.insert((*name).to_owned(), value);
            }
        }
        let least = count(schema, "minProperties").unwrap_or_default();
        // A map shows one of its values.
        let wanted = match additional {
            Some(Value::Object(_)) if object.is_empty() => least.max(1),
            _ => least,
        };
        for index in 1..=wanted.min(MAX_ITEMS) {
            if object.len() >= wanted || additional == Some(&Value::Bool(false)) {
                break;
            }
            match self.generate(additional.unwrap_or(&Value::Bool(true)), depth + 1) {
                Some(value) => {
                    object.insert(format!("property{index}"), value);
                }
                None if least == 0 => break,
                None => return None,
            }
        }
        Some(Value::Object(object))
    }

    fn array(&mut self, schema: &Schema, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        for item in schema.get("prefixItems").and_then(Value::as_array).into_iter().flatten() {
            items.push(self.generate(item, depth + 1)?);
        }
        let least = count(schema, "minItems").unwrap_or_default();
        let most = count(schema, "maxItems").unwrap_or(usize::MAX);
        let item = schema.get("items").unwrap_or(&Value::Bool(true));
        let wanted = if schema.contains_key("items") { least.max(1) } else { least };
        let is_unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        while items.len() < wanted.min(most).min(MAX_ITEMS) {
            match self.generate(item, depth + 1) {
                Some(value) if is_unique && items.contains(&value) => {
                    items.push(varied(&value, items.len(), self.resolve(item)));
                }
                Some(value) => items.push(value),
                None if least == 0 => break,
                None => return None,
            }
        }
        Some(items.into())
    }
}

fn own((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Merges a schema into another one, whose keywords it restricts.
fn merge(merged: &mut Schema, other: &Schema) {
    for (name, value) in other {
        let Some(known) = merged.get_mut(name) else {
            merged.insert(name.clone(), value.clone());
            continue;
        };
        match (name.as_str(), known, value) {
            ("properties", Value::Object(known), Value::Object(value)) => {
                for (name, schema) in value {
                    match known.get_mut(name) {
                        Some(other) if other != schema => *other = json!({ "allOf": [other.take(), schema] }),
                        Some(_) => {}
                        None => {
                            known.insert(name.clone(), schema.clone());
                        }
                    }
                }
            }
            ("required", Value::Array(known), Value::Array(value)) => {
                let new: Vec<Value> = value.iter().filter(|name| !known.contains(name)).cloned().collect();
                known.extend(new);
            }
            ("minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties", known, value) => {
                if value.as_f64() > known.as_f64() {
                    *known = value.clone();
                }
            }
            ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties", known, value) => {
                if value.as_f64() < known.as_f64() {
                    *known = value.clone();
                }
            }
            // What both allow, if that is something.
            ("enum", Value::Array(known), Value::Array(value)) => {
                let both: Vec<Value> = known.iter().filter(|one| value.contains(one)).cloned().collect();
                if !both.is_empty() {
                    *known = both;
                }
            }
            (_, known, value) => *known = value.clone(),
        }
    }
}

/// The type of a value: the declared one, or one that the keywords are about.
fn kind(schema: &Schema) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => return kind,
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str);
            return kinds.find(|kind| *kind != "null").unwrap_or("null");
        }
        _ => {}
    }
    let has = |names: &[&str]| names.iter().any(|name| schema.contains_key(*name));
    match () {
        () if has(&["properties", "required", "additionalProperties", "minProperties"]) => "object",
        () if has(&["items", "prefixItems", "minItems", "maxItems", "uniqueItems"]) => "array",
        () if has(&["pattern", "format", "minLength", "maxLength", "contentEncoding"]) => "string",
        () if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) => "number",
        () => "",
    }
}

fn count(schema: &Schema, name: &str) -> Option<usize> {
    schema.get(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok())
}

fn string(schema: &Schema) -> String {
    let least = count(schema, "minLength").unwrap_or_default().min(MAX_CHARS);
    let most = count(schema, "maxLength").unwrap_or(usize::MAX);
    if let Some(format) = schema.get("format").and_then(Value::as_str)
        && let Some(known) = text::of_format(format)
        && (least..=most).contains(&known.len())
    {
        return known.to_owned();
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && let Some(text) = pattern::matching(pattern, least, most)
    {
        return text;
    }
    text::of_length(least, most)
}

/// The number next to zero, or next to the lower bound.
fn number(schema: &Schema, is_integer: bool) -> Value {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let step = bound("multipleOf").filter(|step| *step > 0.0);
    let unit = step.unwrap_or(1.0);
    let low = match (bound("minimum"), bound("exclusiveMinimum")) {
        (Some(least), Some(below)) if below < least => Some((least, false)),
        (_, Some(below)) => Some((below, true)),
        (least, None) => least.map(|least| (least, false)),
    };
    let high = match (bound("maximum"), bound("exclusiveMaximum")) {
        (Some(most), Some(above)) if above > most => Some((most, false)),
        (_, Some(above)) => Some((above, true)),
        (most, None) => most.map(|most| (most, false)),
    };
    let fits = |number: f64| {
        low.is_none_or(|(low, open)| number > low || !open && number == low)
            && high.is_none_or(|(high, open)| number < high || !open && number == high)
    };
    let above = |low: f64, open: bool| {
        let next = (low / unit).ceil() * unit;
        if open && next <= low { next + unit } else { next }
    };
    let below = |high: f64, open: bool| {
        let next = (high / unit).floor() * unit;
        if open && next >= high { next - unit } else { next }
    };
    let middle = low.zip(high).map(|((low, _), (high, _))| low + (high - low) / 2.0);
    let candidates = [
        Some(unit),
        Some(0.0),
        low.map(|(low, open)| above(low, open)),
        high.map(|(high, open)| below(high, open)),
        middle.filter(|_| !is_integer && step.is_none()),
        low.map(|(low, _)| low),
        high.map(|(high, _)| high),
    ];
    let found = candidates.into_iter().flatten().find(|number| fits(*number)).unwrap_or(unit);
    if (is_integer || found.fract() == 0.0) && found.abs() < 9e15 {
        return Value::from(found as i64);
    }
    Number::from_f64(found).map_or(Value::from(1), Value::Number)
}

/// Another value of the same kind, for arrays of unique items.
fn varied(value: &Value, index: usize, schema: &Value) -> Value {
    if let Some(other) = schema.get("enum").and_then(Value::as_array).and_then(|values| values.get(index)) {
        return other.clone();
    }
    match value {
        Value::Number(number) => number
            .as_i64()
            .and_then(|number| number.checked_add(i64::try_from(index).ok()?))
            .map_or_else(|| value.clone(), Value::from),
        Value::String(text) => format!("{text}{index}").into(),
        Value::Object(members) => {
            let varied_one = |(position, (name, member)): (usize, (&String, &Value))| {
                let member = if position == 0 { varied(member, index, &Value::Null) } else { member.clone() };
                (name.clone(), member)
            };
            Value::Object(members.iter().enumerate().map(varied_one).collect())
        }
        other => other.clone(),
    }
}

/// Sets the member that names the branch.
fn discriminate(value: &mut Value, discriminator: &Value, branch: &Value, schema: &Schema) {
    let Some(name) = discriminator.get("propertyName").and_then(Value::as_str) else { return };
    let property = schema.get("properties").and_then(|properties| properties.get(name));
    if property.is_some_and(|property| property.get("const").is_some() || property.get("enum").is_some()) {
        return;
    }
    let Some(reference) = branch.get("$ref").and_then(Value::as_str) else { return };
    let mapping = discriminator.get("mapping").and_then(Value::as_object);
    let mapped = mapping.into_iter().flatten().find(|(_, to)| to.as_str() == Some(reference));
    let implicit = reference.rsplit('/').next().unwrap_or(reference);
    let kind = mapped.map_or(implicit, |(name, _)| name.as_str());
    if let Value::Object(members) = value {
        members.insert(name.to_owned(), kind.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(schema: &Value) -> Value {
        let document = json!({ "components": { "schemas": {
            "Tree": { "type": "object", "required": ["name"], "properties": {
                "name": { "type": "string" }, "children": { "type": "array", "items": { "$ref": "#/components/schemas/Tree" } } } },
            "Endless": { "type": "object", "required": ["next"], "properties": { "next": { "$ref": "#/components/schemas/Endless" } } },
            "Cat": { "type": "object", "required": ["kind"], "properties": { "kind": { "type": "string" }, "lives": { "type": "integer" } } },
            "Loop": { "$ref": "#/components/schemas/Loop" },
        } } });
        Generator::new(&document).value(schema)
    }

    #[test]
    fn values_satisfy_their_schemas() {
        for (schema, expected) in [
            (json!({ "type": "integer", "minimum": 3 }), json!(3)),
            (json!({ "type": "integer", "exclusiveMinimum": 3, "multipleOf": 5 }), json!(5)),
            (json!({ "type": "integer", "maximum": -2 }), json!(-2)),
            (json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 }), json!(0.5)),
            (json!({ "type": "string", "format": "date" }), json!("2026-11-30")),
            (json!({ "type": "string", "minLength": 12, "maxLength": 12 }), json!("stringstring")),
            (json!({ "type": "string", "maxLength": 3 }), json!("str")),
            (json!({ "type": "string", "pattern": "^[a-c]{2}-\\d+$" }), json!("aa-0")),
            (json!({ "type": ["null", "boolean"] }), json!(true)),
            (json!({ "enum": [null, "x"] }), json!("x")),
            (json!({ "default": 4, "type": "integer" }), json!(4)),
            (json!({ "type": "array", "items": { "type": "integer" }, "minItems": 2 }), json!([1, 1])),
            (
                json!({ "type": "array", "items": { "type": "integer" }, "minItems": 3, "uniqueItems": true }),
                json!([1, 2, 3]),
            ),
            (json!({ "prefixItems": [{ "const": 1 }, { "type": "boolean" }] }), json!([1, true])),
            (
                json!({ "type": "object", "additionalProperties": { "type": "integer" } }),
                json!({ "property1": 1 }),
            ),
            (json!({ "required": ["a"] }), json!({ "a": {} })),
            (
                json!({ "allOf": [
                    { "properties": { "a": { "type": "integer" } }, "required": ["a"] },
                    { "properties": { "a": { "minimum": 4 }, "b": { "type": "string" } } }
                ] }),
                json!({ "a": 4, "b": "string" }),
            ),
            (json!({ "oneOf": [{ "type": "null" }, { "type": "integer" }] }), json!(1)),
            (json!({ "anyOf": [{ "$ref": "#/components/schemas/Endless" }, { "const": 2 }] }), json!(2)),
            (json!({ "$ref": "#/components/schemas/Tree" }), json!({ "name": "string", "children": [] })),
            (
                json!({ "oneOf": [{ "$ref": "#/components/schemas/Cat" }],
                    "discriminator": { "propertyName": "kind", "mapping": { "cat": "#/components/schemas/Cat" } } }),
                json!({ "kind": "cat", "lives": 1 }),
            ),
            (json!({ "properties": { "secret": { "type": "string", "writeOnly": true } } }), json!({})),
        ] {
            assert_eq!(value(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn hostile_schemas_end() {
        let mut deep = json!({ "type": "integer" });
        for _ in 0..100 {
            deep = json!({ "type": "array", "items": deep, "minItems": 1 });
        }
        let wide = json!({ "type": "array", "minItems": 4_000_000_000u64, "items": {
            "type": "array", "minItems": 4_000_000_000u64, "items": { "type": "string", "minLength": 1_000 } } });
        for schema in [
            json!({ "$ref": "#/components/schemas/Loop" }),
            json!({ "$ref": "#/components/schemas/Endless" }),
            json!({ "$ref": "#/nowhere" }),
            json!({ "type": "string", "minLength": 9_000_000_000u64, "pattern": "a{0,1000}{0,1000}{9}" }),
            json!({ "type": "string", "pattern": "(" }),
            json!({ "type": "number", "multipleOf": 0 }),
            json!({ "type": "number", "multipleOf": 1e-300, "minimum": 1e300 }),
            json!({ "type": "number", "minimum": 5, "maximum": 1 }),
            json!({ "enum": [] }),
            json!(false),
            deep,
            wide,
        ] {
            let made = value(&schema);
            assert!(made.to_string().len() < 50_000_000, "{schema}");
        }
    }
}
