//! Heads: found, checked and tokenised in place. A parsed head is a list of spans in the bytes that it was read from, so
//! that nothing is copied before somebody wants it.

mod facts;
mod headers;
mod request;
mod response;
mod scan;
mod target;

pub use facts::{ConnectionOptions, Version};
pub use headers::{HeadRef, Headers, KnownHeader, Span};
pub use request::{BadRequest, RequestHead, RequestParser};
pub use response::{RequestFacts, ResponseHead, ResponseParser};

pub(crate) use facts::header_line;
