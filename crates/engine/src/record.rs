//! What is recorded of one request, for logs and journals. Never shown to clients.
//! Long because the record, its rejection and its violations are one value that logs read together.
//!
//! A record is plain data. It keeps neither the engine nor a store alive, and has fixed slots for check outcomes and
//! stage timings, so that filling it costs a request that passes no allocation.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use demur_admission::Principal;
use demur_contract::{Condition, Contract, ErrorId, ErrorOrigin, Value, Violation};

use crate::request::id::RequestId;
use crate::request::trace_context::TraceContext;

/// One request: how it was understood, what was checked, and why it was rejected.
pub struct RequestRecord {
    id: RequestId,
    labels: Option<Arc<RecordLabels>>,
    /// The operation's index in the API's document.
    pub(crate) operation: Option<usize>,
    pub(crate) principal: Option<Arc<Principal>>,
    pub(crate) trace: Option<TraceContext>,
    /// The connection speaks WebSocket since this request.
    pub(crate) is_upgraded: bool,
    /// Boxed: most requests have none, and the record is moved several times.
    details: Option<Box<RecordDetails>>,
    checks: [CheckOutcome; Check::ALL.len()],
    /// In nanoseconds; 0 if not measured.
    timings: [u64; Stage::ALL.len()],
}

/// What is recorded of few requests.
#[derive(Debug, Default)]
struct RecordDetails {
    rejection: Option<RejectionRecord>,
    would_reject: Vec<WouldReject>,
    notes: Vec<String>,
    /// The caller of a key that is no longer valid.
    denied: Option<Arc<Principal>>,
    /// Data of the first error event in the response's event stream, without keys. Empty until one has come.
    stream_error: Option<Arc<OnceLock<String>>>,
    client_gone: bool,
}

/// A check that a request can fail, in the order in which the checks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Check {
    /// Host, path, method, framing and load: all that needs no key.
    Request,
    /// The API key.
    Authentication,
    /// The plan and the key's grants.
    Authorization,
    /// Rates and concurrency.
    Rate,
    /// The quota.
    Quota,
    /// Parameters and body against the API's document.
    Validation,
    /// The API's own rules.
    Rules,
    /// Credits and idempotency.
    Credits,
    /// The upstream's response.
    Upstream,
}

/// The outcome of a [`Check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CheckOutcome {
    /// It did not run: an earlier check rejected the request, or it does not apply.
    #[default]
    NotRun,
    /// The request passed.
    Passed,
    /// The request would have been rejected, had it been enforced.
    WouldReject,
    /// The request was rejected.
    Rejected,
}

/// A part of a request's path whose duration may be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The lookup of the key.
    Authentication,
    /// Rate and quota.
    Limits,
    /// Reading the request's body.
    Body,
    /// Validation and rules.
    Validation,
    /// Reserving credits.
    Credits,
    /// From sending the request to the upstream to the head of its response.
    Upstream,
    /// Reading and checking the response's body before it is passed on.
    Response,
}

impl Check {
    /// All checks, in their order.
    pub const ALL: [Check; 9] = [
        Check::Request,
        Check::Authentication,
        Check::Authorization,
        Check::Rate,
        Check::Quota,
        Check::Validation,
        Check::Rules,
        Check::Credits,
        Check::Upstream,
    ];
}

impl Check {
    /// The name in journals.
    pub fn name(self) -> &'static str {
        match self {
            Check::Request => "request",
            Check::Authentication => "authentication",
            Check::Authorization => "authorization",
            Check::Rate => "rate",
            Check::Quota => "quota",
            Check::Validation => "validation",
            Check::Rules => "rules",
            Check::Credits => "credits",
            Check::Upstream => "upstream",
        }
    }
}

