//! Decodes an error response into an [`ApiError`]: by the contract, and by common formats where no contract matches.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use demur_contract::{
    Contract, ErrorId, LimitHeaders, ParseResult, ParsedProblem, Problem, RecoveredViolation, ResponseView,
    RetryAfter, RetryClass, ShownFields, Value,
};
use http::{HeaderMap, StatusCode};

use crate::class::{ErrorClass, default_class};
use crate::error::{ApiError, ErrorIdentity, FieldViolation, RetryAdvice};
use crate::header_texts::HeaderTexts;
use crate::heuristics::{REQUEST_IDS, recognize};
use crate::retry_after;

/// Maximum bytes kept of an error body.
pub(crate) const MAX_ERROR_BYTES: usize = 64 * 1024;

/// A decoded error response.
pub(crate) struct Decoded {
    pub(crate) error: ApiError,
    /// The response proves that the request was not processed.
    pub(crate) is_unprocessed: bool,
    /// The maximum number of attempts, if the contract has one.
    pub(crate) attempts: Option<u32>,
}

/// Decodes an error response that another HTTP client received: hyper, a blocking client, or an event of a stream.
///
/// By the contract if there is one and it matches, else by the common formats. Of the body, the first 64 KiB count.
///
/// ```
/// use demur_client::{ErrorClass, decode};
/// use http::{HeaderMap, StatusCode};
///
/// let body = r#"{"error":{"type":"rate_limit_error","message":"Slow down."}}"#;
/// let error = decode(None, StatusCode::TOO_MANY_REQUESTS, HeaderMap::new(), body);
/// assert_eq!((error.class, error.message.as_str()), (ErrorClass::Limit, "Slow down."));
/// ```
pub fn decode(
    contract: Option<&Contract>,
    status: StatusCode,
    headers: HeaderMap,
    body: impl Into<Bytes>,
) -> ApiError {
    let mut body = body.into();
    body.truncate(MAX_ERROR_BYTES);
    decode_at(contract, status, headers, body, SystemTime::now()).error
}

/// What the contract, or the structure of the body, shows of an error.
#[derive(Default)]
struct Shown {
    class: Option<ErrorClass>,
    code: Option<String>,
    kind: Option<String>,
    message: String,
    param: Option<String>,
    violations: Vec<FieldViolation>,
    params: Vec<(String, String)>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
}

pub(crate) fn decode_at(
    contract: Option<&Contract>,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    now: SystemTime,
) -> Decoded {
    let code = status.as_u16();
    let texts = HeaderTexts::new(&headers);
    let mut retry = RetryAdvice {
        class: default_class(code),
        after: retry_after::requested_delay(&texts, contract, code, now),
    };
    let mut attempts = None;
    let mut identity = ErrorIdentity::Unknown;
    let mut user_messages = Vec::new();
    let mut is_unprocessed = false;
    let mut default_delay = None;

    let header = |name: &str| texts.get(name);
    let response = ResponseView { status: code, headers: &header, body: &body };
    let shown = match contract.map(|contract| (contract, contract.parse(&response))) {
        Some((contract, ParseResult::Exact(read))) => {
            let error = read.problem.error;
            let entry = contract.entry(error);
            identity = ErrorIdentity::Exact(entry.name.clone());
            (retry.class, attempts) = (entry.retry.class, entry.retry.attempts);
            default_delay = entry.retry.default_delay;
            is_unprocessed = code == 429 || contract.is_raised_before_forwarding(error);
            let after = retry.after.or(read.problem.retry_after.map(|retry| retry.delay)).or(default_delay);
            user_messages = messages_for_users(contract, &read.problem, after);
            exact(contract, read, contract.shown(&response, error).unwrap_or_default())
        }
        Some((contract, ParseResult::Ambiguous { candidates })) => {
            let entries = || candidates.iter().map(|error| contract.entry(*error));
            identity = ErrorIdentity::Ambiguous(entries().map(|entry| entry.name.clone()).collect());
            // If all candidates agree, it does not matter which one it is.
            retry.class = agreed(entries().map(|entry| entry.retry.class)).unwrap_or(retry.class);
            default_delay = entries().filter_map(|entry| entry.retry.default_delay).max();
            let is_rejection = |error: &ErrorId| contract.is_raised_before_forwarding(*error);
            is_unprocessed = code == 429 || candidates.iter().all(is_rejection);
            ambiguous(contract, &candidates, &response)
        }
        Some((_, ParseResult::Unknown { .. })) | None => guessed(&headers, &body),
    };
    retry.after = retry.after.or(shown.retry_after).or(default_delay);
    // It says that the request did not arrive in time, so that there is nothing to correct in it.
    if code == 408 && retry.class == RetryClass::AfterFix {
        retry.class = RetryClass::Backoff;
    }
    if let Some(should_retry) = should_retry(contract, &texts) {
        retry.class = match (should_retry, retry.class) {
            (false, _) => RetryClass::Never,
            (true, RetryClass::Never | RetryClass::AfterFix) => RetryClass::Backoff,
            (true, class) => class,
        };
    }
    let declared = contract.map(|contract| contract.request_id().header.as_str());
    let in_header = declared.into_iter().chain(REQUEST_IDS).find_map(|name| texts.first(name));
    let request_id = in_header.filter(|id| !id.is_empty()).map(str::to_owned).or(shown.request_id);
    let mut error = ApiError {
        identity,
        class: shown.class.unwrap_or_else(|| ErrorClass::of_status(code)),
        code: shown.code,
        kind: shown.kind,
        message: shown.message,
        param: shown.param,
        violations: shown.violations,
        params: shown.params,
        request_id,
        retry,
        retry_at: retry.after.and_then(|after| now.checked_add(after)),
        body,
        user_messages,
        ..ApiError::new(status)
    };
    error.headers = headers;
    Decoded { error, is_unprocessed, attempts }
}

