//! The log: structured, on standard error. `DEMUR_LOG` chooses what it shows.

use std::io::{self, IsTerminal};

use demur_gateway::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::output::Output;

/// Starts it: lines for people on a terminal, JSON elsewhere or where JSON is asked for. The access log has the
/// same form unless its settings say otherwise.
pub(crate) fn start(output: &Output, access_log: &mut LogSettings) {
    let is_json = output.is_json() || !io::stderr().is_terminal();
    access_log.format.get_or_insert(if is_json { LogFormat::Json } else { LogFormat::Text });
    let filter = EnvFilter::builder()
        .with_env_var("DEMUR_LOG")
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(output.has_color());
    // A second start in one process would be refused, and the first one goes on.
    let _ = if is_json {
        lines.json().flatten_event(true).with_target(false).try_init()
    } else {
        lines.compact().with_target(false).try_init()
    };
}