impl Stage {
    /// The name in journals.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Authentication => "authentication",
            Stage::Limits => "limits",
            Stage::Body => "body",
            Stage::Validation => "validation",
            Stage::Credits => "credits",
            Stage::Upstream => "upstream",
            Stage::Response => "response",
        }
    }

    /// All stages, in their order.
    pub const ALL: [Stage; 7] = [
        Stage::Authentication,
        Stage::Limits,
        Stage::Body,
        Stage::Validation,
        Stage::Credits,
        Stage::Upstream,
        Stage::Response,
    ];
}

/// Names that records refer to by index. Made once for each contract of an API.
#[derive(Debug)]
pub(crate) struct RecordLabels {
    pub(crate) id_prefix: String,
    pub(crate) api: Option<Arc<ApiLabels>>,
}

/// The name of an API, and the IDs of its operations in the document's order.
#[derive(Debug)]
pub(crate) struct ApiLabels {
    pub(crate) name: String,
    pub(crate) operations: Vec<String>,
    /// The number of parts of each operation's declaration that cannot be used.
    pub(crate) unsupported: Vec<usize>,
}

impl RequestRecord {
    pub(crate) fn new(id: RequestId) -> Self {
        Self {
            id,
            labels: None,
            operation: None,
            principal: None,
            trace: None,
            is_upgraded: false,
            details: None,
            checks: Default::default(),
            timings: Default::default(),
        }
    }

    pub(crate) fn id(&self) -> RequestId {
        self.id
    }

    pub(crate) fn set_labels(&mut self, labels: &Arc<RecordLabels>) {
        self.labels = Some(Arc::clone(labels));
    }

    /// Records the outcome of a check that runs in several parts: the worst one is kept.
    pub(crate) fn set_outcome(&mut self, check: Check, outcome: CheckOutcome) {
        let slot = &mut self.checks[check as usize];
        if outcome as u8 > *slot as u8 {
            *slot = outcome;
        }
    }

