//! Parses forms (`application/x-www-form-urlencoded`, `multipart/form-data`) to the value that the same data would
//! have as JSON.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::aliases::Aliases;
use super::multipart::FormPart;
use super::query_pairs::{MAX_FIELDS, Pairs, base};
use super::style::{PartEncoding, Style};
use super::style_decode::{DecodeError, DeepObject, StyleDecoder, is_bracketed, json_or_text, member};
use super::text::{decode_form, scalar};
use crate::media_type::{MediaKind, essence};
use crate::schema::{Types, ValueShape};

/// What the document declares of a form.
pub(super) struct FormRule<'f> {
    pub(super) shape: &'f ValueShape,
    pub(super) names: &'f Aliases,
    pub(super) encodings: &'f [PartEncoding],
}

/// Why a form is rejected.
pub(super) enum FormError {
    DecodeError(DecodeError),
    /// Some server reads this name as a declared one, or it cannot be decoded.
    Ambiguous(String),
    /// A part has another media type than declared.
    MediaType {
        name: String,
        given: String,
        declared: String,
    },
    /// The form has more fields than servers read.
    TooMany,
    Unreadable(&'static str),
}

impl From<DecodeError> for FormError {
    fn from(unread: DecodeError) -> Self {
        FormError::DecodeError(unread)
    }
}

impl FormRule<'_> {
    pub(super) fn urlencoded(&self, text: &str) -> Result<Value, FormError> {
        let pairs = Pairs::read(text);
        if pairs.all().len() > MAX_FIELDS {
            return Err(FormError::TooMany);
        }
        let Self { shape, encodings, .. } = self;
        let mut members = Map::new();
        // The members written with brackets.
        let mut deep: HashSet<&str> = HashSet::new();
        for (name, of) in &shape.members {
            let encoding = encodings.iter().find(|encoding| encoding.name == *name);
            let Some(decoder) = decoder_for(encoding, of, &pairs, name) else { continue };
            if let Some(raw) =
                pairs.named(name).next().filter(|_| pairs.is_repeated(name) && !of.may_repeat())
            {
                return Err(DecodeError::repeated(raw).into());
            }
            if decoder.style == Style::DeepObject {
                deep.insert(name);
            }
            if let Some(value) = decoder.in_pairs(&pairs, name, of, decode_form)? {
                members.insert(name.clone(), value);
            }
        }
        let is_declared = |name: &str| shape.members.contains_key(name) || deep.contains(base(name));
        if let Some(name) = pairs.ambiguous(self.names, is_declared) {
            return Err(FormError::Ambiguous(name.to_owned()));
        }
        if let Some(charset) = pairs.named(CHARSET).next() {
            check_charset(charset)?;
        }
        // Undeclared members are validated by `additionalProperties`.
        let mut seen: HashSet<&str> = HashSet::new();
        for (name, _) in pairs.all() {
            if is_declared(name) || !seen.insert(name) {
                continue;
            }
            let of = member(shape, name);
            if let Some(value) = FORM_EXPLODED.in_pairs(&pairs, name, of, decode_form)? {
                members.insert(name.to_string(), value);
            }
        }
        Ok(Value::Object(members))
    }

