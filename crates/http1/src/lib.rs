//! A strict HTTP/1.1 engine for both sides of a proxy, without I/O.
//!
//! - [`RequestParser`] and [`ResponseParser`] find a head in bytes that arrive in any pieces, check it against RFC 9110 and
//!   RFC 9112 more strictly than those ask for, and tokenise it in place: a head is a list of spans, and nothing is copied.
//! - [`BodyDecoder`] and [`BodyEncoder`] read and write bodies of every framing.
//! - [`ServerConnection`] and [`ClientConnection`] keep the order of one connection: pipelining, `100 Continue`, interim
//!   responses, trailers, upgrades, `HEAD`, 204 and 304, and whether the connection persists.
//!
//! Nothing is relayed as raw bytes. What goes out is written anew from checked names and values, with separators and line
//! ends of our own, so that no two parsers in a row can read it differently.
//!
//! The caller owns sockets, buffers and clocks (with the feature `io`, the module `io` has them for tokio):
//!
//! ```
//! use demur_http1::{BodyLength, Decoded, Headers, Limits, Next, ServerConnection};
//!
//! let (mut connection, mut headers, limits) = (ServerConnection::new(), Headers::new(), Limits::default());
//! let bytes = b"POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhiGET";
//!
//! let head = connection.receive_head(bytes, &limits, &mut headers).unwrap().unwrap();
//! assert_eq!(head.target.in_bytes(bytes), b"/echo");
//! assert_eq!(headers.in_bytes(bytes).get("host"), Some(&b"a.example"[..]));
//!
//! let (consumed, data) = connection.receive_body(&bytes[head.len..]).unwrap();
//! assert_eq!((consumed, data), (2, Decoded::Data(b"hi")));
//!
//! let mut out = Vec::new();
//! connection.write_head(200, BodyLength::Known(2), |head| head.header("x-request-id", "1"), &mut out).unwrap();
//! connection.write_data(b"hi", &mut out).unwrap();
//! connection.write_end([], &mut out).unwrap();
//! assert_eq!(out, b"HTTP/1.1 200 OK\r\nx-request-id: 1\r\ncontent-length: 2\r\n\r\nhi");
//! assert_eq!(connection.advance(), Next::Request);
//! ```

mod body;
mod characters;
mod client;
mod error;
mod head;
#[cfg(feature = "io")]
pub mod io;
mod limits;
mod server;
mod write;

pub use body::{BodyDecoder, BodyEncoder, BodyLength, ChunkDecoder, Decoded, EncodeError, Frame, Framing};
pub use client::ClientConnection;
pub use error::{ErrorKind, ParseError};
pub use head::{
    BadRequest, ConnectionOptions, HeadRef, Headers, KnownHeader, RequestFacts, RequestHead, RequestParser,
    ResponseHead, ResponseParser, Span, Version,
};
pub use limits::Limits;
pub use server::{Next, ServerConnection};
pub use write::{HeadWriter, InvalidHeader};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
