//! The clients' side: connections, and the requests that come over them.

pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod descriptors;
pub(crate) mod load_shed;
pub(crate) mod malformed;
pub(crate) mod proxy_protocol;
pub(crate) mod request_body;
mod simulated;
mod tunnel;
