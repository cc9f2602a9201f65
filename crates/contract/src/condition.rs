//! Conditions: a name for each way in which a request can fail.
//! Long because the table has a row for each condition.
//!
//! The conditions of the gateway form a closed tree, which is defined once, in the table below. Claims, derived
//! errors, retry classes and the documentation all read that table. The conditions of an API are not in it: a contract
//! declares them, and code refers to them by [`ErrorId`](crate::ErrorId).
//!
//! A condition is a leaf of the tree. A *claim* in a contract names a leaf or a branch (`credential`,
//! `param.invalid`), and [`Condition::covered_by`] tells which leaves a claim covers.

use std::fmt;

/// Whether and when a client may retry the same request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryClass {
    /// Never: the same request fails again.
    Never,
    /// After the caller has fixed something: the key, the parameters, the plan.
    AfterFix,
    /// After the delay in the response.
    AfterDelay,
    /// When the current quota period ends.
    AtReset,
    /// With exponential backoff, if the request is idempotent.
    Backoff,
}

impl RetryClass {
    /// Each class and its name in a contract.
    pub const ALL: [(&'static str, RetryClass); 5] = [
        ("never", RetryClass::Never),
        ("after_fix", RetryClass::AfterFix),
        ("after_delay", RetryClass::AfterDelay),
        ("at_reset", RetryClass::AtReset),
        ("backoff", RetryClass::Backoff),
    ];

    /// The name in a contract.
    pub fn as_str(self) -> &'static str {
        match self {
            RetryClass::Never => "never",
            RetryClass::AfterFix => "after_fix",
            RetryClass::AfterDelay => "after_delay",
            RetryClass::AtReset => "at_reset",
            RetryClass::Backoff => "backoff",
        }
    }
}

/// The party that caused an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorOrigin {
    /// The caller.
    Client,
    /// The gateway itself.
    Gateway,
    /// The API behind the gateway.
    Upstream,
}

impl ErrorOrigin {
    /// The name in logs: one lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorOrigin::Client => "client",
            ErrorOrigin::Gateway => "gateway",
            ErrorOrigin::Upstream => "upstream",
        }
    }
}

/// The row of a condition in the table: its name, and the error that is derived where no contract claims it.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// The dotted name.
    pub name: &'static str,
    /// The status of the derived error; 0 if no response can be sent any more.
    pub status: u16,
    /// The retry class of the derived error.
    pub retry: RetryClass,
    /// The title of the derived error. Callers see it.
    pub title: &'static str,
}

macro_rules! conditions {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal, $status:literal, $retry:ident, $title:literal; )*) => {
        /// One of the gateway's own conditions: a leaf of the closed tree.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Condition {
            $( #[doc = concat!("`", $name, "`: ", $title, ".")] $(#[$doc])* $variant, )*
            /// `upstream.refused.STATUS`: the upstream returned a 4xx response that no error declares.
            UpstreamRefused(RejectedStatus),
        }

        const FIXED: &[(Condition, Defaults)] = &[
            $( (Condition::$variant, Defaults { name: $name, status: $status, retry: RetryClass::$retry, title: $title }), )*
        ];

        impl Condition {
            /// The position in [`Condition::all`], below [`Condition::COUNT`].
            pub fn index(self) -> usize {
                // Constants, so that the compiler folds the match away.
                #[allow(non_camel_case_types, clippy::enum_variant_names)]
                enum Position { $( $variant, )* }
                match self {
                    $( Condition::$variant => Position::$variant as usize, )*
                    Condition::UpstreamRefused(status) => FIXED.len() + usize::from(status.0 - 400),
                }
            }
        }
    };
}

/// A status from 400 to 499.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RejectedStatus(u16);

impl RejectedStatus {
    /// Checks a status; `None` if it is not 4xx.
    pub fn new(status: u16) -> Option<Self> {
        (400..=499).contains(&status).then_some(Self(status))
    }

    /// The status as a number.
    pub fn as_u16(self) -> u16 {
        self.0
    }

