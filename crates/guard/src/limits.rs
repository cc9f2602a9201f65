//! How much of anything the guard takes before it refuses. Not here: bounds on content, which the gateway
//! knows per operation.

use std::time::Duration;

/// Longer methods do not exist; RFC 9112, section 3 asks for a 501.
pub(crate) const METHOD_BYTES: usize = 64;

/// The guard's bounds; the defaults are those of a server on the open internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// A head in bytes, request line and last empty line included. More is `request.head_too_large`.
    pub head_bytes: usize,
    /// The request target in bytes. More is `request.uri_too_long`. hyper itself takes no more than 65,534.
    pub target_bytes: usize,
    /// Field lines in a head. More is `request.head_too_large`. hyper itself takes no more than 100 unless
    /// its builder is told so.
    pub fields: usize,
    /// From the first byte of a head to its last. Longer is `request.timeout`.
    pub head_timeout: Duration,
    /// Without a byte between two requests, or before the first. Longer closes without a word.
    pub idle_timeout: Duration,
    /// Without a byte of an answer being taken. Longer ends the connection: there is nobody to be told.
    pub write_timeout: Duration,
    /// How much is read and discarded after the last answer, so that no reset destroys it on its way.
    pub linger_bytes: usize,
    /// How long that is done.
    pub linger_timeout: Duration,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            head_bytes: 16 * 1024,
            target_bytes: 8 * 1024,
            fields: 100,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            linger_bytes: 64 * 1024,
            linger_timeout: Duration::from_secs(1),
        }
    }
}
