//! The errors that a document declares: one for each code, and one for each status without codes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::responses::{ErrorResponse, alternatives, resolve};
use super::shape::{self, Shape};
use super::text::{one_line, snake};

/// Errors of a contract; a document that declares more has no codes, but data.
const MAX_ERRORS: usize = 2000;
/// Formats beside the most frequent one.
const MAX_FORMATS: usize = 20;

/// An error of the contract.
#[derive(Debug, Clone)]
pub(crate) struct DeclaredError {
    pub(crate) name: String,
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    /// The format, if it is not the default one.
    pub(crate) format: Option<String>,
    pub(crate) on: Vec<&'static str>,
    /// The document does not declare it, and a contract needs it.
    pub(crate) is_added: bool,
}

/// What was found.
pub(crate) struct Found {
    pub(crate) media_type: String,
    /// By name; the first one is `default`.
    pub(crate) formats: Vec<(String, Shape)>,
    pub(crate) errors: Vec<DeclaredError>,
    pub(crate) remarks: Vec<String>,
}

/// A code, where it occurs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Occurrence {
    code: String,
    message: Option<String>,
}

/// An error response with its shapes and codes.
struct Body<'d, 'r> {
    response: &'r ErrorResponse<'d>,
    media_type: &'d str,
    shape: Shape,
    /// Its codes; `is_listed` if they come from an enumeration, which may be shared by other responses.
    codes: Vec<(Occurrence, bool)>,
    reference: Option<&'d str>,
}

