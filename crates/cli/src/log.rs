//! The structured log on standard error. `DEMUR_LOG` sets the filter.

use std::io::{self, IsTerminal, Write};

use demur_gateway::{LogFilter, LogFormat, LogSettings, LogTarget};
use demur_source::{Diagnostics, visible};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::output::Output;

/// Whether the log is JSON: not on a terminal, and with `--format json`. Where the access log goes to standard error too and
/// its settings name a format, that one: one stream has one form.
pub(crate) fn is_json(output: &Output, access_log: &LogSettings) -> bool {
    match (&access_log.target, access_log.requests, access_log.format) {
        (LogTarget::Stderr, LogFilter::All | LogFilter::Refused, Some(format)) => format == LogFormat::Json,
        _ => output.is_json() || !io::stderr().is_terminal(),
    }
}

/// Logs the warnings about a configuration that is served.
pub(crate) fn warnings(found: &Diagnostics) {
    for diagnostic in found.iter() {
        let (line, column) = diagnostic.line_column();
        let file = &diagnostic.location.source.name;
        let (code, warning) = (diagnostic.check, &diagnostic.message);
        let help = diagnostic.help.as_deref().unwrap_or_default();
        tracing::warn!(%file, line, column, code, %warning, %help, "configuration warning");
    }
}

/// Starts the log. The access log has the same format unless its settings name one.
pub(crate) fn start(output: &Output, access_log: &mut LogSettings) {
    let is_json = is_json(output, access_log);
    access_log.format.get_or_insert(if is_json { LogFormat::Json } else { LogFormat::Text });
    let filter = EnvFilter::builder()
        .with_env_var("DEMUR_LOG")
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(VisibleStderr::default)
        .with_ansi(output.has_color());
    // A second start in the same process fails, and the first log stays.
    let _ = if is_json {
        lines.json().flatten_event(true).with_target(false).try_init()
    } else {
        lines.compact().with_target(false).try_init()
    };
}

/// Standard error without characters that control a terminal or break a line. Buffers an event and writes it as one
/// line.
#[derive(Default)]
struct VisibleStderr {
    event: Vec<u8>,
}

impl Write for VisibleStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.event.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.event.is_empty() {
            return Ok(());
        }
        let event = std::mem::take(&mut self.event);
        io::stderr().lock().write_all(shown(&String::from_utf8_lossy(&event)).as_bytes())
    }
}

impl Drop for VisibleStderr {
    fn drop(&mut self) {
        // There is nowhere to report a failure.
        let _ = self.flush();
    }
}

/// The subscriber escapes ESC in field values; any ESC left belongs to its own colors.
fn shown(event: &str) -> String {
    let line = event.strip_suffix('\n').unwrap_or(event);
    format!("{}\n", visible(line, &['\u{1b}', '\t']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_one_line_without_control_characters() {
        for (event, line) in [
            ("INFO started listen=127.0.0.1\n", "INFO started listen=127.0.0.1\n"),
            ("a\nFAKE line\r\n", "a\\u000aFAKE line\\u000d\n"),
            ("a\u{202e}b\u{2028}c\u{85}\u{200b}\n", "a\\u202eb\\u2028c\\u0085\\u200b\n"),
            ("\u{1b}[32mINFO\u{1b}[0m x\n", "\u{1b}[32mINFO\u{1b}[0m x\n"),
        ] {
            assert_eq!(shown(event), line);
        }
    }
}
