//! Real documents: they load, requests generated from their schemas are valid, and each request with one mistake is
//! rejected with the parameter's name.

#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "a failed test reports why")]

mod accepting;
mod downloads;
mod generate;

use std::path::Path;

use demur_contract::Violation;
use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, DocumentOptions, Find, UnknownQuery};
use generate::{Files, Part};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

/// The parts of a request.
#[derive(Clone, Default)]
struct Request {
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Option<Value>,
}

#[derive(Default, Debug)]
struct Tally {
    operations: usize,
    passed: usize,
    mutants: usize,
    /// Operations for which no valid request could be generated.
    left_out: Vec<String>,
    wrong: Vec<String>,
}

fn check(name: &str, files: usize, operations: usize) {
    let path = downloads::folder().join(name);
    let document = load(&path, files);
    assert_eq!(document.operations().len(), operations, "{name}");
    let mut parts = Files::default();
    let root = parts.root(&path);
    let paths = parts.member(&root, "paths").unwrap();
    let mut tally = Tally::default();
    for (template, _) in paths.value.as_object().unwrap() {
        let Some(item) = parts.member(&paths, template).filter(|_| template.starts_with('/')) else {
            continue;
        };
        for (method, operation) in item.value.as_object().unwrap() {
            let Ok(method) = method.to_ascii_uppercase().parse::<Method>() else { continue };
            let known = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"];
            if !known.contains(&method.as_str()) {
                continue;
            }
            tally.operations += 1;
            let operation = parts.follow(Part { file: item.file.clone(), value: operation.clone() });
            one(&document, &mut parts, template, &method, &item, &operation, &mut tally);
        }
    }
    accepting::print();
    println!(
        "{name}: {} operations, {} pass, {} mutants rejected, {} left out",
        tally.operations,
        tally.passed,
        tally.mutants,
        tally.left_out.len()
    );
    assert!(
        tally.wrong.is_empty(),
        "{} wrong:\n{}",
        tally.wrong.len(),
        tally.wrong[..tally.wrong.len().min(40)].join("\n")
    );
    assert!(tally.left_out.is_empty(), "{}", tally.left_out.join("\n"));
    assert!(tally.mutants >= tally.operations, "{tally:?}");
}

fn load(path: &Path, files: usize) -> ApiDocument {
    let source = Source::read(path).unwrap();
    let folder = path.parent().unwrap();
    let (mut diagnostics, mut count) = (Diagnostics::new(), 1);
    let mut read = |name: &str| {
        count += 1;
        Source::read(&folder.join(name)).map_err(|error| error.to_string())
    };
    let options = DocumentOptions { unknown_query: UnknownQuery::Reject, ..DocumentOptions::default() };
    let document = ApiDocument::load_files(&source, &mut read, &options, &mut diagnostics);
    assert!(count >= files, "{count} files were read");
    document.unwrap_or_else(|| panic!("{diagnostics}"))
}