    pub(super) fn multipart(&self, parts: &[FormPart<'_>]) -> Result<Value, FormError> {
        let Self { shape, names, encodings } = self;
        let mut members = Map::new();
        // `owner[id]` and `tags[]`, by the name of the declared member.
        let mut deep: HashMap<&str, DeepObject> = HashMap::new();
        let mut files: HashMap<&str, bool> = HashMap::new();
        for part in parts {
            let name = part.name;
            // Servers store files and strings separately, so each would look complete.
            if *files.entry(base(name)).or_insert(part.is_file) != part.is_file {
                return Err(FormError::Ambiguous(name.to_owned()));
            }
            let of = member(shape, name);
            let is_declared = shape.members.contains_key(name);
            if !is_declared {
                let text = || String::from_utf8_lossy(part.body);
                if let Some(path) = self.path_below(name) {
                    deep.entry(base(name)).or_default().insert(path, text());
                    continue;
                }
                if names.covers(name) {
                    return Err(FormError::Ambiguous(name.to_owned()));
                }
                if name.eq_ignore_ascii_case(CHARSET) {
                    check_charset(&text())?;
                }
            }
            let encoding = encodings.iter().find(|encoding| encoding.name == name);
            if let Some((given, encoding)) = part.content_type.zip(encoding)
                && !encoding.allows(given)
            {
                let declared = encoding.content_types.join(", ");
                return Err(FormError::MediaType {
                    name: name.to_owned(),
                    given: given.to_owned(),
                    declared,
                });
            }
            let element = if of.is_list() { of.items.as_deref().unwrap_or(of) } else { of };
            let value = part_value(part, of, element, encoding);
            match members.get_mut(name) {
                Some(_) if is_declared && !of.may_repeat() => return Err(DecodeError::repeated(name).into()),
                // A list is either one part per element, or one part that contains JSON.
                Some(Value::Array(items)) => items.push(value),
                Some(first) => {
                    let first = std::mem::take(first);
                    members.insert(name.to_owned(), Value::Array(vec![first, value]));
                }
                None => {
                    let value =
                        if of.is_list() && !value.is_array() { Value::Array(vec![value]) } else { value };
                    members.insert(name.to_owned(), value);
                }
            }
        }
        for (name, deep) in deep {
            if members.contains_key(name) || deep.is_ambiguous() {
                return Err(FormError::Ambiguous(name.to_owned()));
            }
            members.insert(name.to_owned(), deep.value(member(shape, name)));
        }
        Ok(Value::Object(members))
    }

    /// The brackets of a name, if its declared member has parts.
    fn path_below<'n>(&self, name: &'n str) -> Option<&'n str> {
        let of = self.shape.members.get(base(name)).filter(|of| has_parts(of));
        let path = &name[base(name).len()..];
        of.and(Some(path)).filter(|path| is_bracketed(path))
    }
}

impl PartEncoding {
    /// Whether a part may have this Content-Type.
    fn allows(&self, content_type: &str) -> bool {
        let given = essence(content_type).to_ascii_lowercase();
        let kind = given.split('/').next().unwrap_or_default();
        let covers =
            |range: &String| *range == given || range == "*/*" || range.strip_suffix("/*") == Some(kind);
        self.content_types.is_empty() || self.content_types.iter().any(covers)
    }
}

/// The form field by which browsers declare the charset of all other fields (HTML).
const CHARSET: &str = "_charset_";

fn check_charset(charset: &str) -> Result<(), FormError> {
    let is_utf8 = charset.eq_ignore_ascii_case("utf-8");
    is_utf8.then_some(()).ok_or(FormError::Unreadable("the form declares a charset other than UTF-8"))
}

fn has_parts(of: &ValueShape) -> bool {
    of.is_list() || of.types.contains(Types::OBJECT)
}

/// The serialization that browsers use.
const FORM_EXPLODED: StyleDecoder = StyleDecoder { style: Style::Form, explode: true };

/// Decides how a member is serialized: by the document, else by its text. `None` if it is absent.
fn decoder_for(
    encoding: Option<&PartEncoding>,
    of: &ValueShape,
    pairs: &Pairs<'_>,
    name: &str,
) -> Option<StyleDecoder> {
    let style = encoding.and_then(|encoding| encoding.style);
    let first = pairs.named(name).next();
    let has_brackets = pairs.below(name).next().is_some();
    let style = match style {
        Some(style) => style,
        None if encoding.is_some_and(|encoding| encoding.is_json) => Style::Json,
        // OpenAPI does not define the style of objects in forms. Brackets and JSON are common.
        None if has_brackets && has_parts(of) => Style::DeepObject,
        None if of.is_object() || of.is_nested() && first.is_some_and(starts_json) => Style::Json,
        None => Style::Form,
    };
    let explode = encoding.and_then(|encoding| encoding.explode).unwrap_or(style == Style::Form);
    // A nested object does not share the names of the form.
    let is_spread = style == Style::Form && explode && of.is_object();
    (!is_spread || first.is_some()).then_some(StyleDecoder { style, explode: explode && !is_spread })
}

fn starts_json(raw: &str) -> bool {
    ["{", "[", "%7B", "%7b", "%5B", "%5b"].iter().any(|start| raw.starts_with(start))
}

fn part_value(
    part: &FormPart<'_>,
    of: &ValueShape,
    element: &ValueShape,
    encoding: Option<&PartEncoding>,
) -> Value {
    let text = String::from_utf8_lossy(part.body);
    let is_json = match &part.content_type {
        Some(content_type) => MediaKind::of(&content_type.to_ascii_lowercase()) == MediaKind::Json,
        None => encoding.is_some_and(|encoding| encoding.is_json) || of.is_nested(),
    };
    // A file is bytes, whatever its type: it is only parsed as JSON if an object is declared.
    let is_opened = is_json && (of.is_nested() || !part.is_file);
    if is_opened { json_or_text(&text) } else { scalar(&text, element.types) }
}
