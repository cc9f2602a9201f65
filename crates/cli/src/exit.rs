//! Exit codes, and the failures of commands.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
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
    Rejected { message: String, help: Option<String> },
}

impl CommandFailure {
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        CommandFailure::Usage { message: message.into(), help: help.into() }
    }

    pub(crate) fn unavailable(message: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        CommandFailure::Unavailable { message: message.into(), help: help.into() }
    }

    pub(crate) fn rejected(message: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        CommandFailure::Rejected { message: message.into(), help: help.into() }
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
            | CommandFailure::Rejected { message, .. } => f.write_str(message),
            CommandFailure::Configuration(found) => found.fmt(f),
        }
    }
}

/// The message for a file that cannot be read.
pub(crate) fn cannot_read(file: &Path, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => format!("cannot read `{}`: no such file", file.display()),
        ErrorKind::IsADirectory => format!("cannot read `{}`: it is a folder", file.display()),
        _ => format!("cannot read `{}`: {error}", file.display()),
    }
}

/// The message for a file that cannot be written.
pub(crate) fn cannot_write(file: &Path, error: &io::Error) -> String {
    match missing_folder(file).filter(|_| error.kind() == ErrorKind::NotFound) {
        Some(folder) => {
            format!("cannot write `{}`: folder `{}` does not exist", file.display(), folder.display())
        }
        None => format!("cannot write `{}`: {error}", file.display()),
    }
}

/// The folder of a file, if it does not exist.
pub(crate) fn missing_folder(file: &Path) -> Option<&Path> {
    file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
}
