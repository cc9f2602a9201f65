//! Recognises the members of an error body by their names and types, and makes a format of a contract of them.

use serde_json::{Map, Value, json};

use super::responses::{alternatives, resolve};

/// Objects within objects.
const MAX_DEPTH: usize = 6;

/// A body, as a format of a contract.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    pub(crate) format: Value,
    /// The members that were not recognised, by their paths.
    pub(crate) unknown: Vec<String>,
    /// Its code is a number, which each error must write out.
    pub(crate) has_numeric_code: bool,
}

/// The names of members, in the order in which they are preferred, without separators and in lower case.
const CODES: &[&str] = &["code", "errorcode", "errorkey", "key", "reason", "error", "type"];
const MESSAGES: &[&str] = &[
    "message",
    "detail",
    "errormessage",
    "errordescription",
    "description",
    "msg",
    "err",
    "error",
    "reason",
    "text",
    "title",
];
const TITLES: &[&str] = &["title", "error", "statusdescription", "name"];
const STATUSES: &[&str] = &["status", "statuscode", "httpstatus", "httpstatuscode", "httpcode", "code"];
const REQUEST_IDS: &[&str] = &["requestid", "traceid", "correlationid", "instance"];
const DOC_URLS: &[&str] =
    &["documentationurl", "docurl", "docsurl", "docs", "helpurl", "moreinfo", "link", "type"];
const DELAYS: &[&str] = &["retryafter", "retryafterseconds"];
const LISTS: &[&str] =
    &["errors", "details", "fields", "violations", "validationerrors", "invalidparams", "issues"];
const FIELDS: &[&str] =
    &["field", "param", "parameter", "name", "property", "path", "loc", "location", "attribute"];

/// The shape of a body that this schema describes. `None` if nothing in it is recognised as a message or a code.
pub(crate) fn of_schema(document: &Value, schema: &Map<String, Value>) -> Option<Shape> {
    let mut reader =
        Reader { document, unknown: Vec::new(), has_numeric_code: false, has_list: false, has_text: false };
    let format = reader.object(schema, "", 0)?;
    let text = Value::from(format.clone()).to_string();
    let is_recognised = text.contains("\"$message\"") || text.contains("\"$code\"");
    is_recognised.then_some(Shape {
        format: format.into(),
        unknown: reader.unknown,
        has_numeric_code: reader.has_numeric_code,
    })
}

/// A schema for an example, by the types of its values.
pub(crate) fn schema_of(example: &Value) -> Value {
    match example {
        Value::Object(members) => {
            let properties = members.iter().map(|(name, value)| (name.clone(), schema_of(value)));
            json!({ "type": "object", "properties": properties.collect::<Map<_, _>>() })
        }
        Value::Array(items) => {
            json!({ "type": "array", "items": items.first().map_or(json!({}), schema_of) })
        }
        Value::String(text) => json!({ "type": "string", "example": text }),
        Value::Number(number) => json!({ "type": "integer", "example": number }),
        Value::Bool(value) => json!({ "type": "boolean", "example": value }),
        Value::Null => json!({}),
    }
}

struct Reader<'d> {
    document: &'d Value,
    unknown: Vec<String>,
    has_numeric_code: bool,
    has_list: bool,
    /// The body itself has a code or a message.
    has_text: bool,
}

/// A property with its name as it is compared.
struct Property<'p> {
    name: &'p str,
    plain: String,
    schema: Map<String, Value>,
}

