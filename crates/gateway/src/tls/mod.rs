//! TLS: the certificates of listeners and connections from clients.
//!
//! `certificate.rs` loads and checks a certificate with its key; `server.rs` holds those of one listener and replaces them
//! while it serves, when `watch.rs` sees that a file has changed; `accept.rs` makes a stream of a connection.

pub(crate) mod accept;
pub(crate) mod certificate;
pub(crate) mod server;
pub(crate) mod watch;
