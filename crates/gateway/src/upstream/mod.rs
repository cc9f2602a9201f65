//! The upstream's side: connections, and the exchange of one request over one of them.
//!
//! `client.rs` forwards requests; `pool.rs` keeps idle connections, and `connect.rs` makes new ones; `exchange.rs` sends one
//! request over one: *check out a connection; send head and body; receive head, body and trailers; cancel*.

pub(crate) mod body;
pub(crate) mod client;
mod connect;
pub(crate) mod counts;
pub(crate) mod exchange;
pub(crate) mod host;
pub(crate) mod location;
pub(crate) mod pool;
pub(crate) mod settings;
pub(crate) mod timeout;
