//! The error contract: one file says how an API answers every way in which a request can fail.
//!
//! A contract is read from YAML ([`Contract::load`]), checked as a whole (all mistakes at once, each with
//! its place and a mend), and compiled. From then on it answers three questions:
//!
//! - *Which error answers this condition?* [`Contract::answer`], for the gateway's own conditions,
//!   [`Contract::named`] for the API's, [`Contract::answer_violations`] for several invalid parameters.
//! - *What is sent?* [`Contract::render`].
//! - *What was received?* [`Contract::decode`].
//!
//! ```
//! use demur_contract::{Condition, Contract, Decoded, Problem};
//! use demur_source::Source;
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
//! let Decoded::Exact(read) = contract.decode(409, &content) else { panic!() };
//! assert_eq!(read.params, [("item".to_owned(), "Tea".to_owned())]);
//! ```
//!
//! Pure: no input or output, no async, and no knowledge of HTTP beyond statuses and field names.

pub mod builtin;

mod answers;
mod catalogue;
mod compile;
mod condition;
mod contract;
mod decode;
mod families;
mod format;
mod json;
mod load;
mod locale;
mod plural;
mod problem;
mod render;
mod template;
mod views;
mod violations;

pub use catalogue::{Docs, EntrySource, ErrorEntry, ErrorId, ErrorStatus, Retry, Show};
pub use condition::{Condition, Origin, RefusedStatus, RetryClass, Usual, claimable};
pub use contract::{About, Contract, RequestIdField};
pub use decode::{Decoded, Recovered, RecoveredViolation};
pub use families::{FieldFamily, LimitFields, ResetForm};
pub use load::Loaded;
pub use problem::{Location, Problem, RetryAfter, Value, Violation};
pub use template::{ListStyle, Template, TemplateError};
pub use violations::FieldStyle;
