//! The error contract: one file says how an API answers every way in which a request can fail.
//!
//! A contract is read from YAML ([`Contract::load`]), checked as a whole (all mistakes at once, each with
//! its place and a mend), and compiled. From then on it answers three questions:
//!
//! - *Which error answers this condition?* [`Contract::answer`], for the gateway's own conditions,
//!   [`Contract::named`] for the API's, [`Contract::answer_violations`] for several invalid parameters.
//! - *What is sent?* [`Contract::render`].
//! - *What was received?* [`Contract::parse`].
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
//! let mut content = Vec::new();
//! contract.render(&problem, &mut content);
//! assert_eq!(content, br#"{"error":{"code":"out_of_stock","message":"Tea is sold out."}}"#);
//!
//! // What nobody claimed is derived: the usual status and title, in the contract's own format.
//! let entry = contract.entry(contract.answer(Condition::RateExceeded));
//! assert_eq!((entry.status.as_u16(), entry.code.as_deref()), (429, Some("rate_exceeded")));
//!
//! // And a client reads it back.
//! let ParseResult::Exact(read) = contract.parse(&ResponseView::new(409, &content)) else { panic!() };
//! assert_eq!(read.problem.param("item"), Some(&"Tea".into()));
//! ```
//!
//! # Writing a contract
//!
//! A file has a name, at least one *format* and a catalogue of *errors*. The format is the JSON of an answer with slots in
//! it; the errors claim the gateway's [conditions](manual::conditions), by leaf or branch, or are the API's own. `request`
//! and `internal` must be claimed; what nobody claims is derived. **The [manual]** has it all: every key, slot and cast, the
//! three shapes of violations, texts with parameters and plural forms, retries, header fields, languages. Its examples are
//! parts of one contract, which a test loads. The files of [`builtin`] are contracts of other worlds to start from.
//!
//! # Loading and mending
//!
//! [`Contract::load`] reports every mistake that it can find, with line, column and what to write instead; a contract
//! that loads can still come with warnings, such as errors that a client could not tell apart:
//!
//! ```
//! use demur_contract::{Contract, Source};
//!
//! let file = Source::new("shop.yaml", "demur: 1\nname: shop\nformats: { default: { code: $cod } }\nerorrs: {}\n");
//! let found = Contract::load(&file).unwrap_err();
//! assert!(found.to_string().contains("did you mean `$code`?"));
//! assert!(found.to_string().contains("did you mean `errors`?"));
//! ```
//!
//! # Violations
//!
//! Several invalid parameters make one answer. [`Contract::answer_violations`] says which error speaks: that of the most
//! fundamental mistake. The format says how many of them are shown.
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
//! let mut content = Vec::new();
//! contract.render(&problem, &mut content);
//!
//! let ParseResult::Exact(read) = contract.parse(&ResponseView::new(400, &content)) else { panic!() };
//! assert_eq!(read.violations[0].rule(), Some(Condition::ParamMaximum));
//! assert_eq!(read.violations[0].limit.as_deref(), Some("100"));
//! ```
//!
//! # Raising an error
//!
//! A [`Problem`] is one occurrence: the error, the request's id, parameters by name, violations, the delay after which
//! trying again makes sense, and for an error with an `open` message another text.
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
//! let mut content = Vec::new();
//! contract.render(&problem, &mut content);
//! assert_eq!(
//!     content,
//!     br#"{"code":"out_of_stock","message":"There is no tea before Monday.","item":"Tea","wait":2}"#
//! );
//! ```
//!
//! # Languages and media types
//!
//! A contract in another language, or as problem documents (RFC 9457), is a view of it: a contract with the same
//! [`ErrorId`]s, chosen once by what the client asks for.
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
//! let said = |contract: &Contract| {
//!     let mut content = Vec::new();
//!     contract.render(&problem, &mut content);
//!     String::from_utf8(content).unwrap()
//! };
//! let italian = contract.for_accept_language("it-CH, en;q=0.5");
//! assert_eq!(said(italian), r#"{"message":"Il negozio è chiuso."}"#);
//! assert_eq!(
//!     said(italian.for_accept("application/problem+json")),
//!     r#"{"type":"about:blank","title":"Chiuso","status":409,"detail":"Il negozio è chiuso.","instance":"req_1","code":"closed"}"#
//! );
//! assert_eq!(said(contract.for_accept("*/*")), r#"{"message":"The shop is closed."}"#);
//! ```
//!
//! # What comes back
//!
//! `parse(render(p)) = p`, less what the format does not carry. That is known before any answer is seen:
//! [`Contract::round_trip_report`] lists each part of a problem with its [`Fidelity`], and [`Contract::ambiguous_pairs`] the errors that look the
//! same on the wire. A value that a text does not give back for certain is not given back; an answer that two errors can
//! have made is [`ParseResult::Ambiguous`].
//!
//! ```
//! # use demur_contract::{Contract, Fidelity, builtin};
//! let contract = Contract::load(&builtin::source("problem").unwrap()).unwrap().contract;
//! let of_rule = contract.round_trip_report().into_iter().find(|loss| loss.part == "violation.rule").unwrap();
//! assert_eq!(of_rule.fate, Fidelity::Kept);
//! ```
//!
//! Any bytes are accepted, in time and memory that grow with their length and no faster: content of up to 16 MiB,
//! 128 levels and 262,144 values is read, and what is beyond is `Unknown`. So is an answer by parameter whose names are
//! long and stand for so many violations that what comes back would be many times its length.
//!
//! Pure: no input or output, no async, and no knowledge of HTTP beyond statuses and field names.

pub mod builtin;
pub mod manual;

mod ambiguity;
mod catalogue;
mod claims;
mod compile;
mod condition;
mod contract;
mod format;
mod json;
mod limit_headers;
mod load;
mod locale;
mod locations;
mod parse;
mod plural;
mod problem;
mod render;
mod round_trip;
mod template;
mod variants;
mod violations;

pub use ambiguity::{AmbiguousPair, Discriminator};
pub use catalogue::{Docs, EntrySource, ErrorEntry, ErrorId, ErrorStatus, Retry, Show};
pub use claims::{DENIAL_PARAMS, DenialParam};
pub use condition::{Condition, Defaults, ErrorOrigin, RejectedStatus, RetryClass, claim_names};
pub use contract::{Contract, Metadata, RequestIdField, VisibleFields};
/// Text from outside as it may be shown in a log.
pub use demur_source::visible;
/// The text of a file, and what is found wrong in it.
pub use demur_source::{Diagnostic, Diagnostics, Severity, Source, SourceLocation, Span};
pub use limit_headers::{LimitHeaderNames, LimitHeaders, ResetForm};
pub use load::Loaded;
pub use parse::{
    ParseResult, ParsedProblem, RecoveredLimit, RecoveredViolation, Reset, ResponseView, UnknownMember,
    ietf_limits,
};
pub use problem::{Location, Problem, RetryAfter, Value, Violation};
pub use round_trip::{Difference, Fidelity, FieldFidelity, LossReason};
pub use template::{ListStyle, Template, TemplateError};
pub use violations::FieldStyle;
