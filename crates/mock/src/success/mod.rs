//! Successes: the responses that the document declares, with their examples, or with values that their schemas allow.
//!
//! The same request always gets the same response.

mod pattern;
mod schema;
mod text;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use schema::{Generator, resolve};

/// What a request prefers.
#[derive(Debug, Default)]
pub(crate) struct Preferred<'p> {
    /// The status.
    pub(crate) status: Option<u16>,
    /// The name of an example.
    pub(crate) example: Option<&'p str>,
    /// The value of `Accept`.
    pub(crate) accept: Option<&'p str>,
}

/// A response.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Success {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

/// The response of an operation, by the pointer to its declaration.
pub(crate) fn success(document: &Value, operation: &str, preferred: &Preferred<'_>) -> Success {
    let mut generator = Generator::new(document);
    let responses = document.pointer(operation).and_then(|operation| operation.get("responses"));
    let Some((status, response)) = responses.and_then(|responses| choose(responses, preferred.status)) else {
        // Nothing is declared.
        let status = preferred.status.filter(|status| *status < 400).unwrap_or(200);
        return Success { status, headers: Vec::new(), body: Bytes::new() };
    };
    let response = resolve(document, response);
    let mut headers = headers(&mut generator, response);
    let content = response.get("content").and_then(Value::as_object);
    let media = content.and_then(|content| media_type(content, preferred.accept));
    let mut body = Bytes::new();
    let has_body = !matches!(status, 100..200 | 204 | 205 | 304);
    if let Some((name, media)) = media.filter(|_| has_body) {
        let media = resolve(document, media);
        body = content_of(&mut generator, name, media, preferred.example);
        if let Ok(value) = HeaderValue::from_str(concrete(name)) {
            headers.retain(|(known, _)| known != http::header::CONTENT_TYPE);
            headers.push((http::header::CONTENT_TYPE, value));
        }
    }
    Success { status, headers, body }
}

/// The wanted response, or the first success.
fn choose(responses: &Value, wanted: Option<u16>) -> Option<(u16, &Value)> {
    let responses = responses.as_object()?;
    if let Some(status) = wanted {
        let declared = responses.get(&status.to_string());
        let class = || {
            let class = status / 100;
            responses.get(&format!("{class}XX")).or_else(|| responses.get(&format!("{class}xx")))
        };
        if let Some(response) = declared.or_else(class) {
            return Some((status, response));
        }
    }
    let number = |status: &str| match status {
        "default" => Some(200),
        _ => status.to_ascii_uppercase().replace("XX", "00").parse::<u16>().ok(),
    };
    let all = responses.iter().filter_map(|(status, response)| Some((number(status)?, status, response)));
    let rank = |(number, status, _): &(u16, &String, &Value)| match (*status, number) {
        (status, _) if status == "default" => (3, 0),
        (_, 200..300) => (0, *number),
        (_, 300..400) => (1, *number),
        (_, number) => (9, *number),
    };
    let first = all.min_by_key(rank)?;
    (first.0 < 400 && first.0 >= 200).then_some((first.0, first.2))
}

/// The first media type that the client accepts; JSON before others.
fn media_type<'d>(content: &'d Map<String, Value>, accept: Option<&str>) -> Option<(&'d str, &'d Value)> {
    let accepts = |name: &str| {
        let mut ranges =
            accept.unwrap_or("*/*").split(',').map(|range| range.split(';').next().unwrap_or("").trim());
        let matches = |range: &str| {
            range == "*/*"
                || range.eq_ignore_ascii_case(essence(name))
                || range
                    .strip_suffix('*')
                    .is_some_and(|prefix| name.starts_with(prefix) && !prefix.is_empty())
        };
        ranges.any(matches)
    };
    let all: Vec<(&str, &Value)> = content.iter().map(|(name, media)| (name.as_str(), media)).collect();
    let json = |(name, _): &&(&str, &Value)| is_json(name);
    let accepted = || all.iter().filter(|(name, _)| accepts(name));
    let chosen = accepted().find(json).or_else(|| accepted().next());
    chosen.or_else(|| all.iter().find(json)).or(all.first()).copied()
}

fn essence(name: &str) -> &str {
    name.split(';').next().unwrap_or_default().trim()
}

fn is_json(name: &str) -> bool {
    let essence = essence(name);
    essence == "application/json" || essence.ends_with("+json")
}

/// A media type for a range.
fn concrete(name: &str) -> &str {
    match essence(name) {
        "*/*" | "application/*" => "application/json",
        "text/*" => "text/plain",
        "image/*" => "image/png",
        _ => name,
    }
}

fn content_of(generator: &mut Generator<'_>, name: &str, media: &Value, example: Option<&str>) -> Bytes {
    let is_lines =
        ["application/jsonl", "application/x-ndjson", "application/json-seq"].contains(&essence(name));
    let is_stream = essence(name) == "text/event-stream";
    if let Some(example) = declared_example(generator, media, example) {
        return serialized(name, &example);
    }
    if let Some(items) = media.get("itemSchema") {
        let item = generator.value(items);
        let text = if is_stream { event(&item) } else { format!("{item}\n") };
        return text.repeat(2).into();
    }
    let value = media.get("schema").map(|schema| generator.value(schema));
    match value {
        Some(value) if is_stream => event(&value).into(),
        Some(value) if is_lines => format!("{value}\n").into(),
        Some(value) => serialized(name, &value),
        None if is_json(concrete(name)) => Bytes::from_static(b"{}"),
        None => Bytes::new(),
    }
}

