//! A strict reader of HTTP/1 heads and framing between a socket and hyper.
//!
//! hyper answers some bad requests by itself, with an empty 400 in no one's contract, and serves others that
//! RFC 9112 tells a server to refuse. A [`Guard`] wraps the socket and reads every head before hyper does:
//!
//! - A good message passes through unchanged, byte for byte; its content is followed to its end, so that the
//!   next head is found where HTTP says that it starts and nowhere else.
//! - A bad head is replaced by a harmless stand-in (`GET /` with `connection: close`), and its [`RejectedRequest`]
//!   is laid down for the service, which asks [`RejectionQueue::next`] once per request and answers in the API's
//!   own contract. So parser errors take the ordinary way: in order, with an id, after the answers to the
//!   requests before them. All that follows on that connection is discarded.
//! - Content that breaks its own framing ends in an error, never in a next request.
//!
//! The decisions are pure: [`check`] is a function over bytes, [`Chunks`] and [`Machine`] consume bytes and
//! know neither sockets nor clocks. Only [`Guard`] does I/O.
//!
//! # With hyper
//!
//! Build the connection with `http1::Builder::half_close(true)`: hyper then reads only when it wants the next
//! bytes of a message, which the idle time-out relies on, and a client that shut its writing side still reads
//! its answer. Leave `pipeline_flush` off: on an error it throws finished answers away. Leave hyper's timer
//! unset; the time for a head is kept here.
//!
//! ```no_run
//! # async fn serve(socket: tokio::net::TcpStream) {
//! use demur_guard::{HeadLimits, Guard};
//!
//! let guard = Guard::new(socket, HeadLimits::default());
//! let rejections = guard.rejections();
//! // In the service, first thing, exactly once per request:
//! if let Some(rejection) = rejections.next() {
//!     let _status = rejection.kind().status();
//! }
//! # }
//! ```

mod characters;
mod chunk;
mod fields;
mod guard;
mod head;
mod limits;
mod linger;
mod machine;
mod parse_error;
mod rejected;
mod scan;
mod scratch;
mod shared;
mod target;
mod timer;

pub use chunk::{BodyProgress, ChunkProgress, Chunks};
pub use fields::Framing;
pub use guard::Guard;
pub use head::{Head, HeadVerdict, check};
pub use limits::HeadLimits;
pub use machine::{Machine, Step};
pub use parse_error::{ErrorKind, ParseError};
pub use rejected::RejectedRequest;
pub use shared::{Phase, RejectionQueue};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
