//! Entries of the journal, made of those of the log by the log's thread.

use std::num::NonZeroU32;

use demur_contract::Value;
use demur_engine::{Check, CheckOutcome, RequestRecord, Stage, TraceContext};
use demur_journal::{Entry, EntryCheck, EntryViolation, EntryWouldReject};
use serde_json::Value as Json;

use super::entry::{LogEntry, ResponseEnd};
use super::line;
use super::settings::LogFilter;

/// Which requests are kept in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JournalFilter {
    /// None: there is no journal.
    #[default]
    None,
    /// Those that were rejected or failed, would have been rejected, or have something to be said of them.
    Rejected,
    /// Those, and of the others one in so many.
    OneIn(NonZeroU32),
}

/// Which requests have a line in the log, and which an entry in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogFilters {
    pub(crate) log: LogFilter,
    pub(crate) journal: JournalFilter,
}

impl LogFilters {
    /// Whether anything is kept of requests.
    pub(crate) fn take_any(self) -> bool {
        self.log != LogFilter::None || self.journal != JournalFilter::None
    }
}

impl JournalFilter {
    /// Whether a request that ended like this is kept. `random` is any number, another one for each request.
    pub(super) fn takes(self, record: &RequestRecord, end: &ResponseEnd, random: u32) -> bool {
        let is_notable = || record.is_notable() || *end != ResponseEnd::Complete;
        match self {
            Self::None => false,
            Self::Rejected => is_notable(),
            Self::OneIn(count) => random % count == 0 || is_notable(),
        }
    }
}

/// The entry of a request.
pub(super) fn entry(entry: &LogEntry) -> Entry {
    let record = &entry.record;
    let rejection = record.rejection();
    let outcome = line::outcome(entry);
    let text = |text: &str| text.to_owned();
    let mut made = Entry::default();
    made.timestamp = entry.at;
    made.message = text(outcome.message);
    made.request_id = record.request_id();
    made.client = entry.client;
    made.method.clone_from(&entry.method);
    made.path.clone_from(&entry.path);
    made.status = entry.status;
    made.bytes = entry.body_bytes;
    made.received_bytes = entry.received_bytes;
    made.duration_ms = millis(entry.duration);
    made.upgraded = record.upgraded().map(text);
    made.trace_id = record.trace().map(TraceContext::trace_id_text);
    made.api = record.api().map(text);
    made.operation = record.operation().map(text);
    made.account = record.account().map(text);
    made.key = record.key().map(text);
    made.condition = outcome.condition.map(text);
    made.cause = outcome.cause.map(text);
    if let Some(rejection) = rejection {
        made.error = Some(text(rejection.error()));
        made.code = Some(text(rejection.code()));
        made.origin = Some(text(rejection.origin.as_str()));
        made.contract = Some(text(rejection.contract().name()));
        made.retry_after = rejection.retry_after;
        made.values = rejection.values.iter().map(|(name, value)| (text(name), json(value))).collect();
        let violations = rejection.violations.iter();
        made.violations = violations
            .map(|it| EntryViolation::new(it.rule.name(), it.location, &it.param, &it.pointer))
            .collect();
    }
    made.checks = checks(record);
    let timings = Stage::ALL.into_iter().filter_map(|stage| Some((stage, record.timing(stage)?)));
    made.timings_ms = timings.map(|(stage, time)| (text(stage.name()), millis(time))).collect();
    made.would_reject = record
        .would_reject()
        .iter()
        .map(|it| EntryWouldReject::new(it.condition.map(|it| it.name()), &it.error, it.status, &it.cause))
        .collect();
    made.notes = record.notes().to_vec();
    made.stream_error = record.stream_error().map(text);
    made
}

fn millis(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn checks(record: &RequestRecord) -> Vec<EntryCheck> {
    let ran = Check::ALL.into_iter().filter_map(|check| {
        let outcome = match record.check(check) {
            CheckOutcome::NotRun => return None,
            CheckOutcome::Passed => "passed",
            CheckOutcome::WouldReject => "would_reject",
            CheckOutcome::Rejected => "rejected",
        };
        Some(EntryCheck::new(check.name(), outcome))
    });
    ran.collect()
}

fn json(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Int(number) => (*number).into(),
        Value::List(texts) => texts.as_slice().into(),
    }
}
