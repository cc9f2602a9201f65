//! The command line's end of the control socket.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use demur_admission::{Command, Reply};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::socket::{SocketFile, peer_uid};
use crate::OpenError;
use crate::paths::canonical;

/// The user ID of root, who may act as the owner of any database.
const ROOT: u32 = 0;

/// A connection to the process that owns a database.
#[derive(Debug)]
pub struct ControlClient {
    stream: BufReader<UnixStream>,
}

/// Why a command did not reach the store, or its reply did not come back.
#[derive(Debug)]
pub enum ControlError {
    /// No process owns the database.
    NotRunning,
    /// The control socket belongs to a user other than the database's owner, who might impersonate the owner.
    OtherOwner,
    /// The connection broke. It is not known whether the command was executed.
    Broken(io::Error),
    /// The reply cannot be parsed, most likely because the owner runs another version.
    Unreadable(serde_json::Error),
    /// No process owns the database, and it cannot be opened.
    Open(OpenError),
}

impl ControlClient {
    /// Connects to the process that owns this database.
    pub fn connect(database: &Path) -> Result<Self, ControlError> {
        let connect_error = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ControlError::NotRunning,
            _ => ControlError::Broken(error),
        };
        let database = canonical(database).map_err(connect_error)?;
        let socket = SocketFile::of(&database);
        let owner = fs::metadata(&database).map_err(connect_error)?.uid();
        let is_owner = |uid| uid == ROOT || uid == owner;
        if !is_owner(socket.owner().map_err(connect_error)?) {
            return Err(ControlError::OtherOwner);
        }
        let stream = socket.connect().map_err(connect_error)?;
        // The file may have been replaced since it was checked: the listening process decides.
        match peer_uid(&stream).map_err(ControlError::Broken)? {
            Some(listener) if !is_owner(listener) => Err(ControlError::OtherOwner),
            _ => Ok(Self { stream: BufReader::new(stream) }),
        }
    }

    /// Sends a command and returns its reply.
    pub fn execute(&mut self, command: &Command) -> Result<Reply, ControlError> {
        self.exchange(command)
    }

    /// Sends a request to the process that owns the database, an object with the member `process`, and returns its reply.
    /// The store does not know what it means.
    pub fn request(&mut self, request: &serde_json::Value) -> Result<serde_json::Value, ControlError> {
        self.exchange(request)
    }

    fn exchange<T: DeserializeOwned>(&mut self, request: &impl Serialize) -> Result<T, ControlError> {
        let mut text = serde_json::to_vec(request).map_err(ControlError::Unreadable)?;
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

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlError::NotRunning => {
                f.write_str("no running process owns the database; start the gateway first")
            }
            ControlError::OtherOwner => f.write_str(
                "the control socket belongs to another user than the database; make both belong to the same user",
            ),
            ControlError::Broken(cause) => {
                write!(f, "connection to the control socket broke: {cause}; check whether the command took effect")
            }
            ControlError::Unreadable(cause) => write!(
                f,
                "invalid reply on the control socket: {cause}; use the same version of `demur` as the running gateway"
            ),
            ControlError::Open(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for ControlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ControlError::NotRunning | ControlError::OtherOwner => None,
            ControlError::Broken(cause) => Some(cause),
            ControlError::Unreadable(cause) => Some(cause),
            ControlError::Open(cause) => Some(cause),
        }
    }
}