/// An error of the contract: everything comes from it, and nothing from the structure of the body.
fn exact(contract: &Contract, read: ParsedProblem<'_>, shown: ShownFields<'_>) -> Shown {
    let entry = contract.entry(read.problem.error);
    let first = read.violations.first();
    let named_in_text = first.filter(|_| read.violations.len() == 1).and_then(|only| only.param.clone());
    let mut found = from_slots(shown);
    // A list with one item can be the message or a violation; by now it is known which.
    if !read.violations.is_empty() || !entry_shows_violations(contract, read.problem.error) {
        let violation = |found: RecoveredViolation<'_>| FieldViolation {
            field: found.field.or(found.param).or(found.pointer).map(|field| field.into_owned()),
            message: found.message.map(|message| message.into_owned()),
        };
        found.violations = read.violations.into_iter().map(violation).collect();
    }
    let problem = read.problem;
    let request_id = Some(problem.request_id.into_owned()).filter(|id| !id.is_empty());
    Shown {
        class: class_of(contract, problem.error),
        code: entry.code.clone(),
        kind: entry.kind.clone(),
        param: found.param.or_else(|| named_in_text.map(|param| param.into_owned())),
        params: problem
            .params
            .into_iter()
            .map(|(name, value)| (name.into_owned(), to_text(&value)))
            .collect(),
        request_id: found.request_id.or(request_id),
        retry_after: problem.retry_after.map(|retry| retry.delay).or(found.retry_after),
        ..found
    }
}

fn entry_shows_violations(contract: &Contract, error: ErrorId) -> bool {
    contract.shows(error).violations
}

/// One of several errors: what all of them agree on.
fn ambiguous<'a>(contract: &'a Contract, candidates: &[ErrorId], response: &ResponseView<'a>) -> Shown {
    let entries = || candidates.iter().map(|error| contract.entry(*error));
    let shown = agreed(candidates.iter().map(|error| contract.shown(response, *error)));
    Shown {
        class: agreed(candidates.iter().map(|error| class_of(contract, *error))).flatten(),
        code: agreed(entries().map(|entry| entry.code.clone())).flatten(),
        kind: agreed(entries().map(|entry| entry.kind.clone())).flatten(),
        ..shown.flatten().map(from_slots).unwrap_or_default()
    }
}

/// No error of the contract: the structure of the body.
fn guessed(headers: &HeaderMap, body: &[u8]) -> Shown {
    let found = recognize(headers, body);
    Shown {
        code: found.code,
        kind: found.kind,
        message: found.message,
        param: found.param,
        violations: found.violations,
        request_id: found.request_id,
        retry_after: found.retry_after,
        ..Shown::default()
    }
}

/// What the slots of the format show.
fn from_slots(shown: ShownFields<'_>) -> Shown {
    let owned = |text: Option<std::borrow::Cow<'_, str>>| text.map(|text| text.into_owned());
    let violations = shown
        .violations
        .into_iter()
        .map(|violation| FieldViolation { field: owned(violation.field), message: owned(violation.message) });
    Shown {
        message: owned(shown.detail.or(shown.message).or(shown.title)).unwrap_or_default(),
        param: owned(shown.param),
        violations: violations.collect(),
        request_id: owned(shown.request_id),
        retry_after: shown.retry_after.map(Duration::from_secs),
        ..Shown::default()
    }
}

/// The class of the conditions that an error answers: that of its status if one of them has it, else that of the first.
/// An API that answers a bad key with 403 still means the key.
fn class_of(contract: &Contract, error: ErrorId) -> Option<ErrorClass> {
    let of_status = ErrorClass::of_status(contract.entry(error).status.as_u16());
    let mut classes = contract.conditions_of(error).map(ErrorClass::of_condition);
    let first = classes.next()?;
    Some(if classes.any(|class| class == of_status) { of_status } else { first })
}

