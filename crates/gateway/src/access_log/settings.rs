//! What the configuration says of the access log.

use std::path::PathBuf;

use demur_engine::settings::ConfigReader;
use demur_source::{Fields, Node, did_you_mean};

/// The access log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSettings {
    /// Which requests have a line.
    pub requests: LogFilter,
    /// Where lines go.
    pub target: LogTarget,
    /// What they look like; where there is nothing, like the program's own messages.
    pub format: Option<LogFormat>,
}

/// Which requests have a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFilter {
    /// Every one.
    All,
    /// Those that were refused or failed, would have been refused, or have something to be said of them.
    #[default]
    Refused,
    /// None.
    None,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LogTarget {
    /// Standard error, beside the program's own messages.
    #[default]
    Stderr,
    /// Standard output.
    Stdout,
    /// The end of a file.
    File(PathBuf),
}

/// What lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object each.
    #[default]
    Json,
    /// For people: the moment, the level, what happened, and names with values.
    Text,
}

/// Reads `access_log:`.
pub(crate) fn read_log(node: &Node, reading: &mut ConfigReader<'_>) -> LogSettings {
    let mut settings = LogSettings::default();
    if let Some(requests) = node.as_str() {
        settings.requests = chosen(requests, node, LOGGED, reading).unwrap_or_default();
        return settings;
    }
    let Some(mut fields) = Fields::of(node, reading.source, "`access_log`", reading.found) else {
        return settings;
    };
    if let Some(node) = fields.node("requests") {
        let text = node.scalar_text().unwrap_or_default();
        settings.requests = chosen(&text, node, LOGGED, reading).unwrap_or_default();
    }
    if let Some(node) = fields.node("format") {
        let text = node.scalar_text().unwrap_or_default();
        settings.format = chosen(&text, node, FORMATS, reading);
    }
    if let Some(text) = fields.text("to", reading.found) {
        settings.target = match text.as_str() {
            "stderr" => LogTarget::Stderr,
            "stdout" => LogTarget::Stdout,
            path => LogTarget::File(reading.folder.join(path)),
        };
    }
    fields.finish(reading.found);
    settings
}

const LOGGED: &[(&str, LogFilter)] =
    &[("all", LogFilter::All), ("refused", LogFilter::Refused), ("none", LogFilter::None)];
const FORMATS: &[(&str, LogFormat)] = &[("json", LogFormat::Json), ("text", LogFormat::Text)];

fn chosen<T: Copy>(
    text: &str,
    node: &Node,
    choices: &[(&str, T)],
    reading: &mut ConfigReader<'_>,
) -> Option<T> {
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
        return Some(*choice);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let help = match did_you_mean(text, names.iter().copied()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("write one of: {}", names.join(", ")),
    };
    reading.error(node.span, "access-log", format!("`{text}` is none of the choices here"), help);
    None
}
