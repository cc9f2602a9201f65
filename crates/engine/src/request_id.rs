//! The request's id: fresh for every request, never taken from the client.

use std::fmt;

use bytes::BytesMut;
use demur_admission::Now;
use http::HeaderValue;
use uuid::{NoContext, Timestamp, Uuid};

/// A prefix of the contract's, and a UUID of version 7 (so that ids sort by time) in 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    uuid: Uuid,
}

impl RequestId {
    /// A new one. The generator is the thread's own: there is no lock, and no second look at the clock.
    pub fn fresh(now: Now) -> Self {
        let since_1970 = now.wall.duration_since(jiff::Timestamp::UNIX_EPOCH);
        let seconds = u64::try_from(since_1970.as_secs()).unwrap_or_default();
        let nanos = u32::try_from(since_1970.subsec_nanos()).unwrap_or_default();
        Self { uuid: Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos)) }
    }

    /// As it stands in the field, in the content, and in the log.
    pub fn with_prefix(self, prefix: &str) -> HeaderValue {
        let mut digits = [0; 32];
        let digits: &str = self.uuid.simple().encode_lower(&mut digits);
        let mut text = BytesMut::with_capacity(prefix.len() + digits.len());
        text.extend_from_slice(prefix.as_bytes());
        text.extend_from_slice(digits.as_bytes());
        // A contract's prefix was checked when it was loaded; the digits are visible ASCII.
        HeaderValue::from_maybe_shared(text.freeze()).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.simple().fmt(f)
    }
}
