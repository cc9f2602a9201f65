//! Text in one of OpenAPI's styles → the value that a schema can judge.
//!
//! Text is split before it is decoded: an encoded comma is a part of an element. What is split where is the
//! document's word (style, explode) and the schema's (list, object, or one text).

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::json;
use super::pairs::Pairs;
use super::style::Style;
use super::text::{Undecodable, decode, scalar};
use crate::DocumentOptions;
use crate::schema::{Shape, Types};

/// `a[b][c]…` is read to this depth; what is deeper stays a part of the name.
const MAX_BRACKETS: usize = 8;

/// How one value is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spelling {
    pub(super) style: Style,
    pub(super) explode: bool,
}

/// A value, `None` where it is absent; `Err` holds raw text that cannot be decoded.
pub(super) type Read = Result<Option<Value>, String>;

pub(super) type Decode = fn(&str) -> Result<Cow<'_, str>, Undecodable>;

impl Spelling {
    /// A value in a query, in cookies, or in a form.
    pub(super) fn in_pairs(self, pairs: &Pairs<'_>, name: &str, shape: &Shape, decode: Decode) -> Read {
        if self.style == Style::Deep {
            let mut deep = Deep::default();
            for (path, raw) in pairs.below(name) {
                deep.put(path, decoded(raw, decode)?);
            }
            if !deep.is_empty() {
                return Ok(Some(deep.value(shape)));
            }
        }
        if shape.is_object() && self.style == Style::Form && self.explode {
            return exploded_object(pairs, shape, decode);
        }
        let raws: Vec<&str> = pairs.named(name).collect();
        let Some(first) = raws.first() else { return Ok(None) };
        if self.style == Style::Json {
            return Ok(Some(json_or_text(&decoded(first, decode)?)));
        }
        if shape.is_object() {
            return Ok(Some(object(&self.split(first), false, shape, decode)?));
        }
        if !shape.is_list() {
            return Ok(Some(repeated(&raws, shape, decode)?));
        }
        // With `explode`, a comma is a part of the value.
        let parts: Vec<&str> =
            if self.explode { raws } else { raws.iter().flat_map(|raw| self.split(raw)).collect() };
        Ok(Some(list_or_text(&parts, shape, decode)?))
    }

