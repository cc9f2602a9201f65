//! TLS: connections from clients and to upstreams, and their certificates.
//!
//! `certificate.rs` loads and checks a certificate with its key; `server.rs` holds those of one listener and replaces them
//! while it serves, when `watch.rs` sees that a file has changed; `accept.rs` and `client.rs` perform the
//! handshakes with clients and with upstreams.

pub(crate) mod accept;
pub(crate) mod certificate;
pub(crate) mod client;
pub(crate) mod server;
mod stream;
pub(crate) mod watch;
