//! The upstream's side: connections, and the exchange of one request over one of them.
//!
//! `client.rs` forwards requests, `pool.rs` keeps idle connections. Everything that knows the HTTP implementation is in
//! `exchange.rs`: *check out an exchange; send head and body; receive head, body and trailers; cancel*.

pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod exchange;
pub(crate) mod host;
pub(crate) mod location;
pub(crate) mod pool;
pub(crate) mod timeout;
