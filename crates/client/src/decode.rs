//! Decodes an error response into an [`ApiError`]: by the contract, and by common formats for what the contract leaves open.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use demur_contract::{
    Contract, LimitHeaders, ParseResult, Problem, RecoveredViolation, ResponseView, RetryAfter, RetryClass,
    Value,
};
use http::{HeaderMap, StatusCode};

use crate::class::ErrorClass;
use crate::error::{ApiError, ErrorIdentity, FieldViolation, GiveUpReason, RetryAdvice};
use crate::heuristics::recognize;
use crate::retry_after;

/// A decoded error response.
pub(crate) struct Decoded {
    pub(crate) error: ApiError,
    /// The response is a 429 that the contract declares: nothing was processed.
    pub(crate) is_declared_limit: bool,
    /// The maximum number of attempts, if the contract has one.
    pub(crate) attempts: Option<u32>,
}

pub(crate) fn decode(
    contract: Option<&Contract>,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    now: SystemTime,
) -> Decoded {
    let shape = recognize(&headers, &body);
    let mut retry = RetryAdvice {
        class: default_class(status.as_u16()),
        after: retry_after::requested_delay(&headers, status.as_u16(), now),
    };
    let mut attempts = None;
    let mut identity = ErrorIdentity::Unknown;
    let mut params = Vec::new();
    let (mut code, mut kind, mut violations) = (shape.code, shape.kind, shape.violations);
    let mut request_id = None;
    let mut messages = Vec::new();

    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let response = ResponseView { status: status.as_u16(), headers: &header, body: &body };
    match contract.map(|contract| (contract, contract.parse(&response))) {
        Some((contract, ParseResult::Exact(recovered))) => {
            let problem = recovered.problem;
            let entry = contract.entry(problem.error);
            identity = ErrorIdentity::Exact(entry.name.clone());
            retry.class = entry.retry.class;
            retry.after = retry.after.or(entry.retry.default_delay);
            attempts = entry.retry.attempts;
            code = entry.code.clone().or(code);
            kind = entry.kind.clone().or(kind);
            messages = user_messages(contract, &problem, retry.after);
            params = problem
                .params
                .into_iter()
                .map(|(name, value)| (name.into_owned(), to_text(&value)))
                .collect();
            request_id = Some(problem.request_id.into_owned()).filter(|id| !id.is_empty());
            if !recovered.violations.is_empty() {
                let violation = |found: RecoveredViolation<'_>| FieldViolation {
                    field: found.field.or(found.param).map(|field| field.into_owned()),
                    message: found.message.map(|message| message.into_owned()),
                };
                violations = recovered.violations.into_iter().map(violation).collect();
            }
        }
        Some((contract, ParseResult::Ambiguous { candidates })) => {
            let entries = || candidates.iter().map(|error| contract.entry(*error));
            identity = ErrorIdentity::Ambiguous(entries().map(|entry| entry.name.clone()).collect());
            // If all candidates agree, it does not matter which one it is.
            let mut classes = entries().map(|entry| entry.retry.class);
            if let Some(class) = classes.next().filter(|class| classes.all(|other| other == *class)) {
                retry.class = class;
            }
            let delays = entries().filter_map(|entry| entry.retry.default_delay);
            retry.after = retry.after.or(delays.max());
        }
        Some((_, ParseResult::Unknown { .. })) | None => {}
    }
    let is_declared_limit = status.as_u16() == 429 && identity != ErrorIdentity::Unknown;
    if let Some(should_retry) = should_retry(contract, &headers) {
        retry.class = match (should_retry, retry.class) {
            (false, _) => RetryClass::Never,
            (true, RetryClass::Never | RetryClass::AfterFix) => RetryClass::Backoff,
            (true, class) => class,
        };
    }
    let name = contract.map_or("x-request-id", |contract| contract.request_id().field.as_str());
    let in_header = [name, "x-request-id", "request-id"]
        .into_iter()
        .find_map(|name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned));
    let error = ApiError {
        identity,
        class: ErrorClass::of_status(status.as_u16()),
        status,
        code,
        kind,
        message: shape.message,
        param: shape.param,
        violations,
        params,
        request_id: in_header.or(request_id).or(shape.request_id),
        retry,
        attempts: 1,
        elapsed: Duration::ZERO,
        retry_at: retry.after.and_then(|after| now.checked_add(after)),
        give_up_reason: GiveUpReason::NotRetryable,
        headers,
        body,
        user_messages: messages,
    };
    Decoded { error, is_declared_limit, attempts }
}

/// The messages for end users, in the default language of the contract first.
fn user_messages(
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

/// The retry class of a status, without a contract.
fn default_class(status: u16) -> RetryClass {
    match status {
        429 => RetryClass::AfterDelay,
        // Not implemented now means not implemented at the retry.
        501 | 505 => RetryClass::Never,
        500..=599 => RetryClass::Backoff,
        400 | 401 | 402 | 403 | 422 => RetryClass::AfterFix,
        _ => RetryClass::Never,
    }
}

/// The value of `x-should-retry` or its equivalent.
fn should_retry(contract: Option<&Contract>, headers: &HeaderMap) -> Option<bool> {
    let families = contract.map_or(&[][..], Contract::limit_headers);
    let declared = families.iter().filter_map(|family| match family {
        LimitHeaders::ShouldRetry(name) => Some(name.as_str()),
        _ => None,
    });
    let known = ["x-should-retry", "stripe-should-retry"];
    let value = declared.chain(known).find_map(|name| headers.get(name))?;
    match value.to_str().ok()?.trim() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
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
                    let decoded =
                        decode(Some(&contract), status, headers.clone(), body.into(), SystemTime::UNIX_EPOCH);
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
        let decoded = decode(Some(&contract), status, headers, body.into(), SystemTime::UNIX_EPOCH);
        assert_eq!(decoded.error.identity, ErrorIdentity::Exact(contract.entry(error).name.clone()));
        assert!(decoded.error.violations[0].message.as_deref().unwrap().contains('7'), "{:?}", decoded.error);
    }
}
