//! How a command ends, and the exit code that tells it.

use std::fmt;
use std::process::ExitCode;

use demur_source::Diagnostics;

/// An exit code with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Fine,
    /// The command ran, and what it looked at is not as it should be.
    Findings,
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
            Exit::Fine => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Configuration => 3,
            Exit::Unavailable => 4,
        })
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for does not exist or makes no sense.
    Usage { message: String, help: Option<String> },
    /// Mistakes in files, all of them.
    Configuration(Diagnostics),
    /// Something outside is missing, taken or broken.
    Unavailable { message: String, help: Option<String> },
    /// The command was refused for a reason of its own.
    Refused { message: String },
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        Failure::Usage { message: message.into(), help: help.into() }
    }

    pub(crate) fn unavailable(message: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        Failure::Unavailable { message: message.into(), help: help.into() }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Usage { .. } => Exit::Usage,
            Failure::Configuration(_) => Exit::Configuration,
            Failure::Unavailable { .. } => Exit::Unavailable,
            Failure::Refused { .. } => Exit::Findings,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage { message, .. }
            | Failure::Unavailable { message, .. }
            | Failure::Refused { message } => f.write_str(message),
            Failure::Configuration(found) => found.fmt(f),
        }
    }
}