/// The value of all items, if they are equal.
fn agreed<T: PartialEq>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.all(|other| other == first).then_some(first)
}

/// The messages for end users, in the default language of the contract first.
fn messages_for_users(
    contract: &Contract,
    problem: &Problem<'_>,
    after: Option<Duration>,
) -> Vec<(String, String)> {
    let delay = after.map(|delay| RetryAfter { delay });
    let problem = Problem { retry_after: problem.retry_after.or(delay), ..problem.clone() };
    let in_locale = |tag: &str| {
        let message = contract.in_locale(tag)?.user_message(&problem)?;
        Some((tag.to_owned(), message))
    };
    contract.locales().filter_map(in_locale).collect()
}

/// A message parameter as text.
fn to_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::List(items) => items.join(", "),
    }
}

/// The value of `x-should-retry` or its equivalent: of the headers that the contract declares, else of the known ones.
fn should_retry(contract: Option<&Contract>, headers: &HeaderTexts<'_>) -> Option<bool> {
    let families = contract.map_or(&[][..], Contract::limit_headers);
    let at_once = families.iter().find_map(|family| match family {
        LimitHeaders::ShouldRetryAtOnce(name) => Some(name.as_str()),
        _ => None,
    });
    let declared = families.iter().filter_map(|family| match family {
        LimitHeaders::ShouldRetry(name) => Some(name.as_str()),
        _ => None,
    });
    let known = ["x-should-retry", "stripe-should-retry"].into_iter().filter(|name| at_once != Some(*name));
    match declared.chain(known).find_map(|name| headers.first(name)) {
        Some("true") => return Some(true),
        Some("false") => return Some(false),
        Some(_) | None => {}
    }
    // `false` may only mean that there is a delay, which this client waits for.
    at_once.and_then(|name| headers.first(name)).filter(|value| *value == "true").map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use demur_contract::{Location, Violation, builtin};
    use http::header::{CONTENT_LANGUAGE, CONTENT_TYPE};

    /// Every error of the built-in contracts, in each language and media type.
    #[test]
    fn responses_are_decoded_in_their_language_and_media_type() {
        let mut views = 0;
        for name in builtin::names() {
            let contract = Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
            let locales = contract.locales().filter_map(|tag| contract.in_locale(tag));
            for view in locales.flat_map(|locale| std::iter::once(locale).chain(locale.as_problem())) {
                views += 1;
                let mut headers = HeaderMap::new();
                headers.insert(CONTENT_TYPE, view.content_type().parse().unwrap());
                headers.insert(CONTENT_LANGUAGE, view.locale().parse().unwrap());
                for (error, entry) in contract.entries() {
                    let mut body = Vec::new();
                    view.render(&Problem::new(error, "req_1"), &mut body);
                    let status = StatusCode::from_u16(entry.status.as_u16()).unwrap();
                    let decoded = decode_at(
                        Some(&contract),
                        status,
                        headers.clone(),
                        body.into(),
                        SystemTime::UNIX_EPOCH,
                    );
                    let is_known = match &decoded.error.identity {
                        ErrorIdentity::Exact(name) => *name == entry.name,
                        ErrorIdentity::Ambiguous(names) => names.contains(&entry.name),
                        ErrorIdentity::Unknown => false,
                    };
                    assert!(
                        is_known,
                        "{name} {} {}: {:?}",
                        view.locale(),
                        entry.name,
                        decoded.error.identity
                    );
                }
            }
        }
        assert!(views > 2 * builtin::names().count() - 2, "{views}");
    }

    #[test]
    fn violations_of_a_problem_document_are_decoded() {
        let contract = Contract::load(&builtin::source("rails").unwrap()).unwrap().contract;
        let violations = vec![Violation {
            condition: demur_contract::Condition::ParamMaximum,
            location: Location::Body,
            param: "items".into(),
            pointer: "/items/0/n".into(),
            value: None,
            limit: Some(Value::Int(7)),
            allowed: Vec::new(),
        }];
        let error = contract.answer_violations(&violations).unwrap();
        let problem = Problem { violations: violations.into(), ..Problem::new(error, "req_1") };
        let mut body = Vec::new();
        contract.as_problem().unwrap().render(&problem, &mut body);
        let headers: HeaderMap =
            [(CONTENT_TYPE, "application/problem+json".parse().unwrap())].into_iter().collect();
        let status = StatusCode::from_u16(contract.entry(error).status.as_u16()).unwrap();
        let decoded = decode_at(Some(&contract), status, headers, body.into(), SystemTime::UNIX_EPOCH);
        assert_eq!(decoded.error.identity, ErrorIdentity::Exact(contract.entry(error).name.clone()));
        assert!(decoded.error.violations[0].message.as_deref().unwrap().contains('7'), "{:?}", decoded.error);
    }
}
