//! The command line's end of the local socket.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use demur_admission::{Command, PlanBook, Reply};
use jiff::Timestamp;

use crate::owner::canonical;
use crate::server::socket_path;
use crate::{OpenError, Store};

/// The user who may be anyone's owner.
const ROOT: u32 = 0;

/// Talks to the process that owns a database.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

/// Why a command did not reach the store, or its reply did not come back.
#[derive(Debug)]
pub enum ClientError {
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

impl Client {
    /// Connects to the owner of this database.
    pub fn connect(database: &Path) -> Result<Self, ClientError> {
        let not_there = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NotRunning,
            _ => ClientError::Broken(error),
        };
        let database = canonical(database).map_err(not_there)?;
        let path = socket_path(&database);
        let owner = |path: &Path| fs::metadata(path).map(|found| found.uid()).map_err(not_there);
        let listener = owner(&path)?;
        if listener != ROOT && listener != owner(&database)? {
            return Err(ClientError::Foreign);
        }
        let stream = UnixStream::connect(&path).map_err(not_there)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Has a command carried out.
    pub fn execute(&mut self, command: &Command) -> Result<Reply, ClientError> {
        let mut text = serde_json::to_vec(command).map_err(ClientError::Unreadable)?;
        text.push(b'\n');
        self.stream.get_mut().write_all(&text).map_err(ClientError::Broken)?;
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).map_err(ClientError::Broken)?;
        if length == 0 {
            return Err(ClientError::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_str(&line).map_err(ClientError::Unreadable)
    }
}

/// Has a command carried out by whoever owns the database, or directly where nobody does.
pub fn execute_on(database: &Path, plans: &Arc<PlanBook>, command: &Command) -> Result<Reply, ClientError> {
    match Client::connect(database) {
        Ok(mut client) => return client.execute(command),
        Err(ClientError::NotRunning) => {}
        Err(error) => return Err(error),
    }
    match Store::open(database, Arc::clone(plans)) {
        Ok(store) => {
            let reply = store.execute(command.clone(), Timestamp::now());
            store.close();
            Ok(reply)
        }
        // Someone was faster, and is the owner now.
        Err(OpenError::Owned { .. }) => Client::connect(database)?.execute(command),
        Err(error) => Err(ClientError::Open(error)),
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::NotRunning => f.write_str("no process owns the database"),
            ClientError::Foreign => f.write_str("the socket belongs to another user than the database"),
            ClientError::Broken(cause) => write!(f, "the connection to the database's owner broke: {cause}"),
            ClientError::Unreadable(cause) => write!(f, "the owner's reply cannot be read: {cause}"),
            ClientError::Open(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClientError::NotRunning | ClientError::Foreign => None,
            ClientError::Broken(cause) => Some(cause),
            ClientError::Unreadable(cause) => Some(cause),
            ClientError::Open(cause) => Some(cause),
        }
    }
}
