//! What becomes of an upstream's error responses.

use std::ops::RangeInclusive;

use serde_json::Value as Json;

/// What becomes of an upstream's error responses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpstreamErrors {
    /// How far the upstream names the error.
    pub mode: UpstreamErrorMode,
    /// Translations of responses in a format of the upstream's own. The first one that fits decides, before the mode.
    pub rules: Vec<TranslationRule>,
}

/// How far an upstream names the errors that clients get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpstreamErrorMode {
    /// It may name an error of the contract: in `Demur-Error`, in a problem document, or in the contract's own format.
    /// Other responses are mapped by their status.
    #[default]
    Contract,
    /// It names none: its responses are mapped by their status, whatever they contain.
    GatewayOnly,
    /// Its error responses are passed on as they are.
    Passthrough,
}

/// Translates error responses of an upstream with a format of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct TranslationRule {
    /// The statuses that it translates.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// JSON Pointers into the response's body, and the values of which each must have one.
    pub when: Vec<(String, Vec<Json>)>,
    /// The error that is raised: one of every contract of the API, or a condition that an upstream may raise.
    pub raise: String,
    /// A pointer to the message, for errors whose message is open.
    pub detail: Option<String>,
    /// Parameters of the error, and pointers to their values.
    pub params: Vec<(String, String)>,
}
