//! Writes the contract, with comments about what was not recognised.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::errors::{DeclaredError, Found};
use super::responses::ErrorResponse;
use super::shape::Shape;
use super::text::{one_line, quoted};

/// Formats that write out a numeric code.
const MAX_NUMERIC: usize = 500;

pub(crate) fn write(found: &Found, name: &str, title: &str, responses: &[ErrorResponse<'_>]) -> String {
    let mut out = String::new();
    let id_header = id_header(responses);
    out.push_str(
        "# The error contract, drafted from the OpenAPI document. Check it with `demur check FILE`.\n\
         # Reference: docs/reference/contract.md. All conditions: docs/reference/conditions.md.\n",
    );
    for remark in &found.remarks {
        let _ = writeln!(out, "# Not recognised: {}", one_line(remark, 300));
    }
    let _ = writeln!(out, "demur: 1\nname: {name}\ntitle: {}", quoted(&one_line(title, 200)));
    if found.media_type != "application/json" {
        let _ = writeln!(out, "content_type: {}", quoted(&found.media_type));
    }
    if let Some(style) = code_style(&found.errors) {
        let _ = writeln!(out, "code_style: {style}");
    }
    let _ = writeln!(out, "request_id: {{ header: {}, prefix: req_ }}", quoted(&id_header));
    match rate_limit_headers(responses) {
        Some(headers) => {
            let _ = writeln!(out, "headers: [{headers}]");
        }
        None => out.push_str("# headers: [ietf] # the document declares no rate limit headers\n"),
    }
    out.push_str("\nformats:\n");
    let formats = formats(found);
    for (name, format, unknown) in &formats {
        for member in *unknown {
            let _ = writeln!(out, "  # Not recognised: the member `{}`", one_line(member, 100));
        }
        let _ = writeln!(out, "  {name}:");
        yaml(format, 4, &mut out);
    }
    out.push_str(
        "\n# `on` lists the conditions that an error answers. They were chosen by status and code: check them.\nerrors:\n",
    );
    for error in &found.errors {
        write_error(error, found, &mut out);
    }
    out
}

fn write_error(error: &DeclaredError, found: &Found, out: &mut String) {
    if error.is_added {
        out.push_str("  # Not declared in the document, and needed by every contract.\n");
    } else if error.on.is_empty() {
        out.push_str("  # Raised by the API only. Add `on` if the gateway shall answer with it too.\n");
    }
    let _ = writeln!(out, "  {}:\n    status: {}", error.name, error.status);
    if let Some(code) = error.code.as_ref().filter(|code| **code != error.name) {
        let _ = writeln!(out, "    code: {}", Value::from(code.as_str()));
    }
    let numeric = numeric_format(error, found);
    if let Some(format) = numeric.or_else(|| error.format.clone()) {
        let _ = writeln!(out, "    format: {format}");
    }
    let message = one_line(&error.message, 200).replace('{', "{{").replace('}', "}}");
    let _ = writeln!(out, "    message: {}", Value::from(message));
    if !error.on.is_empty() {
        let _ = writeln!(out, "    on: [{}]", error.on.join(", "));
    }
}

/// All formats: those of the document, and one for each numeric code. A document without any has a usual one.
fn formats(found: &Found) -> Vec<(String, Value, &[String])> {
    let mut formats: Vec<(String, Value, &[String])> = Vec::new();
    for (name, shape) in &found.formats {
        formats.push((name.clone(), without_numeric(shape), &shape.unknown));
    }
    if formats.is_empty() {
        let usual =
            json!({ "error": { "code": "$code", "message": "$message", "request_id": "$request_id" } });
        formats.push(("default".to_owned(), usual, &[]));
    }
    for error in found.errors.iter().take(MAX_NUMERIC) {
        if let (Some(name), Some(shape)) = (numeric_format(error, found), shape_of(error, found))
            && let Some(number) = error.code.as_deref().and_then(|code| code.parse::<i64>().ok())
            && !formats.iter().any(|(known, ..)| *known == name)
        {
            formats.push((name, with_code(&shape.format, &number.into()), &[]));
        }
    }
    formats
}

fn shape_of<'f>(error: &DeclaredError, found: &'f Found) -> Option<&'f Shape> {
    let name = error.format.as_deref().unwrap_or("default");
    found.formats.iter().find(|(known, _)| known == name).map(|(_, shape)| shape)
}