    /// The condition that means the same to a client, if there is one.
    ///
    /// The other statuses say nothing about what the client asked for (400, 403), are about the connection between the
    /// gateway and its upstream (411, 417, 431), or are about a limit that is not the gateway's (429).
    pub fn equivalent(self) -> Option<Condition> {
        Some(match self.0 {
            404 => Condition::ResourceNotFound,
            405 => Condition::ResourceMethodNotAllowed,
            409 => Condition::ResourceConflict,
            410 => Condition::ResourceGone,
            412 => Condition::PreconditionFailed,
            413 => Condition::BodyTooLarge,
            415 => Condition::BodyUnsupportedMediaType,
            422 => Condition::ParamSchema,
            _ => return None,
        })
    }

    /// The phrase of the status in the IANA registry, as a title; `None` if the status is not registered.
    pub(crate) fn title(self) -> Option<&'static str> {
        Some(match self.0 {
            400 => "Bad request",
            401 => "Unauthorized",
            402 => "Payment required",
            403 => "Forbidden",
            404 => "Not found",
            405 => "Method not allowed",
            406 => "Not acceptable",
            408 => "Request timeout",
            409 => "Conflict",
            410 => "Gone",
            411 => "Length required",
            412 => "Precondition failed",
            413 => "Content too large",
            414 => "URI too long",
            415 => "Unsupported media type",
            416 => "Range not satisfiable",
            417 => "Expectation failed",
            421 => "Misdirected request",
            422 => "Unprocessable content",
            423 => "Locked",
            424 => "Failed dependency",
            425 => "Too early",
            426 => "Upgrade required",
            428 => "Precondition required",
            429 => "Too many requests",
            431 => "Request header fields too large",
            451 => "Unavailable for legal reasons",
            _ => return None,
        })
    }
}

