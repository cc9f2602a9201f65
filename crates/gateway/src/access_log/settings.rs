//! Which requests are logged, where and how.

use std::path::PathBuf;

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
