//! The upstream's side: endpoints, connections, and the exchange of one request over one of them.
//!
//! `client.rs` forwards requests to an endpoint that `balancer.rs` chooses and `health_check.rs` watches; `pool.rs` keeps idle connections, and `connect.rs` makes new ones; `exchange.rs` sends one
//! request over one: *check out a connection; send head and body; receive head, body and trailers; cancel*.

pub(crate) mod balancer;
pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod connect;
pub(crate) mod counts;
pub(crate) mod exchange;
mod health_check;
pub(crate) mod host;
pub(crate) mod location;
pub(crate) mod pool;
pub(crate) mod settings;
pub(crate) mod timeout;
pub(crate) mod upgrade;