/// Checks the request of one operation, and all its mutants.
fn one(
    document: &ApiDocument,
    parts: &mut Files,
    template: &str,
    method: &Method,
    item: &Part,
    operation: &Part,
    tally: &mut Tally,
) {
    let name = format!("{method} {template}");
    let mut request = Request { path: template.to_owned(), ..Request::default() };
    let mut mutants: Vec<(String, String, Request)> = Vec::new();
    let mut declared: Vec<(Part, String)> = Vec::new();
    for owner in [operation, item] {
        for parameter in owner.value["parameters"].as_array().into_iter().flatten() {
            let parameter = parts.follow(Part { file: owner.file.clone(), value: parameter.clone() });
            let key = format!("{} {}", parameter.value["in"], parameter.value["name"]);
            if !declared.iter().any(|(_, known)| *known == key) {
                declared.push((parameter, key));
            }
        }
    }
    for (parameter, _) in &declared {
        let is_required = parameter.value["required"] == json!(true) || parameter.value["in"] == "path";
        let schema = parts.member(parameter, "schema");
        let value = schema.as_ref().and_then(|schema| parts.value(schema, 2));
        let text = value.as_ref().and_then(text);
        match text {
            Some(text) => put(&mut request, &parameter.value, &text),
            None if is_required => {
                return tally.left_out.push(format!("{name}: {}", parameter.value["name"]));
            }
            None => {}
        }
    }
    let body = parts.member(operation, "requestBody");
    let content = body.as_ref().and_then(|body| parts.member(body, "content"));
    let schema = content.as_ref().and_then(|content| json_schema(parts, content));
    let media_type = schema.as_ref().map(|(media_type, _)| media_type.clone());
    if let Some((_, schema)) = &schema {
        match parts.value(schema, 0) {
            Some(value) => request.body = Some(value),
            None => return tally.left_out.push(format!("{name}: content")),
        }
    } else if body.is_some_and(|body| body.value["required"] == json!(true)) {
        return tally.left_out.push(format!("{name}: no JSON"));
    }
    // Mutants of each parameter: missing, or of another type.
    for (parameter, _) in &declared {
        let (place, param) =
            (parameter.value["in"].as_str().unwrap(), parameter.value["name"].as_str().unwrap());
        let is_ignored =
            ["accept", "content-type", "authorization"].contains(&param.to_ascii_lowercase().as_str());
        if place == "header" && is_ignored {
            continue;
        }
        let mut without = request.clone();
        without.query.retain(|(name, _)| place != "query" || name != param);
        without.headers.retain(|(name, _)| place != "header" || name != param);
        if parameter.value["required"] == json!(true) && ["query", "header"].contains(&place) {
            mutants.push((format!("without {param}"), param.to_owned(), without.clone()));
        }
        let Some(schema) = parts.member(parameter, "schema") else { continue };
        let flat = parts.flat(&schema);
        let is_typed =
            ["integer", "number", "boolean"].iter().any(|kind| flat.get("type") == Some(&json!(kind)));
        let has_branches = ["oneOf", "anyOf"].iter().any(|name| schema.value.get(name).is_some());
        if (is_typed || flat.contains_key("enum")) && !has_branches {
            let mut wrong = if place == "path" {
                Request { path: template.to_owned(), ..request.clone() }
            } else {
                without
            };
            if place == "path" {
                for (other, _) in declared.iter().filter(|(other, _)| other.value["in"] == "path") {
                    let is_it = other.value["name"] == param;
                    let value = parts.member(other, "schema").and_then(|schema| parts.value(&schema, 2));
                    let text = value.as_ref().and_then(text).unwrap_or_default();
                    put(&mut wrong, &other.value, if is_it { "~wrong~" } else { &text });
                }
            } else {
                put(&mut wrong, &parameter.value, "~wrong~");
            }
            mutants.push((format!("{param} of another type"), param.to_owned(), wrong));
        }
    }
    if let (Some((_, schema)), Some(Value::Object(members))) = (&schema, &request.body) {
        body_mutants(parts, schema, members, &request, &mut mutants);
    }
    match check_request(document, method, &request, media_type.as_deref()) {
        Err(problem) => return tally.wrong.push(format!("{name}: {problem}")),
        Ok(violations) if violations.is_empty() => tally.passed += 1,
        // The generator takes the first branch, but others may match too. With fewer members, one of them alone may
        // match.
        Ok(violations) if violations.iter().all(fits_several) => {
            let (_, schema) = schema.as_ref().unwrap();
            if !fits_one(document, parts, method, &request, media_type.as_deref(), schema) {
                return tally.left_out.push(format!("{name}: several branches fit"));
            }
            tally.passed += 1;
            return;
        }
        Ok(violations) => {
            return tally.wrong.push(format!("{name}: {violations:?} of {:?}", request.body));
        }
    }
    for (what, param, mutant) in mutants {
        match check_request(document, method, &mutant, media_type.as_deref()) {
            Ok(violations) if violations.iter().any(|violation| violation.param == param) => {
                tally.mutants += 1;
            }
            Ok(violations) => tally.wrong.push(format!("{name}, {what}: {violations:?}")),
            Err(problem) => tally.wrong.push(format!("{name}, {what}: {problem}")),
        }
    }
}

