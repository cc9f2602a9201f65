//! Generates requests from the schemas of a document, independently of the crate.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// The files of a document.
#[derive(Default)]
pub(crate) struct Files {
    read: HashMap<PathBuf, Value>,
    /// The branch for which values are generated.
    pub(crate) branch: usize,
    /// Whether values have only required members.
    pub(crate) is_sparse: bool,
}

/// A part of a document, and the file that contains it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) file: PathBuf,
    pub(crate) value: Value,
}

const DEEPEST: usize = 7;

impl Files {
    pub(crate) fn root(&mut self, path: &Path) -> Part {
        Part { file: path.to_owned(), value: self.file(path).clone() }
    }

    fn file(&mut self, path: &Path) -> &Value {
        self.read.entry(path.to_owned()).or_insert_with(|| {
            let source = demur_source::Source::read(path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            demur_source::parse(&source).unwrap_or_else(|found| panic!("{found}")).to_json()
        })
    }

    /// Follows the references of a part.
    pub(crate) fn follow(&mut self, mut part: Part) -> Part {
        while let Some(target) = part.value["$ref"].as_str() {
            let (name, pointer) = target.split_once('#').unwrap_or((target, ""));
            let file =
                if name.is_empty() { part.file.clone() } else { part.file.parent().unwrap().join(name) };
            let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy().into_owned();
            let value = self.file(&file).pointer(&pointer).unwrap_or(&Value::Null).clone();
            part = Part { file, value };
        }
        part
    }

    pub(crate) fn member(&mut self, part: &Part, name: &str) -> Option<Part> {
        let value = part.value.get(name)?.clone();
        Some(self.follow(Part { file: part.file.clone(), value }))
    }

    /// A schema merged with its `allOf` branches and one of its alternatives.
    pub(crate) fn flat(&mut self, schema: &Part) -> Map<String, Value> {
        let schema = self.follow(schema.clone());
        let Value::Object(mut flat) = schema.value.clone() else { return Map::new() };
        self.place(&mut flat, &schema.file);
        for keyword in ["allOf", "oneOf", "anyOf"] {
            let Some(Value::Array(branches)) = flat.remove(keyword) else { continue };
            let branches: Vec<Value> = match keyword {
                "allOf" => branches,
                _ => {
                    let real: Vec<Value> =
                        branches.into_iter().filter(|branch| branch["type"] != "null").collect();
                    let nth = self.branch.min(real.len().saturating_sub(1));
                    real.into_iter().nth(nth).into_iter().collect()
                }
            };
            for branch in branches {
                let file = branch["x-file"].as_str().map_or_else(|| schema.file.clone(), PathBuf::from);
                merge(&mut flat, self.flat(&Part { file, value: branch }));
            }
        }
        flat
    }

    /// Stores the file in every part, since merged parts come from several files.
    fn place(&self, schema: &mut Map<String, Value>, file: &Path) {
        let note = |part: &mut Value| {
            if let Value::Object(part) = part {
                part.entry("x-file").or_insert_with(|| json!(file));
            }
        };
        for name in ["items", "additionalProperties"] {
            schema.get_mut(name).into_iter().for_each(note);
        }
        for name in ["allOf", "oneOf", "anyOf"] {
            schema.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().for_each(note);
        }
        schema
            .get_mut("properties")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten()
            .for_each(|(_, part)| note(part));
    }

    /// A value for the schema; `None` if none was found.
    pub(crate) fn value(&mut self, schema: &Part, depth: usize) -> Option<Value> {
        let flat = self.flat(schema);
        if depth > DEEPEST {
            return None;
        }
        if let Some(value) = flat.get("const") {
            return Some(value.clone());
        }
        if let Some(Value::Array(values)) = flat.get("enum") {
            return values.iter().find(|value| !value.is_null()).cloned();
        }
        let number = |name: &str| flat.get(name).and_then(Value::as_f64);
        let count = |name: &str| number(name).map(|count| count as usize);
        let part = |value: &Value| {
            let file = value["x-file"].as_str().map_or_else(|| schema.file.clone(), PathBuf::from);
            Part { file, value: value.clone() }
        };
        let kind = match &flat.get("type") {
            Some(Value::String(kind)) => kind.clone(),
            Some(Value::Array(kinds)) => kinds
                .iter()
                .filter_map(Value::as_str)
                .find(|kind| *kind != "null")
                .unwrap_or("null")
                .to_owned(),
            _ if flat.contains_key("properties") => "object".to_owned(),
            _ if flat.contains_key("items") => "array".to_owned(),
            _ => "string".to_owned(),
        };
        match kind.as_str() {
            "boolean" => Some(json!(true)),
            "null" => Some(Value::Null),
            "integer" | "number" => {
                let exclusive = |name: &str| flat.get(name).is_some_and(|flag| flag == &json!(true));
                let mut least = number("minimum")
                    .map(|least| if exclusive("exclusiveMinimum") { least + 1.0 } else { least });
                least = least.or(number("exclusiveMinimum").map(|least| least + 1.0));
                let mut value = least.unwrap_or(1.0);
                if let Some(most) = number("maximum").or(number("exclusiveMaximum").map(|most| most - 1.0)) {
                    value = value.min(most);
                }
                if let Some(step) = number("multipleOf") {
                    value = (value / step).ceil() * step;
                }
                Some(if kind == "integer" || value.fract() == 0.0 {
                    json!(value as i64)
                } else {
                    json!(value)
                })
            }
            "array" => {
                let wanted =
                    count("minItems").unwrap_or(0).max(1).min(count("maxItems").unwrap_or(usize::MAX));
                let items = flat.get("items").cloned().unwrap_or_else(|| json!({}));
                let Some(item) = self.value(&part(&items), depth + 1) else {
                    return (count("minItems").unwrap_or(0) == 0).then(|| json!([]));
                };
                Some(Value::Array(vec![item; wanted]))
            }
            "object" => {
                let mut members = Map::new();
                let required: Vec<&str> = flat
                    .get("required")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let properties =
                    flat.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
                for (name, property) in &properties {
                    let is_required = required.contains(&name.as_str());
                    let seen = self.follow(part(property));
                    if seen.value["readOnly"] == json!(true)
                        || !is_required
                            && (self.is_sparse || depth > 1 || seen.value["nullable"] == json!(true))
                    {
                        continue;
                    }
                    match self.value(&part(property), depth + 1) {
                        Some(value) => {
                            members.insert(name.clone(), value);
                        }
                        None if is_required => return None,
                        None => {}
                    }
                }
                for name in required {
                    if !properties.contains_key(name) {
                        members.insert(name.to_owned(), json!("x"));
                    }
                }
                if count("maxProperties").is_some_and(|most| members.len() > most) {
                    return None;
                }
                Some(Value::Object(members))
            }
            _ => text(&flat),
        }
    }
}

/// Merges several schemas for one value.
fn merge(into: &mut Map<String, Value>, other: Map<String, Value>) {
    for (name, value) in other {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(more)) if name == "properties" => known.extend(more),
            (Some(Value::Array(known)), Value::Array(more)) if name == "required" => known.extend(more),
            (None, value) => {
                into.insert(name, value);
            }
            _ => {}
        }
    }
}

