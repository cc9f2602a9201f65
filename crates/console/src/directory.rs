//! Where the console asks for accounts and keys.

use demur_admission::{Command, Reply};

/// Executes operators' commands, which only read.
pub trait Directory: Send + Sync {
    /// The reply to a command, or why there is none.
    fn execute(&self, command: &Command) -> Result<Reply, String>;
}