    pub(crate) fn set_timing(&mut self, stage: Stage, duration: Duration) {
        self.timings[stage as usize] = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1);
    }

    fn details_mut(&mut self) -> &mut RecordDetails {
        self.details.get_or_insert_default()
    }

    pub(crate) fn set_rejection(&mut self, rejection: RejectionRecord) {
        self.details_mut().rejection = Some(rejection);
    }

    pub(crate) fn set_denied(&mut self, caller: Arc<Principal>) {
        self.details_mut().denied = Some(caller);
    }

    /// The caller, also if the key is no longer valid.
    fn caller(&self) -> Option<&Arc<Principal>> {
        self.principal.as_ref().or_else(|| self.details.as_ref()?.denied.as_ref())
    }

    pub(crate) fn add_would_reject(&mut self, would_reject: WouldReject) {
        self.details_mut().would_reject.push(would_reject);
    }

    pub(crate) fn add_note(&mut self, note: impl Into<String>) {
        self.details_mut().notes.push(note.into());
    }

    pub(crate) fn set_client_gone(&mut self) {
        self.details_mut().client_gone = true;
    }

    pub(crate) fn set_stream_error(&mut self, error: Arc<OnceLock<String>>) {
        self.details_mut().stream_error = Some(error);
    }

    /// The texts that may quote the client or the upstream.
    pub(crate) fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.details.iter_mut().flat_map(|details| {
            let rejection = details.rejection.iter_mut().flat_map(|rejection| {
                let violations = rejection.violations.iter_mut();
                let names = violations.flat_map(|violation| [&mut violation.param, &mut violation.pointer]);
                std::iter::once(&mut rejection.cause).chain(names)
            });
            let would_reject = details.would_reject.iter_mut().map(|would_reject| &mut would_reject.cause);
            rejection.chain(would_reject).chain(&mut details.notes)
        })
    }

    /// The trace that the request belongs to: that of the client's valid `traceparent`, or the one that was created.
    pub fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_ref()
    }

    /// The protocol that the connection speaks since this request: `websocket`, if it was upgraded.
    pub fn upgraded(&self) -> Option<&'static str> {
        self.is_upgraded.then_some("websocket")
    }

    /// The request ID, as the client was given it.
    pub fn request_id(&self) -> String {
        self.id.with_prefix(self.labels.as_ref().map_or("", |labels| &labels.id_prefix))
    }

    /// Why it was rejected.
    pub fn rejection(&self) -> Option<&RejectionRecord> {
        self.details.as_ref()?.rejection.as_ref()
    }

    /// Rejections that were not enforced, in their order.
    pub fn would_reject(&self) -> &[WouldReject] {
        self.details.as_ref().map_or(&[], |details| &details.would_reject)
    }

    /// Further notes for operators.
    pub fn notes(&self) -> &[String] {
        self.details.as_ref().map_or(&[], |details| &details.notes)
    }

    /// The text of the first error event in the response's event stream, which clients do not see.
    pub fn stream_error(&self) -> Option<&str> {
        self.details.as_ref()?.stream_error.as_ref()?.get().map(String::as_str)
    }

    /// Whether the client has closed its connection before there was a response.
    pub fn client_gone(&self) -> bool {
        self.details.as_ref().is_some_and(|details| details.client_gone)
    }

    /// The outcome of a check.
    pub fn check(&self, check: Check) -> CheckOutcome {
        self.checks[check as usize]
    }

    /// How long a stage took, where it was measured.
    pub fn timing(&self, stage: Stage) -> Option<Duration> {
        let nanos = self.timings[stage as usize];
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    /// Whether there is more to report than that the request passed.
    pub fn is_notable(&self) -> bool {
        self.rejection().is_some()
            || !self.would_reject().is_empty()
            || !self.notes().is_empty()
            || self.stream_error().is_some()
    }

    fn api_labels(&self) -> Option<&ApiLabels> {
        self.labels.as_ref()?.api.as_deref()
    }

    /// The name of the API, if it was known.
    pub fn api(&self) -> Option<&str> {
        self.api_labels().map(|api| api.name.as_str())
    }

    /// The ID of the operation, if it was known.
    pub fn operation(&self) -> Option<&str> {
        self.api_labels()?.operations.get(self.operation?).map(String::as_str)
    }

    /// The number of parts of the operation's declaration that the request was not checked against, because they cannot
    /// be used.
    pub fn unsupported(&self) -> usize {
        let count = || self.api_labels()?.unsupported.get(self.operation?).copied();
        count().unwrap_or_default()
    }

    /// The ID of the account, if it was known.
    pub fn account(&self) -> Option<&str> {
        self.caller().map(|principal| principal.account().id.as_str())
    }

    /// The ID of the API key, if it was known.
    pub fn key(&self) -> Option<&str> {
        self.caller().map(|principal| principal.key().id.as_str())
    }
}

impl fmt::Debug for RequestRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestRecord")
            .field("request_id", &self.request_id())
            .field("api", &self.api())
            .field("operation", &self.operation())
            .field("principal", &self.principal)
            .field("rejection", &self.rejection())
            .field("would_reject", &self.would_reject())
            .field("notes", &self.notes())
            .field("checks", &self.checks)
            .field("timings", &self.timings)
            .finish()
    }
}

/// A rejection that was not enforced: of a limit in shadow mode, or of an API in monitor mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WouldReject {
    /// The condition, if it is one of the gateway's own.
    pub condition: Option<Condition>,
    /// The error's name in the contract.
    pub error: String,
    /// Its status.
    pub status: u16,
    /// The internal reason.
    pub cause: String,
}

