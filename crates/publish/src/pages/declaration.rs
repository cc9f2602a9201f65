//! What pages show of the OpenAPI document beyond what the gateway checks: summaries, parameters in words, examples.

use demur_engine::settings::ApiSettings;
use demur_validation::Operation;
use serde_json::Value;

/// A parameter of an operation, or a member of its body.
pub(crate) struct ParameterText {
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) required: bool,
    /// `integer, 1 to 100; default 20`
    pub(crate) rule: String,
    pub(crate) description: String,
    /// A value for the example.
    pub(crate) example: Option<Value>,
}

/// The declaration of an operation.
pub(crate) fn of<'d>(settings: &'d ApiSettings, operation: &Operation) -> &'d Value {
    settings.document.as_json().pointer(operation.pointer()).unwrap_or(&Value::Null)
}

/// A text of a declaration.
pub(crate) fn text<'d>(declared: &'d Value, name: &str) -> &'d str {
    declared.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Follows local references.
pub(crate) fn resolve<'d>(document: &'d Value, mut value: &'d Value) -> &'d Value {
    for _ in 0..20 {
        let Some(pointer) = value.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'))
        else {
            return value;
        };
        let pointer = percent_decoded(pointer);
        match document.pointer(&pointer) {
            Some(target) => value = target,
            None => return value,
        }
    }
    value
}

/// The fragment of a reference, without percent encoding.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let pair = (byte == b'%').then(|| rest.clone().take(2).map(char::from).collect::<String>());
        match pair.and_then(|pair| u8::from_str_radix(&pair, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest.nth(1);
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The parameters of an operation, then the members of its body.
pub(crate) fn parameters(settings: &ApiSettings, operation: &Operation) -> Vec<ParameterText> {
    let document = settings.document.as_json();
    let declared = of(settings, operation);
    let item = operation.pointer().rsplit_once('/').map_or("", |(item, _)| item);
    let of = |owner: Option<&'_ Value>| -> Vec<Value> {
        owner.and_then(|owner| owner.get("parameters")?.as_array()).cloned().unwrap_or_default()
    };
    let mut parameters: Vec<ParameterText> = Vec::new();
    for parameter in of(Some(declared)).iter().chain(&of(document.pointer(item))) {
        let parameter = resolve(document, parameter);
        let (name, location) = (text(parameter, "name"), text(parameter, "in"));
        if name.is_empty() || parameters.iter().any(|known| known.name == name && known.location == location)
        {
            continue;
        }
        let schema = resolve(document, parameter.get("schema").unwrap_or(&Value::Null));
        let named = parameter.get("examples").and_then(Value::as_object).and_then(|all| all.values().next());
        let example = parameter.get("example").or_else(|| named?.get("value")).or(schema.get("example"));
        parameters.push(ParameterText {
            name: name.to_owned(),
            location: location.to_owned(),
            required: parameter.get("required") == Some(&Value::Bool(true)),
            rule: rule(document, schema),
            description: text(parameter, "description").to_owned(),
            example: example.or(schema.get("default")).cloned(),
        });
    }
    let body = resolve(document, declared.get("requestBody").unwrap_or(&Value::Null));
    let content = body.get("content").and_then(Value::as_object);
    let schema = content.and_then(|content| content.values().next()?.get("schema"));
    if let Some(schema) = schema.map(|schema| resolve(document, schema)) {
        members(document, schema, &mut parameters, 0);
    }
    parameters
}

fn members(document: &Value, schema: &Value, parameters: &mut Vec<ParameterText>, depth: usize) {
    if depth > 5 {
        return;
    }
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        members(document, resolve(document, part), parameters, depth + 1);
    }
    let required = schema.get("required").and_then(Value::as_array);
    for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let member = resolve(document, member);
        if parameters.iter().any(|known| known.name == *name && known.location == "body") {
            continue;
        }
        parameters.push(ParameterText {
            name: name.clone(),
            location: "body".to_owned(),
            required: required.is_some_and(|names| names.iter().any(|known| known == name)),
            rule: rule(document, member),
            description: text(member, "description").to_owned(),
            example: member.get("example").or(member.get("default")).cloned(),
        });
    }
}

/// A schema in words.
pub(crate) fn rule(document: &Value, schema: &Value) -> String {
    let schema = resolve(document, schema);
    let get = |name: &str| schema.get(name);
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut parts: Vec<String> = Vec::new();
    match get("type") {
        Some(Value::String(name)) if name == "array" => {
            let items = get("items").map(|items| resolve(document, items));
            let of = items.map(|items| text(items, "type")).filter(|name| !name.is_empty());
            parts.push(of.map_or_else(|| "array".to_owned(), |of| format!("array of {of}")));
        }
        Some(Value::String(name)) => parts.push(name.clone()),
        Some(Value::Array(names)) => parts.push(names.iter().map(shown).collect::<Vec<_>>().join(" or ")),
        _ => {}
    }
    if let Some(format) = get("format").and_then(Value::as_str) {
        parts.push(format.to_owned());
    }
    let either = |low: &str, high: &str, unit: &str| {
        let (low, high) = (get(low).map(shown), get(high).map(shown));
        match (low, high) {
            (Some(low), Some(high)) => Some(format!("{low} to {high}{unit}")),
            (Some(low), None) => Some(format!("at least {low}{unit}")),
            (None, Some(high)) => Some(format!("at most {high}{unit}")),
            (None, None) => None,
        }
    };
    parts.extend(either("minimum", "maximum", ""));
    parts.extend(get("exclusiveMinimum").map(|limit| format!("more than {}", shown(limit))));
    parts.extend(get("exclusiveMaximum").map(|limit| format!("less than {}", shown(limit))));
    parts.extend(either("minLength", "maxLength", " characters"));
    parts.extend(either("minItems", "maxItems", " elements"));
    parts.extend(get("multipleOf").map(|step| format!("a multiple of {}", shown(step))));
    if let Some(Value::Array(values)) = get("enum") {
        let shown: Vec<String> = values.iter().take(20).map(shown).collect();
        parts.push(format!("one of: {}", shown.join(", ")));
    }
    parts.extend(get("const").map(|value| format!("always {}", shown(value))));
    parts.extend(get("pattern").and_then(Value::as_str).map(|pattern| format!("matches {pattern}")));
    let mut text = parts.join(", ");
    if let Some(default) = get("default") {
        text.push_str(&format!("; default {}", shown(default)));
    }
    text
}

/// An example of a successful response: its status, and its body if the document has one.
pub(crate) fn success(settings: &ApiSettings, operation: &Operation) -> Option<(String, Option<String>)> {
    let document = settings.document.as_json();
    let responses = of(settings, operation).get("responses")?.as_object()?;
    let (status, response) = responses.iter().find(|(status, _)| status.starts_with('2'))?;
    let content = resolve(document, response).get("content").and_then(Value::as_object);
    let media_type = content.and_then(|content| content.values().next());
    let named = media_type.and_then(|it| it.get("examples")?.as_object()?.values().next()?.get("value"));
    let example = media_type.and_then(|it| it.get("example")).or(named);
    Some((status.clone(), example.and_then(|value| serde_json::to_string_pretty(value).ok())))
}