/// An event of an event stream, whose members are `event`, `data`, `id` and `retry`, or whose data is the value.
fn event(value: &Value) -> String {
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let members = value.as_object().filter(|members| members.contains_key("data"));
    let mut text = String::new();
    match members {
        Some(members) => {
            for name in ["event", "id", "retry", "data"] {
                let lines = members.get(name).map(shown).unwrap_or_default();
                for line in lines.lines() {
                    text.push_str(&format!("{name}: {line}\n"));
                }
            }
        }
        None => {
            for line in shown(value).lines() {
                text.push_str(&format!("data: {line}\n"));
            }
        }
    }
    text + "\n"
}

fn serialized(name: &str, value: &Value) -> Bytes {
    match value {
        Value::String(text) if !is_json(concrete(name)) => text.clone().into(),
        value => value.to_string().into(),
    }
}

/// `example`, or one of `examples`: the named one, or the first.
fn declared_example(generator: &Generator<'_>, media: &Value, name: Option<&str>) -> Option<Value> {
    let examples = media.get("examples").and_then(Value::as_object);
    let value = |example: &Value| {
        let example = generator.resolve(example);
        example.get("value").or_else(|| example.get("dataValue")).cloned()
    };
    let named = examples.zip(name).and_then(|(examples, name)| examples.get(name)).and_then(value);
    named
        .or_else(|| media.get("example").cloned())
        .or_else(|| examples.and_then(|examples| examples.values().find_map(value)))
}

/// The declared headers of a response.
fn headers(generator: &mut Generator<'_>, response: &Value) -> Vec<(HeaderName, HeaderValue)> {
    let declared = response.get("headers").and_then(Value::as_object);
    let mut headers = Vec::new();
    for (name, header) in declared.into_iter().flatten() {
        let header = generator.resolve(header).clone();
        let value = declared_example(generator, &header, None)
            .or_else(|| header.get("schema").map(|schema| generator.value(schema)));
        let text = match value {
            Some(Value::String(text)) => text,
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            _ => continue,
        };
        // Those of the connection are not the document's to set.
        let is_own = ["content-type", "content-length", "transfer-encoding", "connection", "date"];
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(text))
            && !is_own.contains(&name.as_str())
        {
            headers.push((name, value));
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(responses: Value, preferred: &Preferred<'_>) -> (u16, String) {
        let document = json!({ "get": { "responses": responses }, "components": { "responses": {
            "Shared": { "content": { "application/json": { "example": "shared" } } }
        } } });
        let made = success(&document, "/get", preferred);
        (made.status, String::from_utf8_lossy(&made.body).into_owned())
    }

    fn json_of(media: Value) -> Value {
        json!({ "200": { "content": { "application/json": media } } })
    }

    #[test]
    fn takes_examples_before_schemas() {
        let schema = json!({ "type": "integer", "minimum": 5 });
        for (media, body) in [
            (json!({ "example": [1], "schema": schema }), "[1]"),
            (json!({ "examples": { "a": { "value": 7 }, "b": { "value": 8 } } }), "7"),
            (json!({ "schema": schema }), "5"),
            (json!({}), "{}"),
        ] {
            assert_eq!(of(json_of(media), &Preferred::default()), (200, body.to_owned()));
        }
        let named = json!({ "examples": { "a": { "value": 7 }, "b": { "value": 8 } } });
        let preferred = Preferred { example: Some("b"), ..Preferred::default() };
        assert_eq!(of(json_of(named), &preferred), (200, "8".to_owned()));
    }

    #[test]
    fn chooses_the_status_and_the_media_type() {
        let two = json!({
            "404": {}, "default": {}, "2XX": {},
            "201": { "content": { "text/plain": { "example": "t" }, "application/json": { "example": "j" } } },
            "202": { "$ref": "#/components/responses/Shared" }
        });
        let text = Preferred { accept: Some("text/*;q=0.5"), ..Preferred::default() };
        let accepted = Preferred { status: Some(202), ..Preferred::default() };
        let unknown = Preferred { status: Some(404), ..Preferred::default() };
        for (responses, preferred, expected) in [
            (two.clone(), &Preferred::default(), (200, "")),
            (two.clone(), &text, (200, "")),
            (two.clone(), &accepted, (202, "\"shared\"")),
            (two, &unknown, (404, "")),
            (json!({ "default": {} }), &Preferred::default(), (200, "")),
            (json!({ "302": {} }), &Preferred::default(), (302, "")),
            (json!({ "500": {} }), &Preferred::default(), (200, "")),
            (json!({ "204": { "content": { "text/plain": { "example": "x" } } } }), &text, (204, "")),
        ] {
            assert_eq!(of(responses, preferred), (expected.0, expected.1.to_owned()));
        }
        let both = json!({ "200": { "content": { "text/plain": { "example": "t" }, "application/json": { "example": "j" } } } });
        assert_eq!(of(both.clone(), &Preferred::default()).1, "\"j\"");
        assert_eq!(of(both, &text).1, "t");
    }

    #[test]
    fn streams_repeat_their_items() {
        let item = json!({ "type": "object", "properties": { "data": { "const": "x" }, "event": { "const": "e" } } });
        let stream = json!({ "200": { "content": { "text/event-stream": { "itemSchema": item } } } });
        assert_eq!(of(stream, &Preferred::default()).1, "event: e\ndata: x\n\nevent: e\ndata: x\n\n");
        let lines =
            json!({ "200": { "content": { "application/jsonl": { "itemSchema": { "const": 1 } } } } });
        assert_eq!(of(lines, &Preferred::default()).1, "1\n1\n");
    }
}