pub(crate) fn find(document: &Value, responses: &[ErrorResponse<'_>]) -> Found {
    let mut remarks = Vec::new();
    let bodies: Vec<Body<'_, '_>> = responses.iter().flat_map(|one| bodies(document, one)).collect();
    let (media_type, formats) = formats(&bodies, &mut remarks);
    let mut errors: BTreeMap<(u16, Option<String>), DeclaredError> = BTreeMap::new();
    let listed = statuses_of_listed_codes(&bodies);
    let format_of = |shape: &Shape| {
        let known = formats.iter().skip(1).find(|(_, known)| known.format == shape.format);
        known.map(|(name, _)| name.clone())
    };
    for body in &bodies {
        for (occurrence, is_listed) in &body.codes {
            let status = match listed.get(&occurrence.code).filter(|_| *is_listed) {
                Some(status) => *status,
                None => {
                    body.response.status.unwrap_or_else(|| likely_status(&occurrence.code, &BTreeSet::new()))
                }
            };
            let message = occurrence.message.clone().unwrap_or_else(|| sentence(&occurrence.code));
            let key = (status, Some(occurrence.code.clone()));
            if errors.len() < MAX_ERRORS {
                errors.entry(key).or_insert_with(|| DeclaredError {
                    name: snake(&occurrence.code),
                    status,
                    code: Some(occurrence.code.clone()),
                    message,
                    format: format_of(&body.shape),
                    on: Vec::new(),
                    is_added: false,
                });
            }
        }
    }
    add_statuses(&mut errors, responses, &bodies, format_of);
    if responses.iter().any(|response| response.status.is_none()) {
        remarks.push("`default` responses name no status".to_owned());
    }
    let without: usize = responses
        .iter()
        .filter(|response| !bodies.iter().any(|body| std::ptr::eq(body.response, *response)))
        .map(|response| response.count)
        .sum();
    if without > 0 {
        remarks.push(format!("{without} error responses have no body that was recognised"));
    }
    let mut errors: Vec<DeclaredError> = errors.into_values().collect();
    unique_names(&mut errors);
    Found { media_type, formats, errors, remarks }
}

/// The bodies of a response, by their media types and alternatives.
fn bodies<'d, 'r>(document: &'d Value, response: &'r ErrorResponse<'d>) -> Vec<Body<'d, 'r>> {
    let mut found: Vec<Body<'d, 'r>> = Vec::new();
    for (media_type, media) in response.json() {
        let media = resolve(document, media);
        let examples = examples(document, media);
        let declared = media.get("schema");
        let schemas = match declared {
            Some(schema) => alternatives(document, schema, 0),
            None => Vec::new(),
        };
        let mut shapes: Vec<Shape> =
            schemas.iter().filter_map(|schema| shape::of_schema(document, schema)).collect();
        if shapes.is_empty() {
            let of_example = |example: &&Value| {
                let schema = shape::schema_of(example);
                shape::of_schema(document, schema.as_object()?)
            };
            shapes.extend(examples.iter().find_map(of_example));
        }
        for (index, shape) in shapes.into_iter().enumerate() {
            let mut codes: Vec<(Occurrence, bool)> = Vec::new();
            if let Some(schema) = schemas.get(index) {
                let schema = Value::Object(schema.clone());
                let mut found = Vec::new();
                codes_of_schema(document, &shape.format, &schema, &mut found, 0);
                codes.extend(
                    found
                        .into_iter()
                        .map(|(code, is_listed)| (Occurrence { code, message: None }, is_listed)),
                );
                if let Some(example) = schema.get("example") {
                    codes.extend(occurrence(&shape.format, example).map(|it| (it, false)));
                }
            }
            for example in &examples {
                if let Some(occurrence) = occurrence(&shape.format, example) {
                    codes.retain(|(known, _)| known.code != occurrence.code);
                    codes.push((occurrence, false));
                }
            }
            let reference = declared.and_then(|schema| schema.get("$ref")).and_then(Value::as_str);
            found.push(Body { response, media_type, shape, codes, reference });
        }
    }
    found
}

fn examples<'d>(document: &'d Value, media: &'d Value) -> Vec<&'d Value> {
    let named = media.get("examples").and_then(Value::as_object).into_iter().flatten();
    let named = named.filter_map(|(_, example)| resolve(document, example).get("value"));
    media.get("example").into_iter().chain(named).collect()
}

/// The codes that a schema declares at the slot of the code, each with whether it is one of several.
fn codes_of_schema(
    document: &Value,
    format: &Value,
    schema: &Value,
    found: &mut Vec<(String, bool)>,
    depth: usize,
) {
    if depth > 8 {
        return;
    }
    for schema in alternatives(document, schema, 0) {
        match format {
            Value::String(slot) if slot == "$code" => {
                let values = schema.get("enum").and_then(Value::as_array);
                let is_listed = values.is_some_and(|values| values.len() > 1);
                let examples = schema.get("examples").and_then(Value::as_array);
                let all = values.into_iter().flatten().chain(schema.get("const"));
                let all: Vec<&Value> = match values.is_some() || schema.contains_key("const") {
                    true => all.collect(),
                    false => {
                        schema.get("example").into_iter().chain(examples.into_iter().flatten()).collect()
                    }
                };
                found.extend(all.into_iter().filter_map(code).map(|code| (code, is_listed)));
            }
            Value::Object(members) => {
                let properties = schema.get("properties");
                for (name, member) in members {
                    let property =
                        properties.and_then(|properties| properties.get(name.trim_end_matches('?')));
                    if let Some(property) = property {
                        codes_of_schema(document, member, property, found, depth + 1);
                    }
                }
            }
            Value::Array(items) => {
                if let (Some(item), Some(schema)) = (items.first(), schema.get("items")) {
                    codes_of_schema(document, item, schema, found, depth + 1);
                }
            }
            _ => {}
        }
    }
}

/// The code of an example, and its message.
fn occurrence(format: &Value, example: &Value) -> Option<Occurrence> {
    let code = code(slot(format, example, "$code")?)?;
    let message = slot(format, example, "$message").and_then(Value::as_str).map(str::to_owned);
    Some(Occurrence { code, message })
}

/// The value of an example at a slot.
fn slot<'e>(format: &Value, example: &'e Value, wanted: &str) -> Option<&'e Value> {
    match format {
        Value::String(name) => (name == wanted).then_some(example),
        Value::Object(members) => members
            .iter()
            .find_map(|(name, member)| slot(member, example.get(name.trim_end_matches('?'))?, wanted)),
        Value::Array(items) => slot(items.first()?, example.get(0)?, wanted),
        _ => None,
    }
}

/// A code, if it is a name or a number.
fn code(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let is_name = !text.is_empty()
        && text.len() <= 100
        && text.chars().all(|char| char.is_ascii_graphic())
        && text.chars().any(|char| char.is_ascii_alphanumeric())
        && text != "string";
    is_name.then_some(text)
}

/// The status of each code of an enumeration that several responses share.
fn statuses_of_listed_codes(bodies: &[Body<'_, '_>]) -> HashMap<String, u16> {
    let mut statuses: HashMap<String, BTreeSet<u16>> = HashMap::new();
    for body in bodies {
        for (occurrence, _) in body.codes.iter().filter(|(_, is_listed)| *is_listed) {
            statuses.entry(occurrence.code.clone()).or_default().extend(body.response.status);
        }
    }
    statuses
        .into_iter()
        .map(|(code, statuses)| {
            let status = match statuses.len() {
                1 => statuses.first().copied().unwrap_or(400),
                _ => likely_status(&code, &statuses),
            };
            (code, status)
        })
        .collect()
}