conditions! {
    CredentialMissing = "credential.missing", 401, AfterFix, "No credentials were provided";
    CredentialScheme = "credential.scheme", 401, AfterFix, "The authentication scheme is not supported";
    CredentialMalformed = "credential.malformed", 401, AfterFix, "The API key is malformed";
    CredentialUnknown = "credential.unknown", 401, AfterFix, "The API key is invalid";
    CredentialRevoked = "credential.revoked", 401, AfterFix, "The API key has been revoked";
    CredentialExpired = "credential.expired", 401, AfterFix, "The API key has expired";
    CredentialTokenMalformed = "credential.token.malformed", 401, AfterFix, "The token is malformed";
    /// `alg` is `none`, or an algorithm that the configuration does not list.
    CredentialTokenAlgorithm = "credential.token.algorithm", 401, AfterFix, "The token's algorithm is not accepted";
    /// No key of the issuer's key set has the token's `kid`.
    CredentialTokenUnknownKey = "credential.token.unknown_key", 401, AfterFix, "The token is signed with an unknown key";
    CredentialTokenSignature = "credential.token.signature", 401, AfterFix, "The token's signature is invalid";
    CredentialTokenIssuer = "credential.token.issuer", 401, AfterFix, "The token's issuer is not accepted";
    CredentialTokenAudience = "credential.token.audience", 401, AfterFix, "The token is for another audience";
    CredentialTokenExpired = "credential.token.expired", 401, AfterFix, "The token has expired";
    CredentialTokenNotYetValid = "credential.token.not_yet_valid", 401, AfterFix, "The token is not valid yet";
    /// A claim that the API requires is missing, or has another value.
    CredentialTokenClaim = "credential.token.claim", 401, AfterFix, "A claim of the token is missing or not accepted";
    CredentialTokenRevoked = "credential.token.revoked", 401, AfterFix, "The token has been revoked";
    CredentialThrottled = "credential.throttled", 429, AfterDelay, "Too many failed authentications";

    PermissionResource = "permission.resource", 403, Never, "The key does not cover this resource";
    PermissionOperation = "permission.operation", 403, Never, "The key does not cover this operation";
    PermissionAddress = "permission.address", 403, Never, "Requests from this address are not allowed";
    /// A script of this site may not connect (RFC 6455 §10.2).
    PermissionOrigin = "permission.origin", 403, Never, "Requests from this origin are not allowed";

    PlanRequired = "plan.required", 403, AfterFix, "The plan does not include this feature";
    PlanInactive = "plan.inactive", 402, AfterFix, "The account has no active plan";

    CreditsExhausted = "credits.exhausted", 402, AfterFix, "Out of credits";
    /// The balance would suffice without the holds of requests that are in progress.
    CreditsHeld = "credits.held", 429, AfterDelay, "Credits are reserved by other requests";

    RateExceeded = "rate.exceeded", 429, AfterDelay, "Rate limit exceeded";
    RateConcurrency = "rate.concurrency", 429, AfterDelay, "Too many requests at once";
    QuotaExceeded = "quota.exceeded", 429, AtReset, "Quota exceeded";

    RequestMalformed = "request.malformed", 400, AfterFix, "The request is malformed";
    RequestHeadTooLarge = "request.head_too_large", 431, AfterFix, "The request headers are too large";
    RequestUriTooLong = "request.uri_too_long", 414, AfterFix, "The request target is too long";
    RequestTimeout = "request.timeout", 408, AfterFix, "The request took too long to arrive";
    RequestLengthRequired = "request.length_required", 411, AfterFix, "The request must have a Content-Length header";
    RequestExpectationFailed = "request.expectation_failed", 417, AfterFix, "The expectation cannot be met";
    RequestMisdirected = "request.misdirected", 421, AfterFix, "The host is not served here";
    RequestUpgradeRequired = "request.upgrade_required", 426, AfterFix, "A protocol upgrade is required";
    /// The request asks for an upgrade (RFC 9110 §7.8) to a protocol that is not served.
    RequestUpgradeRejected = "request.upgrade_rejected", 400, AfterFix, "The protocol upgrade is not supported";
    RequestNotImplemented = "request.not_implemented", 501, AfterFix, "Not implemented";
    RequestVersionNotSupported = "request.version_not_supported", 505, AfterFix, "The HTTP version is not supported";
    RequestNotAcceptable = "request.not_acceptable", 406, AfterFix, "No acceptable representation is available";

    BodyMissing = "body.missing", 400, AfterFix, "The request body is missing";
    BodyInvalidJson = "body.invalid_json", 400, AfterFix, "The request body is not valid JSON";
    BodyTooLarge = "body.too_large", 413, AfterFix, "The request body is too large";
    BodyTooDeep = "body.too_deep", 400, AfterFix, "The request body is nested too deeply";
    BodyUnsupportedMediaType = "body.unsupported_media_type", 415, AfterFix, "The content type is not supported";
    BodyUnreadable = "body.unreadable", 400, AfterFix, "The request body cannot be read";

    ParamMissing = "param.missing", 400, AfterFix, "A required parameter is missing";
    ParamRequires = "param.requires", 400, AfterFix, "A parameter requires another one";
    ParamTypeString = "param.invalid.type.string", 400, AfterFix, "A parameter must be a string";
    ParamTypeNumber = "param.invalid.type.number", 400, AfterFix, "A parameter must be a number";
    ParamTypeInteger = "param.invalid.type.integer", 400, AfterFix, "A parameter must be an integer";
    ParamTypeBoolean = "param.invalid.type.boolean", 400, AfterFix, "A parameter must be true or false";
    ParamTypeArray = "param.invalid.type.array", 400, AfterFix, "A parameter must be an array";
    ParamTypeObject = "param.invalid.type.object", 400, AfterFix, "A parameter must be an object";
    ParamTypeNull = "param.invalid.type.null", 400, AfterFix, "A parameter must be null";
    /// Several types are allowed, and the value has a different one.
    ParamTypeUnion = "param.invalid.type.union", 400, AfterFix, "A parameter has the wrong type";
    ParamEnum = "param.invalid.enum", 400, AfterFix, "A parameter has a value that is not allowed";
    ParamConst = "param.invalid.const", 400, AfterFix, "A parameter must have a fixed value";
    ParamFormatDate = "param.invalid.format.date", 400, AfterFix, "A parameter must be a date";
    ParamFormatDateTime = "param.invalid.format.date-time", 400, AfterFix, "A parameter must be a date and time";
    ParamFormatTime = "param.invalid.format.time", 400, AfterFix, "A parameter must be a time";
    ParamFormatDuration = "param.invalid.format.duration", 400, AfterFix, "A parameter must be a duration";
    ParamFormatEmail = "param.invalid.format.email", 400, AfterFix, "A parameter must be an e-mail address";
    ParamFormatHostname = "param.invalid.format.hostname", 400, AfterFix, "A parameter must be a host name";
    ParamFormatIpv4 = "param.invalid.format.ipv4", 400, AfterFix, "A parameter must be an IPv4 address";
    ParamFormatIpv6 = "param.invalid.format.ipv6", 400, AfterFix, "A parameter must be an IPv6 address";
    ParamFormatUri = "param.invalid.format.uri", 400, AfterFix, "A parameter must be a URI";
    ParamFormatUuid = "param.invalid.format.uuid", 400, AfterFix, "A parameter must be a UUID";
    /// A format without a condition of its own.
    ParamFormatOther = "param.invalid.format.other", 400, AfterFix, "A parameter has the wrong format";
    ParamMinimum = "param.invalid.minimum", 400, AfterFix, "A parameter is too small";
    ParamMaximum = "param.invalid.maximum", 400, AfterFix, "A parameter is too large";
    ParamMultiple = "param.invalid.multiple", 400, AfterFix, "A parameter is not a multiple of the required number";
    /// The string is empty.
    ParamLengthEmpty = "param.invalid.length.empty", 400, AfterFix, "A parameter must not be empty";
    ParamLengthMin = "param.invalid.length.min", 400, AfterFix, "A parameter is too short";
    ParamLengthMax = "param.invalid.length.max", 400, AfterFix, "A parameter is too long";
    ParamCountMin = "param.invalid.count.min", 400, AfterFix, "A parameter has too few elements";
    ParamCountMax = "param.invalid.count.max", 400, AfterFix, "A parameter has too many elements";
    ParamPattern = "param.invalid.pattern", 400, AfterFix, "A parameter does not match the required pattern";
    ParamUnique = "param.invalid.unique", 400, AfterFix, "A parameter has duplicate elements";
    ParamUnknown = "param.invalid.unknown", 400, AfterFix, "A parameter is unknown";
    /// A schema keyword without a condition of its own fails: `oneOf`, `anyOf`, `not`, `if` or `contains`.
    ParamSchema = "param.invalid.schema", 400, AfterFix, "A parameter does not match its schema";

    ResourceNotFound = "resource.not_found", 404, Never, "Not found";
    ResourceMethodNotAllowed = "resource.method_not_allowed", 405, Never, "Method not allowed";
    ResourceExists = "resource.exists", 409, Never, "Already exists";
    ResourceConflict = "resource.conflict", 409, Never, "Conflict";
    ResourceGone = "resource.gone", 410, Never, "Gone";

    PreconditionFailed = "precondition.failed", 412, Never, "A precondition failed";
    IdempotencyMismatch = "idempotency.mismatch", 422, Never, "The idempotency key was used for another request";
    IdempotencyInFlight = "idempotency.in_flight", 409, AfterDelay, "A request with this idempotency key is in progress";
    /// The request was executed, but its response is not stored.
    IdempotencyCompleted = "idempotency.completed", 409, Never, "A request with this idempotency key has completed";

    RuleFailed = "rule.failed", 500, Never, "The request could not be checked";

    UpstreamUnreachable = "upstream.unreachable", 502, Backoff, "The service is temporarily unreachable";
    UpstreamUnavailable = "upstream.unavailable", 503, Backoff, "The service is temporarily unavailable";
    /// No instance of the upstream is healthy, so none was called.
    UpstreamUnhealthy = "upstream.unhealthy", 503, Backoff, "The service has no healthy instance at the moment";
    UpstreamTimeout = "upstream.timeout", 504, Backoff, "The service took too long to respond";
    UpstreamInvalidResponse = "upstream.invalid_response", 502, Backoff, "The service returned an invalid response";
    UpstreamFailed = "upstream.failed", 500, Backoff, "The service failed to process the request";

    StoreUnavailableKeys = "store.unavailable.keys", 503, AfterDelay, "API keys cannot be verified at the moment";
    /// The key set that verifies tokens could not be fetched.
    StoreUnavailableTokenKeys = "store.unavailable.token_keys", 503, AfterDelay, "Tokens cannot be verified at the moment";
    StoreUnavailableLimits = "store.unavailable.limits", 503, AfterDelay, "Limits cannot be checked at the moment";
    StoreUnavailableCredits = "store.unavailable.credits", 503, AfterDelay, "Credits cannot be charged at the moment";

    Overloaded = "overloaded", 503, AfterDelay, "The service is overloaded";
    Internal = "internal", 500, Backoff, "Internal error";
    /// For the log only: no response can be sent.
    ClientGone = "client.gone", 0, Never, "The client closed the connection";
}

