//! The command line's end of the local socket.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use demur_admission::{Command, Plans, Reply};
use jiff::Timestamp;

use crate::owner::canonical;
use crate::socket::{SocketFile, peer};
use crate::{OpenError, Store};

/// The user who may be anyone's owner.
const ROOT: u32 = 0;

/// How often a command is sent that may be repeated.
const MAX_ATTEMPTS: u32 = 8;

/// Talks to the process that owns a database.
#[derive(Debug)]
pub struct ControlClient {
    stream: BufReader<UnixStream>,
}

/// Why a command did not reach the store, or its reply did not come back.
#[derive(Debug)]
pub enum ControlError {
    /// No process owns the database.
    NotRunning,
    /// The socket belongs to another user than the database, who might pretend to be its owner.
    Foreign,
    /// The connection broke. Whether the command was carried out is not known.
    Broken(io::Error),
    /// The reply cannot be read: the owner is another version, most likely.
    Unreadable(serde_json::Error),
    /// No process owns the database, and it cannot be opened.
    Open(OpenError),
}

impl ControlClient {
    /// Connects to the owner of this database.
    pub fn connect(database: &Path) -> Result<Self, ControlError> {
        let not_there = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ControlError::NotRunning,
            _ => ControlError::Broken(error),
        };
        let database = canonical(database).map_err(not_there)?;
        let socket = SocketFile::of(&database);
        let owner = fs::metadata(&database).map_err(not_there)?.uid();
        let is_owner = |user| user == ROOT || user == owner;
        if !is_owner(socket.owner().map_err(not_there)?) {
            return Err(ControlError::Foreign);
        }
        let stream = socket.connect().map_err(not_there)?;
        // The file may have been replaced since: who listens is what counts.
        match peer(&stream).map_err(ControlError::Broken)? {
            Some(listener) if !is_owner(listener) => Err(ControlError::Foreign),
            _ => Ok(Self { stream: BufReader::new(stream) }),
        }
    }

    /// Has a command carried out.
    pub fn execute(&mut self, command: &Command) -> Result<Reply, ControlError> {
        let mut text = serde_json::to_vec(command).map_err(ControlError::Unreadable)?;
        text.push(b'\n');
        self.stream.get_mut().write_all(&text).map_err(ControlError::Broken)?;
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).map_err(ControlError::Broken)?;
        if length == 0 {
            return Err(ControlError::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_str(&line).map_err(ControlError::Unreadable)
    }
}

/// Has a command carried out by whoever owns the database, or directly where nobody does.
pub fn execute_or_open(
    database: &Path,
    plans: &Arc<Plans>,
    command: &Command,
) -> Result<Reply, ControlError> {
    match ControlClient::connect(database) {
        Ok(client) => return execute_by(client, database, command),
        Err(ControlError::NotRunning) => {}
        Err(error) => return Err(error),
    }
    match Store::open(database, Arc::clone(plans)) {
        Ok(store) => {
            let reply = store.execute(command.clone(), Timestamp::now());
            store.close();
            Ok(reply)
        }
        // Someone was faster, and is the owner now.
        Err(OpenError::Locked { .. }) => execute_by(ControlClient::connect(database)?, database, command),
        Err(error) => Err(ControlError::Open(error)),
    }
}

/// Has a command carried out by the owner. One that may be repeated is sent again where the connection broke: the owner
/// closes connections that say nothing yet when there are too many, and this may have been one of them.
fn execute_by(mut client: ControlClient, database: &Path, command: &Command) -> Result<Reply, ControlError> {
    let mut attempts = 1;
    loop {
        match client.execute(command) {
            Err(ControlError::Broken(_)) if attempts < MAX_ATTEMPTS && is_repeatable(command) => {
                attempts += 1;
                client = ControlClient::connect(database)?;
            }
            done => return done,
        }
    }
}

/// Whether carrying a command out twice does what carrying it out once does.
fn is_repeatable(command: &Command) -> bool {
    match command {
        Command::ListKeys { .. }
        | Command::ShowKey { .. }
        | Command::SetKeyDisabled { .. }
        | Command::ExpireKey { .. }
        | Command::RevokeKey { .. }
        | Command::ListAccounts { .. }
        | Command::ShowAccount { .. }
        | Command::SetPlan { .. }
        | Command::Statement { .. } => true,
        Command::TopUp { operation, .. } | Command::Withdraw { operation, .. } => operation.is_some(),
        Command::CreateKey { .. }
        | Command::ImportKeys { .. }
        | Command::RotateKey { .. }
        | Command::NewPepper
        | Command::CreateAccount { .. }
        | Command::Refund { .. }
        | Command::Verify
        | Command::Backup { .. }
        | Command::Prune { .. } => false,
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlError::NotRunning => f.write_str("no process owns the database"),
            ControlError::Foreign => f.write_str("the socket belongs to another user than the database"),
            ControlError::Broken(cause) => write!(f, "the connection to the database's owner broke: {cause}"),
            ControlError::Unreadable(cause) => write!(f, "the owner's reply cannot be read: {cause}"),
            ControlError::Open(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for ControlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ControlError::NotRunning | ControlError::Foreign => None,
            ControlError::Broken(cause) => Some(cause),
            ControlError::Unreadable(cause) => Some(cause),
            ControlError::Open(cause) => Some(cause),
        }
    }
}