impl Property<'_> {
    fn is(&self, kind: &str) -> bool {
        match self.schema.get("type") {
            Some(Value::String(own)) => own == kind,
            Some(Value::Array(kinds)) => kinds.iter().any(|own| own == kind),
            _ => match kind {
                "object" => self.schema.contains_key("properties"),
                "array" => self.schema.contains_key("items"),
                "string" => {
                    let first = self.schema.get("enum").and_then(|values| values.get(0));
                    let value = self.schema.get("const").or(first).or_else(|| self.schema.get("example"));
                    value.is_some_and(Value::is_string)
                }
                _ => false,
            },
        }
    }

    fn is_number(&self) -> bool {
        self.is("integer") || self.is("number")
    }

    /// Whether a text is one of several known ones, or looks like a name.
    fn is_identifier(&self) -> bool {
        let example = self.schema.get("example").or_else(|| self.schema.get("const"));
        let reason = |text: &str| {
            let reasons =
                (400..600).filter_map(|status| http::StatusCode::from_u16(status).ok()?.canonical_reason());
            reasons.into_iter().any(|reason| plain(reason) == plain(text))
        };
        let looks = |text: &str| {
            let is_word = !text.contains(' ') && !text.contains("://") && !text.is_empty();
            // `Forbidden` is the title of a status, `forbidden` a code.
            is_word && !(text.starts_with(|first: char| first.is_ascii_uppercase()) && reason(text))
        };
        self.schema.contains_key("enum") || example.and_then(Value::as_str).is_some_and(looks)
    }
}

