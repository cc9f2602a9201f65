//! The access log: one line for each request, written by a thread of its own.

mod body;
mod entry;
mod journal;
mod line;
mod path;
mod settings;
mod writer;

pub(crate) use body::{LoggedBody, LoggedTarget, RequestSummary, WorkerLog};
pub(crate) use entry::ResponseEnd;
pub use journal::JournalFilter;
pub(crate) use journal::LogFilters;
pub use settings::{LogFilter, LogFormat, LogSettings, LogTarget};
pub(crate) use writer::{AccessLog, LogReopener};
