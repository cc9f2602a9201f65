//! How many requests an upstream gets at once.

/// How much an upstream is asked for at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// Requests that may be with it, at the most.
    pub in_flight: u32,
    /// Whether fewer are let through while its answers show that they are too many.
    pub is_adaptive: bool,
}

impl Default for Overload {
    fn default() -> Self {
        Self { in_flight: 10_000, is_adaptive: true }
    }
}
