//! Limits of a message's head and framing. Limits of a body's size belong to the caller, who knows the operation.

/// Limits for one connection. The defaults suit a server on the open internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum size of a head in bytes, from its start line to its empty line.
    pub head_bytes: usize,
    /// Maximum size of a request target in bytes.
    pub target_bytes: usize,
    /// Maximum number of header lines.
    pub headers: usize,
    /// Maximum number of interim (1xx) responses before the final one.
    pub interim_responses: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 16 * 1024, target_bytes: 8 * 1024, headers: 100, interim_responses: 8 }
    }
}
