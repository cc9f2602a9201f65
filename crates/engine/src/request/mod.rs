//! A request, from its head to the moment when it is forwarded. The stages, in their order, are in `stages.rs`.

pub(crate) mod body;
pub(crate) mod checks;
pub(crate) mod context;
pub(crate) mod credential;
pub(crate) mod decompress;
pub(crate) mod forwarding;
pub(crate) mod handshake;
pub(crate) mod id;
pub(crate) mod info;
pub(crate) mod malformed_key;
pub(crate) mod operation;
pub(crate) mod path;
pub(crate) mod pending;
pub(crate) mod reservation;
pub(crate) mod reserved_headers;
pub(crate) mod rules;
pub(crate) mod stage_result;
pub(crate) mod stages;
pub(crate) mod token;
pub(crate) mod trace_context;
pub(crate) mod upstream_headers;
pub(crate) mod upstream_identity;
pub(crate) mod upstream_request;
