//! A response, from the upstream's head to the end of its body.

pub(crate) mod body;
pub(crate) mod event_stream;
pub(crate) mod in_flight;
pub(crate) mod raised;
pub(crate) mod replay;
pub(crate) mod retry_after;
pub(crate) mod settlement;
pub(crate) mod status_headers;
pub(crate) mod translation;
pub(crate) mod upgraded;
pub(crate) mod upstream_error;
pub(crate) mod validation;
