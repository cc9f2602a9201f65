//! What is known about a request from its connection: when and from where it came, and whether it could be parsed.

use std::net::IpAddr;
use std::time::Duration;

use demur_admission::{ConnectionCache, Now};
use demur_contract::Condition;
use http::HeaderValue;

/// What is known about a request from its connection.
#[derive(Debug)]
pub struct RequestInfo<'p> {
    /// When it arrived.
    pub now: Now,
    /// The client, if there is a connection.
    pub peer: Option<&'p Peer>,
    /// Whether the peer is a trusted proxy, which may name the client.
    pub is_trusted_proxy: bool,
    /// The connection's cache of its last key, if it has one.
    pub connection_cache: Option<&'p ConnectionCache>,
    /// The name of the listener, if it has one.
    pub listener: Option<&'p str>,
    /// Why it could not be parsed or is not admitted. The request itself is then a placeholder.
    pub rejection: Option<Box<MalformedRequest>>,
    /// The current scheduling delay, which is subtracted from measured upstream latencies.
    pub lag: Duration,
}

/// The client of a connection, or of a proxy's connection. Made once for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    address: IpAddr,
    /// The value of `X-Forwarded-For`.
    text: HeaderValue,
    /// Whether the connection uses TLS.
    is_secure: bool,
}

impl Peer {
    /// At this address.
    pub fn new(address: IpAddr) -> Self {
        // An address is written in visible ASCII.
        let text = HeaderValue::try_from(address.to_string());
        Self { address, text: text.unwrap_or(HeaderValue::from_static("unknown")), is_secure: false }
    }

    /// Sets whether the connection uses TLS.
    #[must_use]
    pub fn secure(self, is_secure: bool) -> Self {
        Self { is_secure, ..self }
    }

    /// Whether the connection uses TLS.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    pub(crate) fn text(&self) -> &HeaderValue {
        &self.text
    }
}

/// A request that could not be parsed, or that is not admitted because of load.
#[derive(Debug)]
pub struct MalformedRequest {
    /// Why it is rejected.
    pub condition: Condition,
    /// The internal reason, for logs.
    pub cause: String,
    /// The host, as far as it is known. It only selects the contract.
    pub host: Option<String>,
    /// The path, likewise.
    pub path: Option<String>,
}

/// The upstream timeout of one request: an extension of the forwarded request, if the operation has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamTimeout(pub Duration);