fn text(schema: &Map<String, Value>) -> Option<Value> {
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0) as usize;
    let most = schema.get("maxLength").and_then(Value::as_u64).map_or(usize::MAX, |most| most as usize);
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        // None of these texts is blank, so this look-ahead always matches.
        let plain = pattern.replace("(?!\\s*$)", "");
        let matches = |text: &str| regex::Regex::new(&plain).is_ok_and(|pattern| pattern.is_match(text));
        let fits = |text: &&str| (least..=most).contains(&text.chars().count()) && matches(text);
        let examples = ["example", "default"].into_iter().filter_map(|name| schema.get(name)?.as_str());
        let common = [
            "a",
            "abc",
            "1",
            "123",
            "ABC",
            "A1",
            "EUR",
            "2026-01-01",
            "2026-01-01T00:00:00.000Z",
            "#ffffff",
            "a/b",
            "a@b.co",
            "0123456789abcdef0123456789abcdef01234567",
            "refs/heads/a",
            "1.0",
            "12345678901234567890",
            "[a]",
            "+391234567",
            "b51ec534-ee48-4575-b6a9-ead2955b8069",
            "2026-01-01T00:00:00Z",
            "org-1",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "0801",
            "https://a.b/c",
            "abc_def",
            "20260101",
            "1.2.3",
            "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "ssh-ed25519 AAAA",
        ];
        return examples.chain(common).find(fits).map(|text| json!(text));
    }
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let text = match format {
        "date" => "2026-01-31",
        "date-time" => "2026-01-31T10:00:00Z",
        "time" => "10:00:00Z",
        "duration" => "P1D",
        "uuid" => "b51ec534-ee48-4575-b6a9-ead2955b8069",
        "email" | "idn-email" => "a@example.com",
        "hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "iri" | "url" => "https://example.com/a",
        "uri-reference" => "/a",
        _ => "abc",
    };
    let mut text = text.to_owned();
    if format.is_empty() {
        text.extend(std::iter::repeat_n('x', least.saturating_sub(text.len())));
        text.truncate(most);
    }
    Some(json!(text))
}
