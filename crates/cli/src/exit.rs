//! Exit codes, and the failures of commands.

use std::fmt;
use std::process::ExitCode;

use demur_source::Diagnostics;

/// The result of a command, as an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success.
    Ok,
    /// The command ran and found problems.
    ProblemsFound,
    /// Invalid arguments, or arguments that name something unknown.
    Usage,
    /// Invalid configuration.
    Configuration,
    /// A file, an address or the store is unavailable.
    Unavailable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Ok => 0,
            Exit::ProblemsFound => 1,
            Exit::Usage => 2,
            Exit::Configuration => 3,
            Exit::Unavailable => 4,
        })
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum CommandFailure {
    /// Invalid arguments, or arguments that name something unknown.
    Usage { message: String, help: Option<String> },
    /// All errors in the files.
    Configuration(Diagnostics),
    /// A file, an address or the store is missing, in use or broken.
    Unavailable { message: String, help: Option<String> },
    /// The store rejected the command.
    Rejected { message: String },
}

impl CommandFailure {
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        CommandFailure::Usage { message: message.into(), help: help.into() }
    }

    pub(crate) fn unavailable(message: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        CommandFailure::Unavailable { message: message.into(), help: help.into() }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            CommandFailure::Usage { .. } => Exit::Usage,
            CommandFailure::Configuration(_) => Exit::Configuration,
            CommandFailure::Unavailable { .. } => Exit::Unavailable,
            CommandFailure::Rejected { .. } => Exit::ProblemsFound,
        }
    }
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandFailure::Usage { message, .. }
            | CommandFailure::Unavailable { message, .. }
            | CommandFailure::Rejected { message } => f.write_str(message),
            CommandFailure::Configuration(found) => found.fmt(f),
        }
    }
}
