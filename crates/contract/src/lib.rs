//! Error contracts: one file defines every error response of an API.
//!
//! Each way in which a request can fail has a name, a *condition*. A contract is a YAML file that maps conditions to
//! *errors*, each with a status, a code and a message, and defines the JSON format of the responses. [`Contract::load`]
//! reads the file, reports all errors in it at once, each with its position and with help, and compiles it. A contract then
//! answers three questions:
//!
//! - *Which error answers a condition?* [`Contract::answer`] for the conditions of the gateway, [`Contract::named`] for
//!   those of the API, [`Contract::answer_violations`] for several invalid parameters.
//! - *What is the body of the response?* [`Contract::render`].
//! - *Which error is this response?* [`Contract::parse`].
//!
//! ```
//! use demur_contract::{ResponseView, Condition, Contract, ParseResult, Problem, Source};
//!
//! let file = Source::new("shop.yaml", r#"
//! demur: 1
//! name: shop
//! formats:
//!   default: { error: { code: $code, message: $message } }
//! errors:
//!   bad_request: { status: 400, message: The request is invalid., on: [request] }
//!   out_of_stock: { status: 409, message: "{item} is sold out.", params: [item] }
//!   internal_error: { status: 500, message: Something went wrong on our side., on: [internal] }
//! "#);
//! let contract = Contract::load(&file).unwrap().contract;
//!
//! // The API raises one of its own conditions by name.
//! let mut problem = Problem::new(contract.named("out_of_stock").unwrap(), "req_1");
//! problem.params.push(("item".into(), "Tea".into()));
//! let mut body = Vec::new();
//! contract.render(&problem, &mut body);
//! assert_eq!(body, br#"{"error":{"code":"out_of_stock","message":"Tea is sold out."}}"#);
//!
//! // An unclaimed condition has a derived error: the default status and title, in the contract's own format.
//! let entry = contract.entry(contract.answer(Condition::RateExceeded));
//! assert_eq!((entry.status.as_u16(), entry.code.as_deref()), (429, Some("rate_exceeded")));
//!
//! // A client parses it back.
//! let ParseResult::Exact(parsed) = contract.parse(&ResponseView::new(409, &body)) else { panic!() };
//! assert_eq!(parsed.problem.param("item"), Some(&"Tea".into()));
//! ```
//!
//! # Writing a contract
//!
//! A file has a name, at least one *format* and a catalogue of *errors*. A format is the JSON of a response with slots for
//! values. An error claims [conditions](manual::conditions) of the gateway, by name or by branch, or is one of the API's
//! own. `request` and `internal` must be claimed; an unclaimed condition has a derived error. **The [manual]** describes
//! every key, slot and cast, the three forms of violations, texts with parameters and plural forms, retries, headers and
//! languages. Its examples are parts of one contract, which a test loads. The [`builtin`] contracts follow well-known APIs
//! and are a starting point for your own.
//!
//! # Diagnostics
//!
//! [`Contract::load`] reports every error that it can find, with line, column and help. A contract that loads can still have
//! warnings, for example about errors that a client cannot distinguish.
//!
//! ```
//! use demur_contract::{Contract, Source};
//!
//! let file = Source::new("shop.yaml", "demur: 1\nname: shop\nformats: { default: { code: $cod } }\nerorrs: {}\n");
//! let diagnostics = Contract::load(&file).unwrap_err();
//! assert!(diagnostics.to_string().contains("did you mean `$code`?"));
//! assert!(diagnostics.to_string().contains("did you mean `errors`?"));
//! ```
//!
//! # Violations
//!
//! Several invalid parameters make one response. [`Contract::answer_violations`] selects the error of the most fundamental
//! violation. The format determines how many violations the response shows.
//!
//! ```
//! use std::borrow::Cow;
//! use demur_contract::{ResponseView, Condition, Contract, Location, ParseResult, Problem, Value, Violation, builtin};
//!
//! let contract = Contract::load(&builtin::source("problem").unwrap()).unwrap().contract;
//! let violations = vec![Violation {
//!     condition: Condition::ParamMaximum,
//!     location: Location::Query,
//!     param: "limit".into(),
//!     pointer: "/limit".into(),
//!     value: Some("101".into()),
//!     limit: Some(Value::Int(100)),
//!     allowed: Vec::new(),
//! }];
//! let mut problem = Problem::new(contract.answer_violations(&violations).unwrap(), "req_1");
//! problem.violations = Cow::Owned(violations);
//! let mut body = Vec::new();
//! contract.render(&problem, &mut body);
//!
//! let ParseResult::Exact(parsed) = contract.parse(&ResponseView::new(400, &body)) else { panic!() };
//! assert_eq!(parsed.violations[0].rule(), Some(Condition::ParamMaximum));
//! assert_eq!(parsed.violations[0].limit.as_deref(), Some("100"));
//! ```
//!
//! # Raising an error
//!
//! A [`Problem`] is one occurrence of an error: the request ID, parameters by name, violations, the delay before a retry,
//! and, if the error has an `open` message, a text that replaces the message.
//!
//! ```
//! use std::time::Duration;
//! use demur_contract::{Contract, Problem, RetryAfter, RetryClass, Source};
//!
//! let file = Source::new("shop.yaml", r#"
//! demur: 1
//! name: shop
//! formats: { default: { code: $code, message: $message, item?: $params.item, wait?: $retry_after } }
//! errors:
//!   out_of_stock:
//!     status: 409
//!     message: { default: "{item} is sold out.", open: true }
//!     params: [item]
//!     retry: { class: after_delay, default_delay: 60s, attempts: 3 }
//!   internal_error: { status: 500, message: Something went wrong on our side., on: [request, internal] }
//! "#);
//! let contract = Contract::load(&file).unwrap().contract;
//! let error = contract.named("out_of_stock").unwrap();
//! let entry = contract.entry(error);
//! assert_eq!((entry.retry.class, entry.retry.attempts), (RetryClass::AfterDelay, Some(3)));
//!
//! let mut problem = Problem::new(error, "req_1");
//! problem.params.push(("item".into(), "Tea".into()));
//! problem.message = Some("There is no tea before Monday.".into());
//! problem.retry_after = Some(RetryAfter { delay: Duration::from_millis(1500) });
//! let mut body = Vec::new();
//! contract.render(&problem, &mut body);
//! assert_eq!(
//!     body,
//!     br#"{"code":"out_of_stock","message":"There is no tea before Monday.","item":"Tea","wait":2}"#
//! );
//! ```
//!
//! # Languages and media types
//!
//! A contract can have variants in other languages and with problem documents (RFC 9457). A variant is a contract with the
//! same [`ErrorId`]s, selected by the client's `Accept-Language` and `Accept`.
//!
//! ```
//! use demur_contract::{Contract, Problem, Source};
//!
//! let file = Source::new("shop.yaml", r#"
//! demur: 1
//! name: shop
//! formats: { default: { message: $message } }
//! errors:
//!   closed: { status: 409, title: Closed, message: The shop is closed. }
//!   internal_error: { status: 500, message: Something went wrong on our side., on: [request, internal] }
//! locales:
//!   it: { errors: { closed: { title: Chiuso, message: Il negozio è chiuso. } } }
//! "#);
//! let contract = Contract::load(&file).unwrap().contract;
//! let problem = Problem::new(contract.named("closed").unwrap(), "req_1");
//! let render = |contract: &Contract| {
//!     let mut body = Vec::new();
//!     contract.render(&problem, &mut body);
//!     String::from_utf8(body).unwrap()
//! };
//! let italian = contract.for_accept_language("it-CH, en;q=0.5");
//! assert_eq!(render(italian), r#"{"message":"Il negozio è chiuso."}"#);
//! assert_eq!(
//!     render(italian.for_accept("application/problem+json")),
//!     r#"{"type":"about:blank","title":"Chiuso","status":409,"detail":"Il negozio è chiuso.","instance":"req_1","code":"closed"}"#
//! );
//! assert_eq!(render(contract.for_accept("*/*")), r#"{"message":"The shop is closed."}"#);
//! ```
//!
//! # Round trips
//!
//! `parse(render(p)) = p`, except for the parts that the format does not show. This is known when a contract is loaded:
//! [`Contract::round_trip_report`] lists the [`Fidelity`] of each part of a problem, and [`Contract::ambiguous_pairs`] the
//! errors that have the same response. The parser never guesses: a value that a text does not determine is not returned, and
//! a response that two errors can have made is [`ParseResult::Ambiguous`].
//!
//! ```
//! # use demur_contract::{Contract, Fidelity, builtin};
//! let contract = Contract::load(&builtin::source("problem").unwrap()).unwrap().contract;
//! let rule = contract.round_trip_report().into_iter().find(|row| row.part == "violation.rule").unwrap();
//! assert_eq!(rule.fidelity, Fidelity::Kept);
//! ```
//!
//! # Limits
//!
//! [`Contract::parse`] accepts any bytes, in time and memory linear in their length. A body with more than 16 MiB, 128
//! levels or 262,144 values is [`ParseResult::Unknown`], and so is one with long names that apply to so many violations
//! that the result would be many times as long as the body.
//!
//! This crate does no I/O and has no async code. Of HTTP it knows only statuses and the names of headers.

