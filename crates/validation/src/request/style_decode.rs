//! Decodes text in a serialization style to a value.
//!
//! Text is split before it is decoded, since an encoded comma is part of an element. The document (style, explode)
//! and the schema (list, object or scalar) decide where to split.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::json;
use super::query_pairs::Pairs;
use super::style::Style;
use super::text::{EncodingError, decode, scalar};
use crate::DocumentOptions;
use crate::schema::{Types, ValueShape};

/// The maximum number of brackets in `a[b][c]…`. Some documents need more than the 5 that Express reads by default.
const MAX_BRACKETS: usize = 8;

/// The serialization of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct StyleDecoder {
    pub(super) style: Style,
    pub(super) explode: bool,
}

/// The decoded value; `None` if it is absent.
pub(super) type DecodedValue = Result<Option<Value>, DecodeError>;

/// Text that servers read differently, or that cannot be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DecodeError {
    pub(super) raw: String,
    /// What is expected.
    pub(super) rule: &'static str,
}

impl DecodeError {
    fn brackets(raw: &str) -> Self {
        Self { raw: raw.to_owned(), rule: "brackets" }
    }

    /// Of several values, some servers take the first, some the last.
    pub(super) fn repeated(raw: &str) -> Self {
        Self { raw: raw.to_owned(), rule: "a single value" }
    }
}

pub(super) type Decode = fn(&str) -> Result<Cow<'_, str>, EncodingError>;

impl StyleDecoder {
    /// Decodes a value in a query, in cookies, or in a form.
    pub(super) fn in_pairs(
        self,
        pairs: &Pairs<'_>,
        name: &str,
        shape: &ValueShape,
        decode: Decode,
    ) -> DecodedValue {
        if self.style == Style::DeepObject {
            let mut deep = DeepObject::default();
            for (path, raw) in pairs.below(name) {
                if !is_bracketed(path) {
                    return Err(DecodeError::brackets(path));
                }
                deep.insert(path, decoded(raw, decode)?);
            }
            if !deep.is_empty() {
                // PHP takes the last of `a=1` and `a[b]=2`.
                let beside = pairs.named(name).next();
                return match beside.or_else(|| deep.is_ambiguous().then_some(name)) {
                    Some(raw) => Err(DecodeError::brackets(raw)),
                    None => Ok(Some(deep.value(shape))),
                };
            }
            // Without brackets, servers read a string.
            if let Some(raw) = pairs.named(name).next().filter(|_| shape.is_object()) {
                return Err(DecodeError::brackets(raw));
            }
        }
        if shape.is_object() && self.style == Style::Form && self.explode {
            return exploded_object(pairs, shape, decode);
        }
        let raws: Vec<&str> = pairs.named(name).collect();
        let Some(first) = raws.first() else { return Ok(None) };
        if raws.len() > 1 && (self.style == Style::Json || shape.is_object()) {
            return Err(DecodeError::repeated(first));
        }
        if self.style == Style::Json {
            return Ok(Some(json_or_text(&decoded(first, decode)?)));
        }
        if shape.is_object() {
            return Ok(Some(object(&self.split(first), false, shape, decode)?));
        }
        if !shape.is_list() {
            return Ok(Some(repeated(&raws, shape, decode)?));
        }
        // With `explode`, a comma is part of the value; without, the whole list is one value.
        if !self.explode && raws.len() > 1 {
            return Err(DecodeError::repeated(first));
        }
        let parts: Vec<&str> = if self.explode { raws } else { self.split(first) };
        Ok(Some(list_or_text(&parts, shape, decode)?))
    }

