//! Translates an upstream's error responses by the rules of the configuration.

use std::borrow::Cow;

use demur_contract::{Condition, Contract, Value};
use http::StatusCode;
use serde_json::Value as Json;

use crate::reject::rejection::Rejection;
use crate::settings::TranslationRule;

/// The longest message that a rule takes from a body, in characters.
const MAX_DETAIL_CHARS: usize = 2000;

/// The rejection of the first rule that fits.
pub(crate) fn translate(
    rules: &[TranslationRule],
    contract: &Contract,
    status: StatusCode,
    body: &[u8],
) -> Option<Rejection> {
    let of_status =
        |rule: &&TranslationRule| rule.statuses.iter().any(|statuses| statuses.contains(&status.as_u16()));
    let mut rules = rules.iter().filter(of_status).peekable();
    rules.peek()?;
    // A body that is not JSON, or is cut off, fits rules without conditions only.
    let body: Option<Json> = serde_json::from_slice(body).ok();
    let body = body.as_ref();
    let fits = |rule: &&TranslationRule| {
        rule.when.iter().all(|(pointer, allowed)| {
            let value = body.and_then(|body| body.pointer(pointer));
            value.is_some_and(|value| allowed.iter().any(|allowed| is_same(value, allowed)))
        })
    };
    let rule = rules.find(fits)?;
    let mut rejection = raised(contract, &rule.raise)?;
    let at = |pointer: &String| body.and_then(|body| body.pointer(pointer));
    let message = rule.detail.as_ref().and_then(at).and_then(text);
    rejection.detail.message = message.map(|message| message.chars().take(MAX_DETAIL_CHARS).collect());
    for (name, pointer) in &rule.params {
        if let Some(value) = at(pointer).and_then(value) {
            rejection.detail.params.push((Cow::Owned(name.clone()), value));
        }
    }
    Some(rejection)
}

/// The error or condition of this name. A rule is the operator's, so it may raise every error of the contract.
fn raised(contract: &Contract, name: &str) -> Option<Rejection> {
    match contract.named(name) {
        Some(error) => Some(Rejection::named(error, name)),
        None => Condition::from_name(name).map(Rejection::from),
    }
}

/// Whether two scalars are the same. `1` and `1.0` are; `1` and `"1"` are not.
fn is_same(value: &Json, allowed: &Json) -> bool {
    match (value.as_f64(), allowed.as_f64()) {
        (Some(value), Some(allowed)) => value == allowed,
        _ => value == allowed,
    }
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) if !text.is_empty() => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A JSON value as a parameter; `None` for `null`.
pub(crate) fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::String(text) => Value::Text(text.clone()),
        Json::Number(number) if number.is_i64() => Value::Int(number.as_i64().unwrap_or_default()),
        Json::Array(items) => Value::List(items.iter().map(shown).collect()),
        other => Value::Text(other.to_string()),
    })
}

fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
