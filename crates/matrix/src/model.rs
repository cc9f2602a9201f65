//! The matrix as data. The order of everything in it follows the configuration, the contract and the document.

use std::collections::BTreeMap;
use std::sync::Arc;

use demur_engine::ExampleReason;
use serde::{Serialize, Serializer};

/// The version of the JSON form.
pub const VERSION: u32 = 1;

/// The answer matrix of a configuration.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Matrix {
    /// [`VERSION`].
    #[serde(rename = "demur_matrix")]
    pub version: u32,
    /// The APIs, in the order of the configuration.
    pub apis: Vec<ApiMatrix>,
}

/// One API.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ApiMatrix {
    /// Its name.
    pub name: String,
    /// Its contracts: the default one, then its contract versions.
    pub contracts: Vec<ContractMatrix>,
}

/// One contract of an API.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ContractMatrix {
    /// `API/CONTRACT`. Two versions with one contract are numbered: `shop/errors`, `shop/errors-2`.
    pub id: String,
    /// The name of the contract.
    pub contract: String,
    /// The errors that occur, in the order of the contract.
    pub errors: Vec<ErrorSummary>,
    /// The operations, in the order of the document.
    pub operations: Vec<OperationMatrix>,
    /// The errors of requests that match no operation.
    pub unmatched: Vec<Cell>,
}

/// An error of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ErrorSummary {
    /// Its name in the contract.
    pub name: String,
    /// Its status.
    pub status: u16,
    /// Its code on the wire, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Its type, if it has one.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether and when a client may retry.
    pub retry: RetrySummary,
}

/// Whether and when a client may retry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RetrySummary {
    /// The retry class, as in the contract.
    pub class: &'static str,
    /// The delay in seconds if the response has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_delay: Option<u64>,
    /// The maximum number of attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

/// One operation.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct OperationMatrix {
    /// Its ID in the document.
    pub id: String,
    /// Its method.
    pub method: String,
    /// Its path template.
    pub path: String,
    /// Whether the document marks it as internal (`x-internal: true`). Nothing that is published shows it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub internal: bool,
    /// What can occur, in the order of the conditions; the API's own conditions come last.
    pub cells: Vec<Cell>,
    /// What cannot occur.
    pub absent: Vec<Absent>,
}

/// A condition that can occur, and the answer to it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Cell {
    /// `API/CONTRACT/OPERATION/CONDITION`.
    pub id: String,
    /// The condition: one of the gateway's, or the name of one of the API's own.
    pub condition: String,
    /// The statuses of the upstream that this cell stands for, if it stands for several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upstream_statuses: Vec<u16>,
    /// The name of the error that answers it.
    pub error: String,
    /// Why it can occur; at least one cause.
    pub causes: Vec<Cause>,
    /// The number of further causes that are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_causes: usize,
    /// The form in which the error travels.
    pub carrier: Carrier,
    /// An example of the answer. Cells with equal answers share one.
    #[serde(serialize_with = "shared")]
    pub answer: Arc<Answer>,
    /// The rejection of the example.
    #[serde(skip)]
    pub rejection: ExampleRejection,
}

/// The rejection of an example, for a mock that answers requests with it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExampleRejection {
    /// Its reason.
    pub reason: ExampleReason,
    /// Whether the caller is known, so that the response has headers about limits.
    pub knows_caller: bool,
    /// Whether the caller has exceeded a limit.
    pub exceeds_limit: bool,
    /// The plan of the caller; may be empty.
    pub plan: Arc<str>,
}

impl ExampleRejection {
    /// A rejection for this reason.
    pub fn new(reason: ExampleReason, knows_caller: bool) -> Self {
        Self { reason, knows_caller, exceeds_limit: false, plan: "".into() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn shared<S: Serializer>(answer: &Arc<Answer>, to: S) -> Result<S::Ok, S::Error> {
    answer.serialize(to)
}

/// The form in which an error travels. An open set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Carrier {
    /// The body of a response.
    Body,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers by name, without those of the connection (`date`, `content-length`).
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// Why a condition can occur.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Cause {
    /// What kind of cause it is.
    pub kind: CauseKind,
    /// The cause in one sentence, for people.
    pub text: String,
    /// The name of the plan, rate, feature, scope, rule or setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The keyword of the document that a request breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyword: Option<&'static str>,
    /// The JSON Pointer in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The part of the request: `path`, `query`, `header`, `cookie` or `body`.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub location: Option<&'static str>,
    /// The parameter, or the pointer within the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
}

/// What kind of cause it is. An open set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CauseKind {
    /// The authentication scheme, or the state of a key.
    Authentication,
    /// The grants of a key, or a scope or resource that the operation requires.
    Grant,
    /// The state of a plan.
    Plan,
    /// A feature that the operation requires.
    Feature,
    /// A rate, concurrency limit or quota of a plan.
    Limit,
    /// The credits that the operation costs.
    Credits,
    /// A keyword of the OpenAPI document.
    Schema,
    /// A rule of the configuration.
    Rule,
    /// What the document declares of the upstream: a response, or an error in `x-demur-errors`.
    Declaration,
    /// What any upstream may do.
    Upstream,
    /// A limit or check of the gateway itself.
    Gateway,
    /// A store that is not available.
    Store,
    /// The `Idempotency-Key` of a request.
    Idempotency,
}

impl Cause {
    pub(crate) fn new(kind: CauseKind, text: impl Into<String>) -> Self {
        let (keyword, location) = (None, None);
        Self { kind, text: text.into(), name: None, keyword, pointer: None, location, parameter: None }
    }

    pub(crate) fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    pub(crate) fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into()).filter(|pointer: &String| !pointer.is_empty());
        self
    }
}

/// A condition that cannot occur at an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Absent {
    /// The condition.
    pub condition: String,
    /// Why it cannot occur.
    pub reason: String,
}

impl Matrix {
    /// Writes the JSON form, with one member on a line.
    pub fn to_json(&self, out: impl std::io::Write) -> std::io::Result<()> {
        serde_json::to_writer_pretty(out, self).map_err(std::io::Error::from)
    }

    /// The API with this name.
    pub fn api(&self, name: &str) -> Option<&ApiMatrix> {
        self.apis.iter().find(|api| api.name == name)
    }
}
