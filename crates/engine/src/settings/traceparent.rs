//! What becomes of a request without a valid `traceparent` (W3C Trace Context).

/// What the upstream gets where the client has sent no valid `traceparent`. A valid one is passed on in any case.
///
/// The default is nothing. The flag of a `traceparent` decides for most tracing libraries of the upstream whether they
/// record the request: a created one would turn their own sampling off, or record everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TraceParent {
    /// None: the upstream begins a trace of its own.
    #[default]
    Pass,
    /// A new one that is not sampled.
    Create,
    /// A new one that is sampled.
    CreateSampled,
}
