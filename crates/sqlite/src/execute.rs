//! Executes an operator's command on a database, through the process that owns it or directly.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use demur_admission::{Command, Plans, Reply};
use jiff::Timestamp;

use crate::control::{ControlClient, ControlError};
use crate::{OpenError, Store};

/// How often a repeatable command is sent before its error is returned.
const MAX_ATTEMPTS: u32 = 8;

/// Executes a command through the process that owns the database, or opens the database where no process owns it.
pub fn execute_or_open(
    database: &Path,
    plans: &Arc<Plans>,
    command: &Command,
) -> Result<Reply, ControlError> {
    match ControlClient::connect(database) {
        Ok(client) => return execute_with_retries(client, database, command),
        Err(ControlError::NotRunning) => {}
        Err(error) => return Err(error),
    }
    match Store::open(database, Arc::clone(plans)) {
        Ok(store) => {
            let reply = store.execute(command.clone(), Timestamp::now());
            store.close();
            Ok(reply)
        }
        // Another process became the owner since the attempt to connect. While it starts, it does not listen yet.
        Err(OpenError::Locked { .. }) => {
            execute_with_retries(connect_to_starting(database)?, database, command)
        }
        Err(error) => Err(ControlError::Open(error)),
    }
}

/// Connects to an owner that may still be starting.
fn connect_to_starting(database: &Path) -> Result<ControlClient, ControlError> {
    let begun = Instant::now();
    loop {
        match ControlClient::connect(database) {
            Err(ControlError::NotRunning) if begun.elapsed() < MAX_START => thread::sleep(POLL),
            result => return result,
        }
    }
}

/// How long an owner may take from the lock on the database to its control socket: a migration of a large database.
const MAX_START: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// Sends a command to the owner, and sends a repeatable one again where the connection broke: the owner closes idle
/// connections when it has too many, and this may have been one of them.
fn execute_with_retries(
    mut client: ControlClient,
    database: &Path,
    command: &Command,
) -> Result<Reply, ControlError> {
    let mut attempts = 1;
    loop {
        match client.execute(command) {
            Err(ControlError::Broken(_)) if attempts < MAX_ATTEMPTS && is_repeatable(command) => {
                attempts += 1;
                client = ControlClient::connect(database)?;
            }
            result => return result,
        }
    }
}

/// Whether executing a command twice has the same effect as executing it once.
fn is_repeatable(command: &Command) -> bool {
    match command {
        Command::ListKeys { .. }
        | Command::ShowKey { .. }
        | Command::FindKey { .. }
        | Command::DeleteAccount { .. }
        | Command::SetKeyDisabled { .. }
        | Command::ExpireKey { .. }
        | Command::RevokeKey { .. }
        | Command::ListAccounts { .. }
        | Command::ShowAccount { .. }
        | Command::SetPlan { .. }
        | Command::SetGrantDay { .. }
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