pub mod builtin;
pub mod manual;

mod ambiguity;
mod catalogue;
mod claims;
mod compile;
mod condition;
mod contract;
mod denial_params;
mod format;
mod json;
mod limit_headers;
mod load;
mod locale;
mod locations;
mod parse;
mod plural;
mod plural_rules;
mod problem;
mod render;
mod round_trip;
mod template;
mod template_parameter;
mod upstream_status;
mod value;
mod variants;
mod violations;

pub use ambiguity::{AmbiguousPair, Discriminator};
pub use catalogue::{Docs, EntrySource, ErrorEntry, ErrorId, ErrorStatus, Retry, Show};
pub use condition::{
    Condition, Defaults, ErrorOrigin, RejectedStatus, RetryClass, UnknownCondition, claim_names,
};
pub use contract::{Contract, Metadata, RequestIdSettings, VisibleFields};
/// Text from outside as it may be shown in a log.
pub use demur_source::visible;
pub use denial_params::{DENIAL_PARAMS, DenialParam};
// Contract files and their diagnostics.
pub use demur_source::{Diagnostic, Diagnostics, Severity, Source, SourceLocation, Span};
pub use limit_headers::{LimitHeaderNames, LimitHeaders, ResetForm};
pub use load::{LoadError, Loaded};
pub use parse::{
    ParseResult, ParsedProblem, RecoveredLimit, RecoveredViolation, Reset, ResponseView, ShownFields,
    ShownViolation, UnknownMember, ietf_limits,
};
pub use problem::{Location, Problem, RetryAfter, Value, Violation};
pub use round_trip::{Difference, Fidelity, FieldFidelity, LossReason};
pub use template::{ListStyle, Template, TemplateError};
pub use violations::{FieldStyle, primary_violation};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