    /// Decodes a value in a path segment.
    pub(super) fn in_path(self, raw: &str, name: &str, shape: &ValueShape) -> DecodedValue {
        let text = match self.style {
            Style::Label => raw.strip_prefix('.').unwrap_or(raw),
            Style::Matrix => raw.strip_prefix(';').unwrap_or(raw),
            _ => raw,
        };
        if self.style == Style::Json {
            return Ok(Some(json_or_text(&decoded(text, decode)?)));
        }
        // `;name=` precedes the value, or with `explode` each element.
        let named = |part: &'_ str| -> usize {
            let rest = part.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
            part.len() - rest.map_or(part.len(), str::len)
        };
        let is_matrix = self.style == Style::Matrix;
        if shape.is_object() {
            let text = if is_matrix && !self.explode { &text[named(text)..] } else { text };
            return Ok(Some(object(&self.split(text), self.explode, shape, decode)?));
        }
        if shape.is_list() {
            let parts: Vec<&str> = if is_matrix && self.explode {
                text.split(';').map(|part| &part[named(part)..]).collect()
            } else {
                self.split(if is_matrix { &text[named(text)..] } else { text })
            };
            return Ok(Some(list_or_text(&parts, shape, decode)?));
        }
        let text = if is_matrix { &text[named(text)..] } else { text };
        Ok(Some(scalar(&decoded(text, decode)?, shape.types)))
    }

    /// Decodes a value in headers, which have no encoding. Several lines of one header are one list (RFC 9110,
    /// section 5.3).
    pub(super) fn in_headers(self, lines: &[Cow<'_, str>], shape: &ValueShape) -> Option<Value> {
        let first = lines.first()?;
        if self.style == Style::Json {
            // Several lines are a list, which is not JSON.
            return Some(if lines.len() > 1 { Value::String(lines.join(", ")) } else { json_or_text(first) });
        }
        let plain: Decode = |text| Ok(Cow::Borrowed(text.trim_matches([' ', '\t'])));
        let raws: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
        let parts = || raws.iter().flat_map(|line| line.split(',')).collect::<Vec<_>>();
        // `plain` never fails.
        if shape.is_object() {
            return object(&parts(), self.explode, shape, plain).ok();
        }
        if shape.is_list() { list_or_text(&parts(), shape, plain) } else { repeated(&raws, shape, plain) }
            .ok()
    }

    fn split(self, text: &str) -> Vec<&str> {
        match (self.style, self.explode) {
            (Style::Label, true) => text.split('.').collect(),
            (Style::Matrix, true) => text.split(';').collect(),
            (Style::Space, _) => split_at(text, &["%20", "+"]),
            (Style::Pipe, _) => split_at(text, &["|", "%7C", "%7c"]),
            _ => text.split(',').collect(),
        }
    }
}

/// Splits at any of the separators.
fn split_at<'t>(text: &'t str, separators: &[&str]) -> Vec<&'t str> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let nearest =
            separators.iter().filter_map(|separator| Some((rest.find(separator)?, separator.len()))).min();
        match nearest {
            Some((at, length)) => {
                parts.push(&rest[..at]);
                rest = &rest[at + length..];
            }
            None => {
                parts.push(rest);
                return parts;
            }
        }
    }
}

fn decoded(raw: &str, decode: Decode) -> Result<Cow<'_, str>, DecodeError> {
    decode(raw).map_err(|EncodingError| DecodeError { raw: raw.to_owned(), rule: "percent-encoding" })
}

/// Whether the text after a name is `[a][b]…` with an unambiguous meaning.
pub(super) fn is_bracketed(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    let mut depth = 0;
    inner.split("][").all(|name| {
        depth += 1;
        let is_plain = !name.contains(|c: char| matches!(c, '[' | ']') || c.is_control());
        depth <= MAX_BRACKETS && is_plain && name.trim() == name && name != "__proto__"
    })
}

/// Parses JSON. Invalid JSON becomes a string, which the schema rejects.
pub(super) fn json_or_text(text: &str) -> Value {
    json::read(text.as_bytes(), DocumentOptions::default().max_depth)
        .unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// A repeated scalar becomes a list, which the schema rejects: it is unknown which value the upstream would use.
fn repeated(raws: &[&str], shape: &ValueShape, decode: Decode) -> Result<Value, DecodeError> {
    match raws {
        [single] => Ok(scalar(&decoded(single, decode)?, shape.types)),
        several => {
            let items = several.iter().map(|raw| Ok(scalar(&decoded(raw, decode)?, shape.types)));
            items.collect::<Result<_, DecodeError>>().map(Value::Array)
        }
    }
}

/// If the schema allows a list or a string, text without a separator is a string.
fn list_or_text(parts: &[&str], shape: &ValueShape, decode: Decode) -> Result<Value, DecodeError> {
    match parts {
        [_] if shape.types.contains(Types::STRING) => repeated(parts, shape, decode),
        several => list(several, shape, decode),
    }
}

fn list(parts: &[&str], shape: &ValueShape, decode: Decode) -> Result<Value, DecodeError> {
    let types = shape.items.as_ref().map(|items| items.types).unwrap_or_default();
    match parts {
        // `a=` is an empty list in form style.
        [""] => Ok(Value::Array(Vec::new())),
        parts => {
            let items = parts.iter().map(|raw| Ok(scalar(&decoded(raw, decode)?, types)));
            items.collect::<Result<_, DecodeError>>().map(Value::Array)
        }
    }
}

/// Decodes `k,v,k,v`, or `k=v` pairs if exploded.
fn object(
    parts: &[&str],
    is_exploded: bool,
    shape: &ValueShape,
    decode: Decode,
) -> Result<Value, DecodeError> {
    let parts = if matches!(parts, [""]) { &[][..] } else { parts };
    let by_equals = |part: &&'_ str| part.find('=').unwrap_or(part.len());
    let mut members = Map::new();
    for pair in parts.chunks(if is_exploded { 1 } else { 2 }) {
        let (name, raw) = match pair {
            [part] if is_exploded => (&part[..by_equals(part)], part.get(by_equals(part) + 1..)),
            [name, raw] => (*name, Some(*raw)),
            [name] => (*name, None),
            _ => continue,
        };
        let name = decoded(name, decode)?;
        let value = match raw {
            Some(raw) => scalar(&decoded(raw, decode)?, member(shape, &name).types),
            // A name without a value: left to the schema.
            None => Value::Null,
        };
        members.insert(name.into_owned(), value);
    }
    Ok(Value::Object(members))
}

/// The shape of an object's member.
pub(super) fn member<'s>(shape: &'s ValueShape, name: &str) -> &'s ValueShape {
    static UNKNOWN: std::sync::LazyLock<ValueShape> = std::sync::LazyLock::new(ValueShape::default);
    shape.members.get(name).or(shape.others.as_deref()).unwrap_or(&UNKNOWN)
}