impl Reader<'_> {
    fn object(
        &mut self,
        schema: &Map<String, Value>,
        path: &str,
        depth: usize,
    ) -> Option<Map<String, Value>> {
        let declared = schema.get("properties").and_then(Value::as_object)?;
        if depth > MAX_DEPTH {
            return None;
        }
        let properties: Vec<Property<'_>> = declared
            .iter()
            .map(|(name, schema)| Property {
                name,
                plain: plain(name),
                schema: alternatives(self.document, schema, 0).into_iter().next().unwrap_or_default(),
            })
            .collect();
        let slots = self.slots(&properties);
        self.has_text |= slots.iter().flatten().any(|slot| ["$code", "$message"].contains(slot));
        let mut format = Map::new();
        for (property, slot) in properties.iter().zip(slots) {
            let at =
                if path.is_empty() { property.name.to_owned() } else { format!("{path}.{}", property.name) };
            let (name, value) = match slot {
                Some(slot @ ("$doc_url" | "$retry_after" | "$type")) => {
                    (format!("{}?", property.name), slot.into())
                }
                Some(slot) => (property.name.to_owned(), Value::from(slot)),
                None => match self.member(property, &at, depth) {
                    Some(member) => member,
                    None => {
                        self.unknown.push(at);
                        continue;
                    }
                },
            };
            // A name that is itself a slot or ends as an optional member cannot be written.
            if property.name.starts_with('$') || property.name.ends_with('?') {
                continue;
            }
            format.insert(name, value);
        }
        (!format.is_empty()).then_some(format)
    }

    /// The slot of each property, if it has one.
    fn slots(&mut self, properties: &[Property<'_>]) -> Vec<Option<&'static str>> {
        let mut slots: Vec<Option<&'static str>> = vec![None; properties.len()];
        let mut assign = |names: &[&str], slot: &'static str, fits: &dyn Fn(&Property<'_>) -> bool| {
            let free = |name: &&str| {
                properties.iter().enumerate().position(|(index, property)| {
                    slots[index].is_none() && property.plain == *name && fits(property)
                })
            };
            match names.iter().find_map(free) {
                Some(index) => {
                    slots[index] = Some(slot);
                    Some(index)
                }
                None => None,
            }
        };
        let is_text = |property: &Property<'_>| property.is("string");
        let is_status = |property: &Property<'_>| {
            let shown = property.schema.get("example").or_else(|| property.schema.get("const"));
            let shown = shown.or_else(|| property.schema.get("enum").and_then(|values| values.get(0)));
            let is_known = shown.and_then(Value::as_u64).is_none_or(|status| (400..600).contains(&status));
            property.is_number() && is_known
        };
        let status = assign(&STATUSES[..5], "$status", &is_status);
        let code = assign(&["code", "errorcode", "errorkey", "key"], "$code", &is_text).or_else(|| {
            assign(&CODES[4..], "$code", &|property| is_text(property) && property.is_identifier())
        });
        let is_number = |property: &Property<'_>| property.is("integer");
        let shows_status =
            |it: &Property<'_>| is_number(it) && is_status(it) && it.schema.contains_key("example");
        let is_status_code =
            code.is_none() && status.is_none() && assign(&["code"], "$status", &shows_status).is_some();
        if code.is_none() && !is_status_code {
            self.has_numeric_code |= assign(&["code", "errorcode"], "$code", &is_number).is_some();
        }
        assign(MESSAGES, "$message", &is_text);
        assign(TITLES, "$title", &is_text);
        if status.is_none() {
            assign(&STATUSES[..5], "$status|string", &is_text);
        }
        assign(REQUEST_IDS, "$request_id", &is_text);
        let is_url = |property: &Property<'_>| {
            let example = property.schema.get("example").and_then(Value::as_str).unwrap_or_default();
            let format = property.schema.get("format").and_then(Value::as_str).unwrap_or_default();
            is_text(property)
                && (property.plain != "type" || example.contains("://") || format.starts_with("uri"))
        };
        assign(DOC_URLS, "$doc_url", &is_url);
        assign(&["type"], "$type", &is_text);
        assign(DELAYS, "$retry_after", &|property| property.is_number());
        slots
    }

    /// An object, a list, or a constant; with the name that its member has in a format.
    fn member(&mut self, property: &Property<'_>, at: &str, depth: usize) -> Option<(String, Value)> {
        let name = property.name.to_owned();
        if let Some(constant) = property.schema.get("const") {
            return Some((name, constant.clone()));
        }
        if property.is("object") {
            let member = self.object(&property.schema, at, depth + 1)?;
            return Some((name, member.into()));
        }
        if !property.is("array") {
            return None;
        }
        let items = resolve(self.document, property.schema.get("items").unwrap_or(&Value::Null));
        let item = alternatives(self.document, items, 0).into_iter().next().unwrap_or_default();
        let is_listed = LISTS.contains(&property.plain.as_str());
        if item.get("type").and_then(Value::as_str) == Some("string") && is_listed && !self.has_list {
            self.has_list = true;
            return Some((format!("{name}?"), json!(["$violation.message"])));
        }
        // The only list of the body is its envelope if its items have the code.
        if depth == 0 && is_listed && !self.has_text {
            let mut inner = Reader { unknown: Vec::new(), ..*self };
            if let Some(format) = inner.object(&item, &format!("{at}[]"), depth + 1) {
                let text = Value::from(format.clone()).to_string();
                let is_envelope = text.contains("$code") && text.contains("$message") && !self.has_list;
                if is_envelope && !text.contains("$violation") {
                    self.has_numeric_code |= inner.has_numeric_code;
                    self.unknown.extend(inner.unknown);
                    return Some((name, json!([format])));
                }
            }
        }
        if is_listed && !self.has_list {
            let violation = violation(self.document, &item)?;
            self.has_list = true;
            return Some((format!("{name}?"), json!([violation])));
        }
        None
    }
}

/// An item of a list of violations. `None` if it says neither where nor what.
fn violation(document: &Value, item: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut format = Map::new();
    let mut is_known = false;
    for (name, schema) in item.get("properties").and_then(Value::as_object)? {
        let schema = resolve(document, schema);
        let is_text = schema.get("type").and_then(Value::as_str).is_none_or(|kind| kind == "string");
        let plain = plain(name);
        let slot = match plain.as_str() {
            "pointer" => "$violation.pointer",
            "in" => "$violation.location",
            "code" | "rule" | "type" | "keyword" => "$violation.rule",
            _ if FIELDS.contains(&plain.as_str())
                && !format.values().any(|slot| slot == "$violation.field") =>
            {
                "$violation.field"
            }
            _ if MESSAGES.contains(&plain.as_str())
                && !format.values().any(|slot| slot == "$violation.message") =>
            {
                "$violation.message"
            }
            _ => continue,
        };
        if is_text && !name.starts_with('$') && !name.ends_with('?') {
            is_known |= slot == "$violation.message" || slot == "$violation.field";
            format.insert(name.clone(), slot.into());
        }
    }
    is_known.then_some(format)
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|char| char.to_ascii_lowercase()).collect()
}