/// Why a request was rejected.
#[derive(Debug, Clone)]
pub struct RejectionRecord {
    /// The condition, if it is one of the gateway's own. Of several violations it is that of the one that named the error.
    pub condition: Option<Condition>,
    /// The name under which an error of the API was raised.
    pub(crate) raised_as: Option<String>,
    /// The status.
    pub status: u16,
    /// Whose error it is.
    pub origin: ErrorOrigin,
    /// The internal reason. Never shown to a client.
    pub cause: String,
    /// What is wrong with the request, the first few.
    pub violations: Vec<ViolationRecord>,
    /// The values that decided, such as `limit` and `remaining`: those of the gateway's own parameters that nobody sent.
    pub values: Vec<(&'static str, Value)>,
    /// The delay that the response advises, in seconds.
    pub retry_after: Option<u64>,
    pub(crate) contract: Arc<Contract>,
    pub(crate) error: ErrorId,
}

/// One violation of a rejected request, without the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViolationRecord {
    /// The rule that is broken: one of `param.*`.
    pub rule: Condition,
    /// The parameter, or the outermost member of the body; empty for the body as a whole.
    pub param: String,
    /// The part of the request: `query`, `body`, …
    pub location: &'static str,
    /// The JSON Pointer within the parameter or the body.
    pub pointer: String,
}

impl ViolationRecord {
    /// The most that a record keeps.
    const MAX: usize = 20;
    /// The longest name that is kept, in characters: a client can send any name.
    const MAX_CHARS: usize = 200;

    pub(crate) fn all(violations: &[Violation]) -> Vec<Self> {
        let short = |text: &str| text.chars().take(Self::MAX_CHARS).collect::<String>();
        let record = |violation: &Violation| Self {
            rule: violation.condition,
            param: short(&violation.param),
            location: violation.location.as_str(),
            pointer: short(&violation.pointer),
        };
        violations.iter().take(Self::MAX).map(record).collect()
    }
}

impl RejectionRecord {
    /// The parameters of errors that are recorded. None of them contains what a client sent.
    const VALUES: [&str; 13] = [
        "limit",
        "remaining",
        "window",
        "resets_at",
        "violated_policies",
        "needed",
        "available",
        "plan",
        "feature",
        "scope",
        "operation",
        "status",
        "max_bytes",
    ];

    /// The values among the parameters of an error.
    pub(crate) fn values_of(params: &[(Cow<'static, str>, Value)]) -> Vec<(&'static str, Value)> {
        let recorded = params.iter().filter_map(|(name, value)| {
            let name = Self::VALUES.into_iter().find(|known| known == name)?;
            Some((name, value.clone()))
        });
        recorded.collect()
    }

    /// The name of the condition: one of the gateway's own, or that of the API under which the error was raised.
    pub fn condition_name(&self) -> &str {
        match (self.condition, &self.raised_as) {
            (Some(condition), _) => condition.name(),
            (None, Some(name)) => name,
            (None, None) => self.error(),
        }
    }

    /// The contract that the response was rendered in.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The error's name in the contract.
    pub fn error(&self) -> &str {
        &self.contract.entry(self.error).name
    }

    /// The error's code in responses, or its name if it has none.
    pub fn code(&self) -> &str {
        let entry = self.contract.entry(self.error);
        entry.code.as_deref().unwrap_or(&entry.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use demur_admission::Now;

    #[test]
    fn slots_are_indexed_by_declaration_order() {
        assert!(Check::ALL.iter().enumerate().all(|(index, check)| *check as usize == index));
        assert!(Stage::ALL.iter().enumerate().all(|(index, stage)| *stage as usize == index));
    }

    #[test]
    fn keeps_the_worst_outcome_of_a_check() {
        use CheckOutcome::{NotRun, Passed, Rejected, WouldReject};
        let now = Now { wall: jiff::Timestamp::UNIX_EPOCH, monotonic: Duration::ZERO };
        for (outcomes, expected) in [
            (&[][..], NotRun),
            (&[Passed], Passed),
            (&[Passed, WouldReject, Passed], WouldReject),
            (&[WouldReject, Rejected], Rejected),
        ] {
            let mut record = RequestRecord::new(RequestId::fresh(now));
            for outcome in outcomes {
                record.set_outcome(Check::Rules, *outcome);
            }
            assert_eq!(record.check(Check::Rules), expected);
        }
    }
}
