//! The request ID: new for every request, never the client's.

use std::fmt;

use bytes::Bytes;
use demur_admission::Now;
use http::HeaderValue;
use uuid::{NoContext, Timestamp, Uuid};

/// A UUID of version 7, so that IDs sort by time. Written as the contract's prefix and 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    uuid: Uuid,
}

impl RequestId {
    /// A new ID. The generator is thread-local: no lock, and no clock read.
    pub fn fresh(now: Now) -> Self {
        let since_1970 = now.wall.duration_since(jiff::Timestamp::UNIX_EPOCH);
        let seconds = u64::try_from(since_1970.as_secs()).unwrap_or_default();
        let nanos = u32::try_from(since_1970.subsec_nanos()).unwrap_or_default();
        Self { uuid: Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos)) }
    }

    /// The ID with these 128 bits, for examples.
    pub fn from_bits(bits: u128) -> Self {
        Self { uuid: Uuid::from_u128(bits) }
    }

    /// Its 128 bits, of which the last half is random but for two.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.uuid.into_bytes()
    }

    /// The text in headers, bodies and logs.
    pub fn with_prefix(self, prefix: &str) -> String {
        let mut digits = [0; 32];
        let digits: &str = self.uuid.simple().encode_lower(&mut digits);
        let mut text = String::with_capacity(prefix.len() + digits.len());
        text.push_str(prefix);
        text.push_str(digits);
        text
    }

    /// The same as a header value. Formatting it again costs less than sharing it.
    pub(crate) fn header(self, prefix: &str) -> HeaderValue {
        // A contract's prefix was checked when it was loaded; the digits are visible ASCII.
        let value = HeaderValue::from_maybe_shared(Bytes::from(self.with_prefix(prefix)));
        value.unwrap_or_else(|_| HeaderValue::from_static("invalid"))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.simple().fmt(f)
    }
}
