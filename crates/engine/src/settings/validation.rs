//! How strictly requests and responses are validated, beyond the options of the document itself.

/// What is done about an upstream's success that breaks its own document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseMode {
    /// Nobody looks.
    #[default]
    Ignore,
    /// It passes, and the operators are told.
    Report,
    /// It is refused as `upstream.invalid_response`.
    Refuse,
}

/// Whether requests are validated against the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestValidation {
    /// Invalid requests are rejected.
    #[default]
    On,
    /// Invalid requests are forwarded, and the rejection is recorded.
    Shadow,
    /// Requests are not validated.
    Off,
}

/// What is done with a path that a more lenient server would read as that of another operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AmbiguousPath {
    /// It is rejected.
    #[default]
    Reject,
    /// It passes: the upstream compares paths as exactly as the gateway.
    Ignore,
}

/// How strictly an API is held against its document, beyond the document's own options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ValidationSettings {
    /// Of requests, unless the operation says otherwise.
    pub requests: RequestValidation,
    /// Of the upstream's answers.
    pub responses: ResponseMode,
    /// Whether a caller who accepts none of the declared media types is refused.
    pub rejects_unacceptable: bool,
    /// Whether compressed bodies are decoded, to be validated and forwarded; else they are rejected.
    pub decodes_bodies: bool,
    /// Of paths with two readings.
    pub ambiguous_path: AmbiguousPath,
}