/// The name of the format that writes out the numeric code of an error.
fn numeric_format(error: &DeclaredError, found: &Found) -> Option<String> {
    let shape = shape_of(error, found).filter(|shape| shape.has_numeric_code)?;
    let number: i64 = error.code.as_deref()?.parse().ok()?;
    let base = error.format.as_deref().unwrap_or("code");
    Some(format!("{base}_{}", number.to_string().replace('-', "minus_"))).filter(|_| !shape.format.is_null())
}

/// The format for errors without a code of their own: the number is their status.
fn without_numeric(shape: &Shape) -> Value {
    match shape.has_numeric_code {
        true => with_code(&shape.format, &"$status".into()),
        false => shape.format.clone(),
    }
}

fn with_code(format: &Value, code: &Value) -> Value {
    match format {
        Value::String(slot) if slot == "$code" => code.clone(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, member)| (name.clone(), with_code(member, code)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => items.iter().map(|item| with_code(item, code)).collect(),
        other => other.clone(),
    }
}

/// Writes a format as a block.
fn yaml(value: &Value, indent: usize, out: &mut String) {
    let Value::Object(members) = value else {
        let _ = writeln!(out, "{:indent$}{value}", "");
        return;
    };
    for (name, member) in members {
        let is_plain =
            name.trim_end_matches('?').chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
        let key = if is_plain && !name.is_empty() {
            quoted_key(name)
        } else {
            Value::from(name.as_str()).to_string()
        };
        match member {
            Value::Object(inner) if !inner.is_empty() => {
                let _ = writeln!(out, "{:indent$}{key}:", "");
                yaml(member, indent + 2, out);
            }
            Value::String(text) => {
                let _ = writeln!(out, "{:indent$}{key}: {}", "", quoted(text));
            }
            other => {
                let _ = writeln!(out, "{:indent$}{key}: {other}", "");
            }
        }
    }
}

fn quoted_key(name: &str) -> String {
    match name.strip_suffix('?') {
        Some(base) => format!("{}?", quoted(base).trim_matches('"')),
        None => quoted(name),
    }
}

/// The style that all codes have, if they have one.
fn code_style(errors: &[DeclaredError]) -> Option<&'static str> {
    let codes: Vec<&str> = errors.iter().map(|error| error.code.as_deref().unwrap_or(&error.name)).collect();
    let has = |first: fn(&char) -> bool, rest: fn(char) -> bool| {
        codes
            .iter()
            .all(|code| code.chars().next().is_some_and(|char| first(&char)) && code.chars().all(rest))
    };
    let lower = |char: &char| char.is_ascii_lowercase();
    if !errors.iter().any(|error| error.code.is_some()) {
        return None;
    }
    let is_snake = has(lower, |char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_');
    let is_kebab = has(lower, |char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-');
    match () {
        () if is_snake => Some("snake_case"),
        () if is_kebab => Some("kebab-case"),
        () => None,
    }
}

/// The declared header with the request ID.
fn id_header(responses: &[ErrorResponse<'_>]) -> String {
    let is_id = |name: &&str| {
        let plain = name.to_ascii_lowercase().replace(['-', '_'], "");
        ["requestid", "traceid", "correlationid"].iter().any(|known| plain.ends_with(known))
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let mut declared = responses.iter().flat_map(ErrorResponse::headers);
    declared.find(is_id).unwrap_or("X-Request-Id").to_owned()
}

fn rate_limit_headers(responses: &[ErrorResponse<'_>]) -> Option<&'static str> {
    let has = |wanted: &str| {
        let mut declared = responses.iter().flat_map(ErrorResponse::headers);
        declared.any(|name| name.eq_ignore_ascii_case(wanted))
    };
    match () {
        () if has("x-ratelimit-limit") || has("x-ratelimit-remaining") => Some("x-ratelimit"),
        () if has("ratelimit") || has("ratelimit-policy") => Some("ietf"),
        () => None,
    }
}
