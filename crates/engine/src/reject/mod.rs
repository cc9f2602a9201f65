//! Rejections, and how they become responses: `rejection.rs` is the data, `render.rs` the way to a response.

pub(crate) mod challenge;
pub(crate) mod cors;
pub(crate) mod example;
pub(crate) mod limit_headers;
pub(crate) mod negotiation;
pub(crate) mod rejection;
pub(crate) mod render;
pub(crate) mod responder;
