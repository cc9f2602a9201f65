//! Properties of hyper's HTTP/1 implementation that settings depend on.

/// hyper parses this many headers without being configured, and without an allocation.
pub(crate) const DEFAULT_MAX_HEADERS: usize = 100;

/// hyper's smallest read buffer.
pub(crate) const MIN_BUFFER: usize = 8192;
