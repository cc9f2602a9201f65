//! The documented response of a case, and the differences of a response from it.

use demur_e2e::Response;
use regex::Regex;
use serde_json::{Value as Json, json};

/// Every difference between the response and the case: in status, headers, media type or body.
pub(crate) fn differences(case: &Json, response: &Response) -> Vec<String> {
    let mut found = Vec::new();
    if case["status"].as_u64() != Some(response.status.into()) {
        found.push(format!("status {} instead of {}", response.status, case["status"]));
    }
    let mut of_header = |name: &str, expected: &Json| {
        let values: Vec<&str> = response.headers.all(name).collect();
        match values.as_slice() {
            [value] => compare(expected, &Json::from(*value), name, &mut found),
            values => found.push(format!("{} fields {name}", values.len())),
        }
    };
    of_header("content-type", &Json::from("application/json"));
    for (name, expected) in case["headers"].as_object().into_iter().flatten() {
        of_header(name, expected);
    }
    match serde_json::from_slice::<Json>(&response.body) {
        Ok(body) => compare(&case["body"], &body, "", &mut found),
        Err(error) => found.push(format!("the content is no JSON: {error}")),
    }
    found
}

/// `{"$match": RE}` stands for a text that the regular expression finds; all else must be equal, members
/// that were not expected included.
fn compare(expected: &Json, actual: &Json, at: &str, found: &mut Vec<String>) {
    if let Some(pattern) = expected.get("$match").and_then(Json::as_str) {
        let pattern = Regex::new(pattern).unwrap();
        if !actual.as_str().is_some_and(|text| pattern.is_match(text)) {
            found.push(format!("{at}: {actual} does not match {pattern}"));
        }
        return;
    }
    match (expected, actual) {
        (Json::Object(expected), Json::Object(actual)) => {
            for (name, expected) in expected {
                match actual.get(name) {
                    Some(actual) => compare(expected, actual, &format!("{at}/{name}"), found),
                    None => found.push(format!("{at}/{name} is missing")),
                }
            }
            for name in actual.keys().filter(|name| !expected.contains_key(*name)) {
                found.push(format!("{at}/{name} is not expected"));
            }
        }
        (Json::Array(expected), Json::Array(actual)) if expected.len() == actual.len() => {
            for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                compare(expected, actual, &format!("{at}/{index}"), found);
            }
        }
        (expected, actual) if expected == actual => {}
        (expected, actual) => found.push(format!("{at}: {actual} instead of {expected}")),
    }
}

#[test]
fn compares_status_headers_media_type_and_body() {
    let response = |status: u16, media_type: &str, delay: &str, body: &str| {
        let bytes = format!(
            "HTTP/1.1 {status} S\r\nContent-Type: {media_type}\r\n{delay}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Response::read(bytes.as_bytes(), "GET").unwrap()
    };
    let case =
        json!({ "status": 429, "headers": { "Retry-After": { "$match": "^[1-9]$" } }, "body": { "a": 1 } });
    for (response, count) in [
        (response(429, "application/json", "Retry-After: 1\r\n", "{\"a\":1}"), 0),
        (response(428, "application/json", "Retry-After: 1\r\n", "{\"a\":1}"), 1),
        (response(429, "application/problem+json", "Retry-After: 1\r\n", "{\"a\":1}"), 1),
        (response(429, "application/json", "Retry-After: 0\r\n", "{\"a\":1}"), 1),
        (response(429, "application/json", "", "{\"a\":1}"), 1),
        (response(429, "application/json", "Retry-After: 1\r\n", "{\"a\":2}"), 1),
        (response(429, "application/json", "Retry-After: 1\r\n", "a"), 1),
    ] {
        let found = differences(&case, &response);
        assert_eq!(found.len(), count, "{response:?}: {found:?}");
    }
}

#[test]
fn finds_a_difference_anywhere_in_a_response() {
    for (expected, actual, differences) in [
        (json!({ "a": [1, "x"] }), json!({ "a": [1, "x"] }), 0),
        (json!({ "a": { "$match": "^x+$" } }), json!({ "a": "xx" }), 0),
        (json!({ "a": { "$match": "^x+$" } }), json!({ "a": "y" }), 1),
        (json!({ "a": { "$match": "1" } }), json!({ "a": 1 }), 1),
        (json!({ "a": 1 }), json!({ "a": "1" }), 1),
        (json!({ "a": 1 }), json!({}), 1),
        (json!({}), json!({ "a": null }), 1),
        (json!([1]), json!([1, 2]), 1),
        (json!({ "a": [1, 2], "b": 3 }), json!({ "a": [2, 1], "c": 3 }), 4),
    ] {
        let mut found = Vec::new();
        compare(&expected, &actual, "", &mut found);
        assert_eq!(found.len(), differences, "{expected} {actual}: {found:?}");
    }
}
