//! How a command ends, and the exit code that tells it.

use std::fmt;
use std::process::ExitCode;

use demur_source::Diagnostics;

/// An exit code with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Ok,
    /// The command ran, and what it looked at is not as it should be.
    ProblemsFound,
    /// The command was not understood, or asks for what does not exist.
    Usage,
    /// The configuration cannot be loaded.
    Configuration,
    /// Something cannot be opened, bound or reached.
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

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum CommandFailure {
    /// What was asked for does not exist or makes no sense.
    Usage { message: String, help: Option<String> },
    /// Mistakes in files, all of them.
    Configuration(Diagnostics),
    /// Something outside is missing, taken or broken.
    Unavailable { message: String, help: Option<String> },
    /// The command was refused for a reason of its own.
    Refused { message: String },
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
            CommandFailure::Refused { .. } => Exit::ProblemsFound,
        }
    }
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandFailure::Usage { message, .. }
            | CommandFailure::Unavailable { message, .. }
            | CommandFailure::Refused { message } => f.write_str(message),
            CommandFailure::Configuration(found) => found.fmt(f),
        }
    }
}
