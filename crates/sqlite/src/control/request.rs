//! What the control socket carries: commands of the store, and requests to the process that owns it.

use demur_admission::{Command, CommandFault, Reply};

/// What a line on the control socket asks for.
#[derive(Debug)]
pub(crate) enum ControlRequest {
    /// A command of the store.
    Command(Command),
    /// A request to the process that owns the store: an object with the member `process`.
    Process(serde_json::Value),
}

/// The reply to either.
#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
pub(crate) enum ControlReply {
    Command(Box<Reply>),
    Process(serde_json::Value),
}

impl ControlRequest {
    /// Reads a line.
    pub(crate) fn parse(line: &[u8]) -> serde_json::Result<Self> {
        match serde_json::from_slice::<serde_json::Value>(line) {
            Ok(request) if request.get("process").is_some() => Ok(Self::Process(request)),
            _ => serde_json::from_slice(line).map(Self::Command),
        }
    }
}

impl ControlReply {
    pub(crate) fn rejected(fault: CommandFault) -> Self {
        Self::Command(Box::new(Reply::Rejected { fault }))
    }
}