    /// A value in a segment of the path.
    pub(super) fn in_path(self, raw: &str, name: &str, shape: &Shape) -> Read {
        let text = match self.style {
            Style::Label => raw.strip_prefix('.').unwrap_or(raw),
            Style::Matrix => raw.strip_prefix(';').unwrap_or(raw),
            _ => raw,
        };
        if self.style == Style::Json {
            return Ok(Some(json_or_text(&decoded(text, decode)?)));
        }
        // `;name=` stands before the value, and with `explode` before each element.
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

    /// A value in header fields, which know no encoding. Several lines of one field are one list (RFC 9110,
    /// section 5.3).
    pub(super) fn in_fields(self, lines: &[Cow<'_, str>], shape: &Shape) -> Option<Value> {
        let first = lines.first()?;
        if self.style == Style::Json {
            return Some(json_or_text(first));
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

/// Splits at any of several texts.
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

fn decoded(raw: &str, decode: Decode) -> Result<Cow<'_, str>, String> {
    decode(raw).map_err(|Undecodable| raw.to_owned())
}

/// JSON as text; what is not JSON stays text, for the schema to refuse.
pub(super) fn json_or_text(text: &str) -> Value {
    json::read(text.as_bytes(), DocumentOptions::default().max_depth)
        .unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// A scalar that stands there several times is given to the schema as the list that it is, and refused by it:
/// which of several the API behind would take is not known.
fn repeated(raws: &[&str], shape: &Shape, decode: Decode) -> Result<Value, String> {
    match raws {
        [single] => Ok(scalar(&decoded(single, decode)?, shape.types)),
        several => {
            let items = several.iter().map(|raw| Ok(scalar(&decoded(raw, decode)?, shape.types)));
            items.collect::<Result<_, String>>().map(Value::Array)
        }
    }
}

/// Where a schema takes a list or a text, what has no separator is a text.
fn list_or_text(parts: &[&str], shape: &Shape, decode: Decode) -> Result<Value, String> {
    match parts {
        [_] if shape.types.contains(Types::STRING) => repeated(parts, shape, decode),
        several => list(several, shape, decode),
    }
}

fn list(parts: &[&str], shape: &Shape, decode: Decode) -> Result<Value, String> {
    let types = shape.items.as_ref().map(|items| items.types).unwrap_or_default();
    match parts {
        // `a=` is how form style writes an empty list.
        [""] => Ok(Value::Array(Vec::new())),
        parts => {
            let items = parts.iter().map(|raw| Ok(scalar(&decoded(raw, decode)?, types)));
            items.collect::<Result<_, String>>().map(Value::Array)
        }
    }
}

/// `k,v,k,v`, or `k=v` each.
fn object(parts: &[&str], is_exploded: bool, shape: &Shape, decode: Decode) -> Result<Value, String> {
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
            // A name without its value: the schema is to say what it thinks of that.
            None => Value::Null,
        };
        members.insert(name.into_owned(), value);
    }
    Ok(Value::Object(members))
}

/// The shape of an object's member.
pub(super) fn member<'s>(shape: &'s Shape, name: &str) -> &'s Shape {
    static UNKNOWN: std::sync::LazyLock<Shape> = std::sync::LazyLock::new(Shape::default);
    shape.members.get(name).or(shape.others.as_deref()).unwrap_or(&UNKNOWN)
}

/// An object whose members stand in the query by themselves.
fn exploded_object(pairs: &Pairs<'_>, shape: &Shape, decode: Decode) -> Read {
    let mut members = Map::new();
    for (name, of) in &shape.members {
        let raws: Vec<&str> = pairs.named(name).collect();
        if raws.is_empty() {
            continue;
        }
        let value = if of.is_list() { list(&raws, of, decode)? } else { repeated(&raws, of, decode)? };
        members.insert(name.clone(), value);
    }
    Ok((!members.is_empty()).then_some(Value::Object(members)))
}

/// `[a][b]=text`, gathered.
#[derive(Default)]
pub(super) struct Deep {
    texts: Vec<String>,
    members: Vec<(String, Deep)>,
    positions: HashMap<String, usize>,
}

impl Deep {
    fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.members.is_empty()
    }

    pub(super) fn put(&mut self, path: &str, text: Cow<'_, str>) {
        let mut place = self;
        let mut rest = path;
        for _ in 0..MAX_BRACKETS {
            let Some((name, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
                break;
            };
            rest = after;
            // `[]` is one more element of the same list.
            if name.is_empty() {
                continue;
            }
            place = place.member(name);
        }
        // Neither closed nor shallow: a name that no schema knows.
        if !rest.is_empty() {
            place = place.member(rest);
        }
        place.texts.push(text.into_owned());
    }

    fn member(&mut self, name: &str) -> &mut Deep {
        let position = match self.positions.get(name) {
            Some(position) => *position,
            None => {
                self.positions.insert(name.to_owned(), self.members.len());
                self.members.push((name.to_owned(), Deep::default()));
                self.members.len() - 1
            }
        };
        &mut self.members[position].1
    }

    fn value(&self, shape: &Shape) -> Value {
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
        let is_numbered = self.members.iter().all(|(name, _)| name.bytes().all(|byte| byte.is_ascii_digit()));
        if shape.is_list() && is_numbered {
            let of = |deep: &Deep| deep.value(items.unwrap_or(member(shape, "")));
            return Value::Array(texts().chain(self.members.iter().map(|(_, deep)| of(deep))).collect());
        }
        let members = self.members.iter().map(|(name, deep)| (name.clone(), deep.value(member(shape, name))));
        Value::Object(members.collect())
    }
}