/// The table row of `upstream.refused.STATUS`; the derived error keeps the upstream's status.
fn rejected_defaults(status: RejectedStatus) -> Defaults {
    // Names are `&'static str`, so the one hundred of them are made once.
    static NAMES: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    let names = NAMES.get_or_init(|| (400..500).map(|status| format!("upstream.refused.{status}")).collect());
    let retry = match status.0 {
        408 | 425 => RetryClass::Backoff,
        429 => RetryClass::AfterDelay,
        _ => RetryClass::Never,
    };
    let title = status.title().unwrap_or("The service rejected the request");
    Defaults { name: &names[usize::from(status.0 - 400)], status: status.0, retry, title }
}

impl Condition {
    /// The number of conditions.
    pub const COUNT: usize = FIXED.len() + 100;

    /// Every condition, in the order of the table.
    pub fn all() -> impl Iterator<Item = Condition> {
        let by_status = (400..500).map(|status| Condition::UpstreamRefused(RejectedStatus(status)));
        FIXED.iter().map(|(condition, _)| *condition).chain(by_status)
    }

    /// Whether listings show this condition by itself. Those below `upstream.refused` are too many and are shown as one.
    pub fn is_listed(self) -> bool {
        !matches!(self, Condition::UpstreamRefused(_))
    }