/// Decodes an object whose members are query parameters.
fn exploded_object(pairs: &Pairs<'_>, shape: &ValueShape, decode: Decode) -> DecodedValue {
    let mut members = Map::new();
    for (name, of) in &shape.members {
        let raws: Vec<&str> = pairs.named(name).collect();
        let Some(first) = raws.first() else { continue };
        if raws.len() > 1 && !of.may_repeat() {
            return Err(DecodeError::repeated(first));
        }
        let value = if of.is_list() { list(&raws, of, decode)? } else { repeated(&raws, of, decode)? };
        members.insert(name.clone(), value);
    }
    Ok((!members.is_empty()).then_some(Value::Object(members)))
}

/// The number of an element: `0` or `1`, but not `01`.
fn number(name: &str) -> Option<u32> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    is_plain.then(|| name.parse().ok()).flatten()
}

/// The values of `[a][b]=text`.
#[derive(Default)]
pub(super) struct DeepObject {
    texts: Vec<String>,
    /// Whether a text was not written as an element of a list.
    has_plain: bool,
    members: Vec<(String, DeepObject)>,
    positions: HashMap<String, usize>,
}

impl DeepObject {
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.members.is_empty()
    }

    /// Adds a text at a path that is [bracketed](is_bracketed).
    pub(super) fn insert(&mut self, path: &str, text: Cow<'_, str>) {
        let inner = path.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(path);
        let mut node = self;
        // `[]` appends to the same list.
        for name in inner.split("][").filter(|name| !name.is_empty()) {
            node = node.member(name);
        }
        node.has_plain |= !path.ends_with("[]");
        node.texts.push(text.into_owned());
    }

    /// Whether a path has several values without being a list, or both a value and members.
    pub(super) fn is_ambiguous(&self) -> bool {
        let has_several = self.texts.len() > 1 || !self.members.is_empty();
        let is_unclear = self.has_plain && has_several || !self.texts.is_empty() && !self.members.is_empty();
        is_unclear || self.members.iter().any(|(_, member)| member.is_ambiguous())
    }

    fn member(&mut self, name: &str) -> &mut DeepObject {
        let position = match self.positions.get(name) {
            Some(position) => *position,
            None => {
                self.positions.insert(name.to_owned(), self.members.len());
                self.members.push((name.to_owned(), DeepObject::default()));
                self.members.len() - 1
            }
        };
        &mut self.members[position].1
    }

    pub(super) fn value(&self, shape: &ValueShape) -> Value {
        let items = shape.items.as_deref();
        let types =
            if shape.is_list() { items.map(|items| items.types).unwrap_or_default() } else { shape.types };
        let texts = || self.texts.iter().map(|text| scalar(text, types));
        if self.members.is_empty() {
            return match self.texts.as_slice() {
                [single] if !shape.is_list() => scalar(single, types),
                _ => Value::Array(texts().collect()),
            };
        }
        // Some servers keep the order of the text, some sort by number.
        let numbers = self.members.iter().map(|(name, _)| number(name));
        let is_numbered =
            numbers.clone().all(|number| number.is_some()) && numbers.is_sorted_by(|one, next| one < next);
        if shape.is_list() && is_numbered {
            let of = |deep: &DeepObject| deep.value(items.unwrap_or(member(shape, "")));
            return Value::Array(texts().chain(self.members.iter().map(|(_, deep)| of(deep))).collect());
        }
        let members = self.members.iter().map(|(name, deep)| (name.clone(), deep.value(member(shape, name))));
        Value::Object(members.collect())
    }
}
