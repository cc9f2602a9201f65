//! The control socket: how the command line reaches the process that owns a database.
//!
//! [`server`] is the owner's end, [`client`] the command line's, [`socket`] the file between them, and [`sessions`]
//! bounds how many connections are served at once. What a command does is not decided here: the server hands it to
//! an [`Executor`].

mod client;
mod request;
mod server;
mod sessions;
mod socket;

pub use client::{ControlClient, ControlError};
pub(crate) use request::{ControlReply, ControlRequest};
pub use server::MAX_COMMAND;
pub(crate) use server::{ControlServer, Executor};
