//! The engine over tokio's sockets, with the types of the crates `http` and `http-body`.
//!
//! [`ServerStream`] is a connection from a client, [`ClientStream`] one to a server. Nothing is spawned: whoever holds a
//! connection drives it, so one task can own a client's connection and the upstream's, and notice that the client has gone
//! while the upstream works. After 101 (Switching Protocols) a [`Tunnel`] copies bytes between the two.

mod client;
mod date;
mod maps;
mod scratch;
mod server;
mod server_write;
mod socket;
#[cfg(test)]
mod tests;
mod timer;
mod transport;
mod tunnel;

pub use client::{ClientStream, ResponseBody, SendError};
pub use server::{After, Incoming, RequestBody, Respond, ServerLimits, ServerStream};
pub use server_write::WriteError;
pub use socket::ReadError;
pub use timer::Timer;
pub use transport::{Stream, Transport};
pub use tunnel::{Forwarded, Tunnel, TunnelError};