    /// The row of the table: the name, and the error that is derived where no contract claims the condition.
    pub fn defaults(self) -> Defaults {
        match self {
            Condition::UpstreamRefused(status) => rejected_defaults(status),
            fixed => FIXED[fixed.index()].1,
        }
    }

    /// The dotted name.
    pub fn name(self) -> &'static str {
        self.defaults().name
    }

    /// The condition with this dotted name. A branch is not a condition.
    pub fn from_name(name: &str) -> Option<Condition> {
        Condition::all().find(|condition| condition.name() == name)
    }

    /// Whether `claim` is the name of this condition or of a branch above it.
    ///
    /// `upstream` does not cover `upstream.refused`: it says that the service has failed, and a service that rejects a
    /// request has not.
    pub fn covered_by(self, claim: &str) -> bool {
        if matches!(self, Condition::UpstreamRefused(_)) && claim == "upstream" {
            return false;
        }
        let name = self.name();
        name.strip_prefix(claim).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Whether this concerns one parameter or one part of the body, so that a request can have several.
    pub fn is_violation(self) -> bool {
        self.covered_by("param")
    }

    /// The party that caused the error.
    pub fn origin(self) -> ErrorOrigin {
        let name = self.name();
        match name.split('.').next() {
            Some("upstream") => ErrorOrigin::Upstream,
            Some("store" | "overloaded" | "internal" | "rule") => ErrorOrigin::Gateway,
            _ => ErrorOrigin::Client,
        }
    }

    /// Whether an upstream may raise this condition by name.
    ///
    /// Keys, rate limits and credits are enforced by the gateway: an upstream's 401 is about the gateway's own account
    /// with that upstream, not about the caller.
    pub fn upstream_may_raise(self) -> bool {
        const ROOTS: [&str; 7] = [
            "resource",
            "param",
            "body",
            "precondition",
            "upstream",
            "upstream.refused",
            "permission.resource",
        ];
        // Whether one of its instances is healthy is known to the gateway only.
        self != Condition::UpstreamUnhealthy && ROOTS.iter().any(|root| self.covered_by(root))
    }

    /// Whether the gateway rejects a request for this before it calls the upstream, and never after.
    pub(crate) fn is_raised_before_forwarding(self) -> bool {
        const ROOTS: [&str; 11] = [
            "credential",
            "permission",
            "plan",
            "credits",
            "rate",
            "quota",
            "idempotency.in_flight",
            "idempotency.mismatch",
            "overloaded",
            "store",
            "upstream.unhealthy",
        ];
        ROOTS.iter().any(|root| self.covered_by(root))
    }
}

impl std::str::FromStr for Condition {
    type Err = UnknownCondition;

    fn from_str(name: &str) -> Result<Self, UnknownCondition> {
        Condition::from_name(name).ok_or_else(|| UnknownCondition(name.to_owned()))
    }
}

/// A name that no condition has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCondition(String);

