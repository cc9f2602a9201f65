//! Settings of APIs and plans, resolved: what an engine is made of.
//!
//! Plain structs, which Rust code can make as well as the crate `demur-config`, which reads them from `demur.yaml`.

mod api;
mod authentication;
mod contract_version;
mod cors;
mod headers;
mod idempotency;
mod metering;
mod overload;
mod prefixes;
mod scheme;
mod tokens;
mod traceparent;
mod upstream_errors;
mod validation;
mod websocket;

pub use api::{
    ApiSettings, DEFAULT_MAX_BODY_BYTES, DEFAULT_MAX_RETRY_WAIT, Mount, OperationSettings, ResourceTemplate,
    ResourceTemplateError, RuleSettings,
};
pub use authentication::{Authentication, DEFAULT_FAILURES};
pub(crate) use contract_version::RequestView;
pub use contract_version::{ContractVersion, VersionMatch};
pub use cors::{Cors, Origins};
pub use headers::{HeaderChanges, HeaderSettings};
pub use idempotency::{Idempotency, IdempotencyMode};
pub use metering::{Metering, OnAbort, SettleAt, UsageSource};
pub use overload::Overload;
pub use prefixes::Prefixes;
pub use scheme::Scheme;
pub use tokens::{ClaimNames, KeySetUrl, KeySource, TokenSettings};
pub use traceparent::TraceParent;
pub use upstream_errors::{TranslationRule, UpstreamErrorMode, UpstreamErrors};
pub use validation::{AmbiguousPath, RequestValidation, ResponseMode, ValidationSettings};
pub use websocket::WebSocket;

pub use crate::request::reserved_headers::ReservedNames;