/// Mutants of the body's members: missing, or of another type.
fn body_mutants(
    parts: &mut Files,
    schema: &Part,
    members: &serde_json::Map<String, Value>,
    request: &Request,
    mutants: &mut Vec<(String, String, Request)>,
) {
    let whole = parts.follow(schema.clone());
    if ["oneOf", "anyOf", "allOf"].iter().any(|name| whole.value.get(name).is_some()) {
        return;
    }
    let flat = parts.flat(schema);
    for required in flat.get("required").and_then(Value::as_array).into_iter().flatten() {
        let required = required.as_str().unwrap();
        let mut without = members.clone();
        if without.remove(required).is_some() {
            let mutant = Request { body: Some(Value::Object(without)), ..request.clone() };
            mutants.push((format!("without {required} in the content"), required.to_owned(), mutant));
        }
    }
    for (name, value) in members {
        let Some(property) = flat.get("properties").and_then(|properties| properties.get(name)) else {
            continue;
        };
        let property = parts.follow(Part { file: whole.file.clone(), value: property.clone() });
        if ["oneOf", "anyOf", "allOf"].iter().any(|name| property.value.get(name).is_some())
            || property.value["type"].as_str().is_none()
        {
            continue;
        }
        let wrong = if value.is_string() { json!({ "wrong": true }) } else { json!("~wrong~") };
        let mut other = members.clone();
        other.insert(name.clone(), wrong);
        let mutant = Request { body: Some(Value::Object(other)), ..request.clone() };
        mutants.push((format!("{name} of another type in the content"), name.clone(), mutant));
    }
}

fn json_schema(parts: &mut Files, content: &Part) -> Option<(String, Part)> {
    let (name, _) = content.value.as_object()?.iter().find(|(name, _)| name.contains("json"))?;
    let media_type = parts.member(content, name)?;
    let schema = media_type.value.get("schema")?.clone();
    Some((name.clone(), Part { file: media_type.file, value: schema }))
}

/// Whether a body with only required members is valid for one of its branches.
fn fits_one(
    document: &ApiDocument,
    parts: &mut Files,
    method: &Method,
    request: &Request,
    media_type: Option<&str>,
    schema: &Part,
) -> bool {
    parts.is_sparse = true;
    let passes = (0..10).any(|branch| {
        parts.branch = branch;
        let request = Request { body: parts.value(schema, 0), ..request.clone() };
        check_request(document, method, &request, media_type).is_ok_and(|violations| violations.is_empty())
    });
    (parts.is_sparse, parts.branch) = (false, 0);
    passes
}

fn fits_several(violation: &Violation) -> bool {
    violation.limit == Some(demur_contract::Value::Text("oneOf".to_owned()))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => text(items.first()?),
        Value::Object(_) | Value::Null => None,
        other => Some(other.to_string()),
    }
}

fn put(request: &mut Request, parameter: &Value, text: &str) {
    let name = parameter["name"].as_str().unwrap();
    match parameter["in"].as_str().unwrap() {
        "path" => {
            let encoded: String =
                percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
            request.path = request.path.replace(&format!("{{{name}}}"), &encoded);
        }
        "query" => request.query.push((name.to_owned(), text.to_owned())),
        "header" => request.headers.push((name.to_owned(), text.to_owned())),
        _ => {}
    }
}

fn check_request(
    document: &ApiDocument,
    method: &Method,
    request: &Request,
    media_type: Option<&str>,
) -> Result<Vec<Violation>, String> {
    let matched = match document.find(method, &request.path) {
        Find::Found(matched) => matched,
        other => return Err(format!("{other:?} for {}", request.path)),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let query: Vec<String> =
        request.query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let mut violations = document.check_parameters(&matched, Some(&query.join("&")), &headers).violations;
    if let Some(content) = &request.body {
        let content = content.to_string();
        accepting::check(document, matched.operation, media_type, content.as_bytes());
        match document.check_body(matched.operation, media_type, content.as_bytes()) {
            CheckedBody::Checked { violations: more, .. } => violations.extend(more),
            CheckedBody::Rejected(problem) => return Err(format!("{problem:?}")),
        }
    }
    Ok(violations)
}

#[test]
fn validates_requests_of_github() {
    check("octokit/openapi/generated/api.github.com.json", 1, 1_223);
}

#[test]
fn validates_requests_of_figma() {
    check("figma/rest-api-spec/openapi/openapi.yaml", 1, 54);
}

#[test]
fn validates_requests_of_galaxy() {
    check("scalar/galaxy/dist/3.1.yaml", 1, 10);
}

#[test]
fn validates_requests_of_mojaloop() {
    check("mojaloop/api-snippets/fspiop/v2_0/openapi3/openapi.yaml", 160, 60);
}

#[test]
fn validates_requests_of_mojaloop_third_party() {
    check("mojaloop/api-snippets/thirdparty/v1_0/openapi3/openapi.yaml", 200, 41);
}