/// The status that the words of a code suggest, among those that are declared with it.
fn likely_status(code: &str, declared: &BTreeSet<u16>) -> u16 {
    const WORDS: &[(&str, u16)] = &[
        ("notfound", 404),
        ("unauthorized", 401),
        ("unauthenticated", 401),
        ("auth", 401),
        ("token", 401),
        ("forbidden", 403),
        ("permission", 403),
        ("denied", 403),
        ("ratelimit", 429),
        ("toomany", 429),
        ("limitexceeded", 429),
        ("conflict", 409),
        ("exists", 409),
        ("duplicate", 409),
        ("timeout", 504),
        ("unavailable", 503),
        ("internal", 500),
        ("server", 500),
        ("validation", 422),
        ("invalid", 400),
    ];
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    let fits = |status: u16| declared.is_empty() || declared.contains(&status);
    let of_word = WORDS.iter().find(|(word, status)| plain.contains(word) && fits(*status));
    of_word.map(|(_, status)| *status).or(declared.first().copied()).unwrap_or(400)
}

/// One error for each declared status that no code has.
fn add_statuses(
    errors: &mut BTreeMap<(u16, Option<String>), DeclaredError>,
    responses: &[ErrorResponse<'_>],
    bodies: &[Body<'_, '_>],
    format_of: impl Fn(&Shape) -> Option<String>,
) {
    let statuses: BTreeSet<u16> = responses.iter().filter_map(|response| response.status).collect();
    for status in statuses {
        if errors.keys().any(|(known, _)| *known == status) {
            continue;
        }
        let of_status = || responses.iter().filter(|response| response.status == Some(status));
        let described = of_status().filter(|response| !response.description().trim().is_empty());
        let description = described.max_by_key(|response| response.count).map(ErrorResponse::description);
        let body = bodies.iter().filter(|body| body.response.status == Some(status));
        let format = body.max_by_key(|body| body.response.count).and_then(|body| format_of(&body.shape));
        let reason = reason(status);
        let message = description.map(|text| one_line(text, 200)).unwrap_or_else(|| reason.to_owned());
        let error = DeclaredError {
            name: snake(reason),
            status,
            code: None,
            message,
            format,
            on: Vec::new(),
            is_added: false,
        };
        errors.insert((status, None), error);
    }
}

/// The reason phrase of a status.
pub(crate) fn reason(status: u16) -> &'static str {
    let known = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    known.unwrap_or(if status < 500 { "Client Error" } else { "Server Error" })
}

/// `invalid_token` as the beginning of a sentence.
fn sentence(code: &str) -> String {
    let words = snake(code).replace('_', " ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + letters.as_str() + ".",
        None => "Error.".to_owned(),
    }
}

/// The most frequent format first; its media type.
fn formats(bodies: &[Body<'_, '_>], remarks: &mut Vec<String>) -> (String, Vec<(String, Shape)>) {
    let mut counted: Vec<(&Body<'_, '_>, usize)> = Vec::new();
    let mut media_types: BTreeMap<&str, usize> = BTreeMap::new();
    for body in bodies {
        *media_types.entry(body.media_type).or_default() += body.response.count;
        match counted.iter_mut().find(|(known, _)| known.shape.format == body.shape.format) {
            Some((_, count)) => *count += body.response.count,
            None => counted.push((body, body.response.count)),
        }
    }
    // Stable: the first of equals.
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if counted.len() > MAX_FORMATS {
        remarks.push(format!("{} rare formats were left out", counted.len() - MAX_FORMATS));
    }
    let mut names = BTreeSet::from(["default".to_owned()]);
    let mut formats = Vec::new();
    for (index, (body, _)) in counted.iter().take(MAX_FORMATS).enumerate() {
        let reference = body.reference.and_then(|reference| reference.rsplit('/').next());
        let name = match (index, reference.map(snake).filter(|name| !name.is_empty())) {
            (0, _) => "default".to_owned(),
            (_, Some(name)) if names.insert(name.clone()) => name,
            (index, _) => format!("format_{index}"),
        };
        formats.push((name, body.shape.clone()));
    }
    let media_type = media_types.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name);
    let media_type = media_type.filter(|name| !name.contains('*')).unwrap_or("application/json");
    (media_type.to_owned(), formats)
}

/// Names that are no names become `error`, and equal ones are numbered.
fn unique_names(errors: &mut [DeclaredError]) {
    let mut known = BTreeSet::new();
    for error in errors {
        if !error.name.starts_with(|first: char| first.is_ascii_lowercase()) {
            error.name = format!("error_{}", error.name).trim_end_matches('_').to_owned();
        }
        let base = error.name.clone();
        let with_status = [base.clone(), format!("{base}_{}", error.status)];
        let numbered = (2..).map(|number| format!("{base}_{number}"));
        let unique = with_status.into_iter().chain(numbered).find(|name| !known.contains(name));
        error.name = unique.unwrap_or(base);
        known.insert(error.name.clone());
    }
}
