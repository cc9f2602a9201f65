//! Content of forms (`application/x-www-form-urlencoded`, `multipart/form-data`) → the value that the schema
//! judges, as if it had come as JSON.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::multipart::Part;
use super::pairs::{Pairs, base};
use super::spelling::{Spelling, json_or_text, member};
use super::style::Style;
use super::text::{decode_form, scalar};
use crate::document::{Encoding, MediaKind};
use crate::schema::Shape;

/// `Err` holds the text that cannot be decoded.
pub(super) fn urlencoded(text: &str, shape: &Shape, encodings: &[Encoding]) -> Result<Value, String> {
    let pairs = Pairs::read(text);
    let mut members = Map::new();
    for (name, of) in &shape.members {
        let encoding = encodings.iter().find(|encoding| encoding.name == *name);
        let value = match spelling(encoding, of, &pairs, name) {
            Some(spelling) => spelling.in_pairs(&pairs, name, of, decode_form)?,
            None => None,
        };
        if let Some(value) = value {
            members.insert(name.clone(), value);
        }
    }
    // What is not declared is for `additionalProperties` to judge.
    let mut seen: HashSet<&str> = HashSet::new();
    for (name, _) in pairs.all() {
        let is_known = shape.members.contains_key(&**name) || shape.members.contains_key(base(name));
        if is_known || !seen.insert(name) {
            continue;
        }
        let of = member(shape, name);
        if let Some(value) = SPREAD.in_pairs(&pairs, name, of, decode_form)? {
            members.insert(name.to_string(), value);
        }
    }
    Ok(Value::Object(members))
}

/// Form style, as a browser writes it.
const SPREAD: Spelling = Spelling { style: Style::Form, explode: true };

/// How a member is written: as the document says, else as its text shows. `None` where it is absent.
fn spelling(encoding: Option<&Encoding>, of: &Shape, pairs: &Pairs<'_>, name: &str) -> Option<Spelling> {
    let style = encoding.and_then(|encoding| encoding.style);
    let first = pairs.named(name).next();
    let has_brackets = pairs.below(name).next().is_some();
    let style = match style {
        Some(style) => style,
        None if encoding.is_some_and(|encoding| encoding.is_json) => Style::Json,
        // OpenAPI leaves objects in forms without a word about their style open; both ways are common.
        None if has_brackets => Style::Deep,
        None if of.is_nested() && first.is_some_and(starts_json) => Style::Json,
        None => Style::Form,
    };
    let explode = encoding.and_then(|encoding| encoding.explode).unwrap_or(style == Style::Form);
    // A nested object never spreads its members over the whole form.
    let is_spread = style == Style::Form && explode && of.is_object();
    (!is_spread || first.is_some()).then_some(Spelling { style, explode: explode && !is_spread })
}

fn starts_json(raw: &str) -> bool {
    ["{", "[", "%7B", "%7b", "%5B", "%5b"].iter().any(|start| raw.starts_with(start))
}

pub(super) fn multipart(parts: &[Part<'_>], shape: &Shape, encodings: &[Encoding]) -> Value {
    let mut members = Map::new();
    for part in parts {
        let name = part.name.as_ref();
        let of = member(shape, name);
        let encoding = encodings.iter().find(|encoding| encoding.name == name);
        let element = if of.is_list() { of.items.as_deref().unwrap_or(of) } else { of };
        let value = part_value(part, of, element, encoding);
        match members.get_mut(name) {
            // A list is as many parts of one name as it has elements, or one part that holds it as JSON.
            Some(Value::Array(items)) => items.push(value),
            Some(first) => {
                let first = std::mem::take(first);
                members.insert(name.to_owned(), Value::Array(vec![first, value]));
            }
            None => {
                let value = if of.is_list() && !value.is_array() { Value::Array(vec![value]) } else { value };
                members.insert(name.to_owned(), value);
            }
        }
    }
    Value::Object(members)
}

fn part_value(part: &Part<'_>, of: &Shape, element: &Shape, encoding: Option<&Encoding>) -> Value {
    let text = String::from_utf8_lossy(part.content);
    let is_json = match &part.content_type {
        Some(content_type) => MediaKind::of(&content_type.to_ascii_lowercase()) == MediaKind::Json,
        None => encoding.is_some_and(|encoding| encoding.is_json) || of.is_nested(),
    };
    // A file is bytes, whatever it is called: only what is read as an object is looked into.
    let is_opened = is_json && (of.is_nested() || !part.is_file);
    if is_opened { json_or_text(&text) } else { scalar(&text, element.types) }
}
