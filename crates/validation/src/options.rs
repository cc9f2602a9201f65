//! Settings of a document that OpenAPI leaves to the operator.

/// The settings of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentOptions {
    /// Whether `format` is validated.
    pub formats: Formats,
    /// How undeclared query parameters are handled.
    pub unknown_query: UnknownQuery,
    /// Whether `discriminator` decides which branch a value must match.
    pub discriminators: Discriminators,
    /// How parts of the document that cannot be used are handled.
    pub unsupported: Unsupported,
    /// How requests for paths that the document does not have are handled.
    pub unknown_paths: UnknownPaths,
    /// Whether the paths of the document's `servers` are part of its paths.
    pub server_paths: ServerPaths,
    /// Whether responses are checked too. This needs memory for a second set of schemas.
    pub checks_responses: bool,
    /// The maximum number of violations reported for one request.
    pub max_violations: usize,
    /// The maximum nesting depth of a JSON body, at most [`DocumentOptions::MAX_DEPTH`].
    pub max_depth: usize,
}

impl DocumentOptions {
    /// The limit of the JSON parser.
    pub const MAX_DEPTH: usize = 120;
}

impl Default for DocumentOptions {
    fn default() -> Self {
        Self {
            formats: Formats::Assert,
            unknown_query: UnknownQuery::Ignore,
            discriminators: Discriminators::Report,
            unsupported: Unsupported::Warn,
            unknown_paths: UnknownPaths::Reject,
            server_paths: ServerPaths::Ignore,
            checks_responses: false,
            max_violations: 20,
            max_depth: 64,
        }
    }
}

/// Whether `format` is validated, which JSON Schema leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formats {
    /// A value that does not match its format is a violation. Unknown formats are not validated.
    Assert,
    /// `format` is documentation only.
    Annotate,
}

/// What the `discriminator` of a `oneOf` or `anyOf` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discriminators {
    /// It selects the branch whose violations are reported, and does not change the outcome (OpenAPI 3.1.1, section
    /// 4.8.25).
    Report,
    /// A value must match the branch that its discriminator names, and no other, as tools of OpenAPI 3.0 understand it.
    Decide,
}

/// How parts of a document that cannot be used are handled: a pattern that cannot be matched in linear time, a keyword
/// with an invalid value, a `$ref` without a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// The document does not load.
    Reject,
    /// The part has no effect. A warning names it and says what is no longer checked, and
    /// [`Operation::unsupported`](crate::Operation::unsupported) counts it.
    Warn,
}

/// How requests for paths that the document does not have are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownPaths {
    /// There is no such resource.
    Reject,
    /// They belong to one more operation, [`CATCH_ALL`](crate::CATCH_ALL), which declares nothing.
    Forward,
}

/// Whether the paths of the document's `servers` are part of its paths: `/v1/pets` for `/pets` below
/// `https://api.example.com/v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerPaths {
    /// The paths are used as they are written.
    Ignore,
    /// The paths follow the path of any server.
    Use,
}

/// How query parameters that the document does not declare are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownQuery {
    /// Each is a violation.
    Reject,
    /// They are forwarded, and listed in [`RequestParameters::unknown`](crate::RequestParameters::unknown).
    Warn,
    /// They are forwarded.
    Ignore,
}
