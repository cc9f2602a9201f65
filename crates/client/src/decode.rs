//! An answer that is no success → an [`ApiError`]: by the contract, and by its shape for what that leaves open.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use demur_contract::{
    Contract, LimitHeaders, ParseResult, Problem, RecoveredViolation, ResponseView, RetryAfter, RetryClass,
    Value,
};
use http::{HeaderMap, StatusCode};

use crate::class::ErrorClass;
use crate::error::{ApiError, ErrorIdentity, FieldViolation, GiveUpReason, RetryAdvice};
use crate::heuristics::recognise;
use crate::retry_after;

/// What an answer is, and what is known only about its error.
pub(crate) struct Decoded {
    pub(crate) error: ApiError,
    /// A 429 that the contract declares: nothing was processed.
    pub(crate) is_declared_limit: bool,
    /// How often at the most, where the contract says.
    pub(crate) attempts: Option<u32>,
}

pub(crate) fn read(
    contract: Option<&Contract>,
    status: StatusCode,
    headers: HeaderMap,
    content: Bytes,
    now: SystemTime,
) -> Decoded {
    let shape = recognise(&headers, &content);
    let mut retry = RetryAdvice {
        class: usual(status.as_u16()),
        after: retry_after::asked(&headers, status.as_u16(), now),
    };
    let mut attempts = None;
    let mut identity = ErrorIdentity::Unknown;
    let mut params = Vec::new();
    let (mut code, mut kind, mut violations) = (shape.code, shape.kind, shape.violations);
    let mut request_id = None;
    let mut told_users = Vec::new();

    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let response = ResponseView { status: status.as_u16(), headers: &header, body: &content };
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
            told_users = user_messages(contract, &problem, retry.after);
            params =
                problem.params.into_iter().map(|(name, value)| (name.into_owned(), shown(&value))).collect();
            request_id = Some(problem.request_id.into_owned()).filter(|id| !id.is_empty());
            if !recovered.violations.is_empty() {
                let one = |read: RecoveredViolation<'_>| FieldViolation {
                    field: read.field.or(read.param).map(|field| field.into_owned()),
                    message: read.message.map(|message| message.into_owned()),
                };
                violations = recovered.violations.into_iter().map(one).collect();
            }
        }
        Some((contract, ParseResult::Ambiguous { candidates })) => {
            let entries = || candidates.iter().map(|error| contract.entry(*error));
            identity = ErrorIdentity::Ambiguous(entries().map(|entry| entry.name.clone()).collect());
            // Where all that it can be agree, it does not matter which it is.
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
    if let Some(should) = told(contract, &headers) {
        retry.class = match (should, retry.class) {
            (false, _) => RetryClass::Never,
            (true, RetryClass::Never | RetryClass::AfterFix) => RetryClass::Backoff,
            (true, class) => class,
        };
    }
    let field = contract.map_or("x-request-id", |contract| contract.request_id().field.as_str());
    let in_field = [field, "x-request-id", "request-id"]
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
        request_id: in_field.or(request_id).or(shape.request_id),
        retry,
        attempts: 1,
        elapsed: Duration::ZERO,
        retry_at: retry.after.and_then(|after| now.checked_add(after)),
        stop: GiveUpReason::Advice,
        headers,
        content,
        told_users,
    };
    Decoded { error, is_declared_limit, attempts }
}

/// The contract's sentences for people, its own language first.
fn user_messages(
    contract: &Contract,
    problem: &Problem<'_>,
    after: Option<Duration>,
) -> Vec<(String, String)> {
    let asked = after.map(|delay| RetryAfter { delay });
    let problem = Problem { retry_after: problem.retry_after.or(asked), ..problem.clone() };
    let in_locale = |tag: &str| {
        let message = contract.in_locale(tag)?.user_message(&problem)?;
        Some((tag.to_owned(), message))
    };
    contract.locales().filter_map(in_locale).collect()
}

/// A parameter as text.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::List(items) => items.join(", "),
    }
}

/// What a status says where nobody says more.
fn usual(status: u16) -> RetryClass {
    match status {
        429 => RetryClass::AfterDelay,
        // What is not implemented today will not be in a second.
        501 | 505 => RetryClass::Never,
        500..=599 => RetryClass::Backoff,
        400 | 401 | 402 | 403 | 422 => RetryClass::AfterFix,
        _ => RetryClass::Never,
    }
}

/// The server's own word on this very answer.
fn told(contract: Option<&Contract>, headers: &HeaderMap) -> Option<bool> {
    let families = contract.map_or(&[][..], Contract::limit_headers);
    let declared = families.iter().filter_map(|family| match family {
        LimitHeaders::ShouldRetry(field) => Some(field.as_str()),
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

    /// Every error of the built-in contracts in each of their languages and media types: what the client has is the
    /// contract, and what it gets is what it asked for.
    #[test]
    fn answers_are_read_in_the_language_and_media_type_that_they_name() {
        let mut views = 0;
        for name in builtin::names() {
            let contract = Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
            let spoken = contract.locales().filter_map(|tag| contract.in_locale(tag));
            for view in spoken.flat_map(|spoken| std::iter::once(spoken).chain(spoken.as_problem())) {
                views += 1;
                let mut headers = HeaderMap::new();
                headers.insert(CONTENT_TYPE, view.content_type().parse().unwrap());
                headers.insert(CONTENT_LANGUAGE, view.locale().parse().unwrap());
                for (error, entry) in contract.entries() {
                    let mut content = Vec::new();
                    view.render(&Problem::new(error, "req_1"), &mut content);
                    let status = StatusCode::from_u16(entry.status.as_u16()).unwrap();
                    let read = read(
                        Some(&contract),
                        status,
                        headers.clone(),
                        content.into(),
                        SystemTime::UNIX_EPOCH,
                    );
                    let is_known = match &read.error.identity {
                        ErrorIdentity::Exact(name) => *name == entry.name,
                        ErrorIdentity::Ambiguous(names) => names.contains(&entry.name),
                        ErrorIdentity::Unknown => false,
                    };
                    assert!(is_known, "{name} {} {}: {:?}", view.locale(), entry.name, read.error.identity);
                }
            }
        }
        assert!(views > 2 * builtin::names().count() - 2, "{views}");
    }

    #[test]
    fn violations_of_a_problem_document_are_told() {
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
        let mut content = Vec::new();
        contract.as_problem().unwrap().render(&problem, &mut content);
        let headers: HeaderMap =
            [(CONTENT_TYPE, "application/problem+json".parse().unwrap())].into_iter().collect();
        let status = StatusCode::from_u16(contract.entry(error).status.as_u16()).unwrap();
        let read = read(Some(&contract), status, headers, content.into(), SystemTime::UNIX_EPOCH);
        assert_eq!(read.error.identity, ErrorIdentity::Exact(contract.entry(error).name.clone()));
        assert!(read.error.violations[0].message.as_deref().unwrap().contains('7'), "{:?}", read.error);
    }
}
