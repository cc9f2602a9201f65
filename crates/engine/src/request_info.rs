//! What is known of a request beside itself: when and from where it came, and whether it could be read at all.

use std::net::IpAddr;
use std::time::Duration;

use demur_admission::{ConnectionCache, Now};
use demur_contract::Condition;
use http::HeaderValue;

/// What is known of a request beside itself.
#[derive(Debug)]
pub struct RequestInfo<'p> {
    /// When.
    pub now: Now,
    /// Who sends it, where there is a connection.
    pub peer: Option<&'p Peer>,
    /// Whether the other end of the connection is a trusted proxy, which may say who the client is.
    pub is_trusted_proxy: bool,
    /// Who called last over the connection, where it remembers.
    pub acquaintance: Option<&'p ConnectionCache>,
    /// Where it came in, where that has a name.
    pub listener: Option<&'p str>,
    /// What a strict reader of the connection found wrong with it. The request is then a stand-in.
    pub rejection: Option<Box<MalformedRequest>>,
    /// How long what is ready waits for its turn at the moment: an upstream is not blamed for that.
    pub lag: Duration,
}

/// The other end of a connection, or whom a proxy there speaks for. It is made once for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    address: IpAddr,
    /// As the service behind is told it.
    text: HeaderValue,
}

impl Peer {
    /// At this address.
    pub fn new(address: IpAddr) -> Self {
        // An address is written in visible ASCII.
        let text = HeaderValue::try_from(address.to_string());
        Self { address, text: text.unwrap_or(HeaderValue::from_static("unknown")) }
    }

    /// The address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    pub(crate) fn text(&self) -> &HeaderValue {
        &self.text
    }
}

/// A request that could not be read.
#[derive(Debug)]
pub struct MalformedRequest {
    /// What is wrong.
    pub condition: Condition,
    /// For the operators.
    pub cause: String,
    /// The host, where it could be read: it only chooses the voice.
    pub host: Option<String>,
    /// The path, likewise.
    pub path: Option<String>,
}

/// How long the upstream may take for this request: an extension of what is forwarded, where the operation has a
/// time of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamTimeout(pub Duration);
