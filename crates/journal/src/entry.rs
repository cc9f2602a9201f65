//! What is known of one request.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request: what was checked, and how it ended. Members without a value are left out of its JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Entry {
    /// When the request arrived.
    pub timestamp: Timestamp,
    /// The event, as in the access log: `request rejected`, `request failed`, …
    pub message: String,
    /// The request ID, as the client was given it.
    pub request_id: String,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path without the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The status of the response.
    pub status: u16,
    /// Bytes of the response body.
    pub bytes: u64,
    /// Bytes from the client after its request, on a connection that was upgraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_bytes: Option<u64>,
    /// Milliseconds until the end of the response, or of the connection that was upgraded.
    pub duration_ms: f64,
    /// The protocol that the connection was upgraded to: `websocket`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgraded: Option<String>,
    /// The ID of the trace that the request belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The name of the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// The ID of the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The ID of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The ID of the API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The condition that named the error, or the name under which the API raised it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The error's name in the contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The error's code in responses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whose error it is: `client`, `gateway` or `upstream`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The contract of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// Details for operators, which no client sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The delay that the response advises, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The values that decided: `limit`, `remaining`, `window` (seconds), `needed`, `available`, `resets_at`, …
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Value>,
    /// What is wrong with the request, without the values that were sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<EntryViolation>,
    /// The checks that ran, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<EntryCheck>,
    /// How long each stage took, in milliseconds, where it was measured.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub timings_ms: BTreeMap<String, f64>,
    /// Rejections that were not enforced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub would_reject: Vec<EntryWouldReject>,
    /// Further notes for operators.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The first error event of an event stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_error: Option<String>,
}

/// A check that ran.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EntryCheck {
    /// `request`, `authentication`, `authorization`, `rate`, `quota`, `validation`, `rules`, `credits` or `upstream`.
    pub check: String,
    /// `passed`, `rejected` or `would_reject`.
    pub outcome: String,
}

/// One violation, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EntryViolation {
    /// The parameter, or the outermost member of the body; empty for the body as a whole.
    pub param: String,
    /// `path`, `query`, `header`, `cookie` or `body`.
    pub location: String,
    /// The JSON Pointer within the parameter or the body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pointer: String,
    /// The condition: one of `param.*`.
    pub rule: String,
}

/// A rejection that was not enforced.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EntryWouldReject {
    /// The condition, if it is one of the gateway's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The error's name in the contract.
    pub error: String,
    /// Its status.
    pub status: u16,
    /// Details for operators.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            timestamp: Timestamp::UNIX_EPOCH,
            message: String::new(),
            request_id: String::new(),
            client: None,
            method: None,
            path: None,
            status: 0,
            bytes: 0,
            received_bytes: None,
            duration_ms: 0.0,
            upgraded: None,
            trace_id: None,
            api: None,
            operation: None,
            account: None,
            key: None,
            condition: None,
            error: None,
            code: None,
            origin: None,
            contract: None,
            cause: None,
            retry_after: None,
            values: BTreeMap::new(),
            violations: Vec::new(),
            checks: Vec::new(),
            timings_ms: BTreeMap::new(),
            would_reject: Vec::new(),
            notes: Vec::new(),
            stream_error: None,
        }
    }
}

impl EntryCheck {
    /// A check and its outcome.
    pub fn new(check: &str, outcome: &str) -> Self {
        Self { check: check.to_owned(), outcome: outcome.to_owned() }
    }
}

impl EntryViolation {
    /// A violation of a rule.
    pub fn new(rule: &str, location: &str, param: &str, pointer: &str) -> Self {
        let [rule, location, param, pointer] = [rule, location, param, pointer].map(str::to_owned);
        Self { param, location, pointer, rule }
    }
}

impl EntryWouldReject {
    /// A rejection that was not enforced.
    pub fn new(condition: Option<&str>, error: &str, status: u16, cause: &str) -> Self {
        let condition = condition.map(str::to_owned);
        Self { condition, error: error.to_owned(), status, cause: cause.to_owned() }
    }
}