impl fmt::Display for UnknownCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown condition `{}`", self.0)
    }
}

impl std::error::Error for UnknownCondition {}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The title of an error that claims a branch and has no title of its own. The title of one leaf would be wrong for the
/// others.
const BRANCHES: &[(&str, &str)] = &[
    ("credential", "The credentials are missing or invalid"),
    ("credential.token", "The token is invalid"),
    ("permission", "Permission denied"),
    ("plan", "The plan does not include this feature"),
    ("credits", "Insufficient credits"),
    ("rate", "Rate limit exceeded"),
    ("quota", "Quota exceeded"),
    ("request", "The request is invalid"),
    ("body", "The request body is invalid"),
    ("param", "Parameters are missing or invalid"),
    ("param.invalid", "A parameter is invalid"),
    ("param.invalid.type", "A parameter has the wrong type"),
    ("param.invalid.format", "A parameter has the wrong format"),
    ("param.invalid.length", "A parameter has the wrong length"),
    ("param.invalid.count", "A parameter has too few or too many elements"),
    ("resource", "The resource is not available"),
    ("precondition", "A precondition failed"),
    ("idempotency", "The idempotency key is in use"),
    ("rule", "The request could not be checked"),
    ("upstream", "The service failed to process the request"),
    ("upstream.refused", "The service rejected the request"),
    ("store", "The service is temporarily unavailable"),
    ("store.unavailable", "The service is temporarily unavailable"),
    ("client", "The client closed the connection"),
];

/// The title of an error that makes this claim and has no title of its own; `None` if the claim is the API's own.
pub(crate) fn default_title(claim: &str) -> Option<&'static str> {
    let of_branch = BRANCHES.iter().find(|(branch, _)| *branch == claim).map(|(_, title)| *title);
    of_branch.or_else(|| Condition::from_name(claim).map(|leaf| leaf.defaults().title))
}

/// Every name that a claim can have: conditions and branches, sorted.
pub fn claim_names() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = vec!["upstream.refused"];
    for condition in Condition::all().filter(|condition| condition.is_listed()) {
        let name = condition.name();
        for (dot, _) in name.match_indices('.') {
            names.push(&name[..dot]);
        }
        names.push(name);
    }
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_name_identify_each_condition() {
        for (position, condition) in Condition::all().enumerate() {
            assert_eq!(condition.index(), position, "{condition}");
            assert_eq!(Condition::from_name(condition.name()), Some(condition));
            assert_eq!(condition.name().parse(), Ok(condition));
        }
        assert_eq!(Condition::all().count(), Condition::COUNT);
    }

    #[test]
    fn no_condition_is_also_a_branch() {
        for leaf in Condition::all() {
            for other in Condition::all().filter(|other| *other != leaf) {
                assert!(!other.covered_by(leaf.name()), "{leaf} has {other} below it");
            }
        }
    }

    #[test]
    fn every_claim_has_a_title_that_fits_all_conditions_below() {
        for claim in claim_names() {
            let title = default_title(claim).unwrap_or_else(|| panic!("{claim}"));
            let covered: Vec<Condition> =
                Condition::all().filter(|condition| condition.covered_by(claim)).collect();
            let is_of_leaf =
                covered.iter().filter(|condition| condition.defaults().title == title).count() == 1;
            assert!(!is_of_leaf || covered.len() == 1 || SHARED.contains(&claim), "{claim}: {title}");
        }
    }

    /// Branches whose title is that of one condition below them, because the others are special cases of it.
    const SHARED: [&str; 5] = ["plan", "rate", "upstream", "param.invalid.type", "param.invalid.format"];

    #[test]
    fn claims_match_whole_name_segments() {
        assert!(Condition::ParamTypeArray.covered_by("param"));
        assert!(Condition::ParamTypeArray.covered_by("param.invalid.type.array"));
        assert!(!Condition::ParamTypeArray.covered_by("par"));
        assert!(!Condition::ParamFormatDateTime.covered_by("param.invalid.format.date"));
    }

    #[test]
    fn upstreams_cannot_raise_key_rate_or_credit_conditions() {
        for condition in Condition::all().filter(|condition| condition.upstream_may_raise()) {
            for root in ["credential", "rate", "quota", "credits", "plan", "store"] {
                assert!(!condition.covered_by(root), "{condition}");
            }
        }
    }
}
