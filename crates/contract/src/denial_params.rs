//! The parameters that the gateway itself sets when it rejects a request.

/// A parameter that the gateway itself sets when it rejects a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenialParam {
    /// The name in messages.
    pub name: &'static str,
    /// The conditions that set it.
    pub on: &'static [&'static str],
    /// A description for the documentation.
    pub meaning: &'static str,
}

const LIMITS: &[&str] = &["rate.exceeded", "rate.concurrency", "quota.exceeded", "credential.throttled"];
const CREDITS: &[&str] = &["credits.exhausted", "credits.held"];
const WINDOWS: &[&str] = &["rate.exceeded", "quota.exceeded", "credential.throttled"];

/// The parameters that the gateway itself sets, sorted by name.
pub const DENIAL_PARAMS: &[DenialParam] = &[
    param("address", &["permission.address"], "the client's address"),
    param("allow", &["resource.method_not_allowed"], "the methods that the path supports"),
    param("available", CREDITS, "the available credits"),
    param("claim", &["credential.token.claim"], "the claim that is missing or not accepted"),
    param("feature", &["plan.required"], "the feature that the plan does not include"),
    param(
        "limit",
        LIMITS,
        "the allowed number of requests or attempts per window, or of concurrent requests",
    ),
    param("max_bytes", &["body.too_large"], "the maximum body size in bytes, if `Content-Length` exceeds it"),
    param("method", &["resource.method_not_allowed"], "the method of the request"),
    param("needed", CREDITS, "the credits that the request costs"),
    param("operation", &["permission.operation"], "the operation that the key does not cover"),
    param("plan", &["plan.required", "plan.inactive"], "the plan of the account"),
    param("protocol", &["request.upgrade_rejected"], "the protocols that the request asks for"),
    param("remaining", LIMITS, "the remaining part of `limit`"),
    param(
        "resets_at",
        &["quota.exceeded", "credits.exhausted"],
        "the time at which the quota or the credits are renewed (RFC 3339), if known",
    ),
    param("resource", &["permission.resource"], "the resource that the key does not cover"),
    param("scheme", &["credential.scheme"], "the expected authentication scheme"),
    param("scope", &["permission.operation"], "the scope that the operation requires, if it requires one"),
    param("status", &["upstream.refused"], "the status of the upstream's response"),
    param(
        "violated_policies",
        &["rate.exceeded", "rate.concurrency", "quota.exceeded"],
        "the names of all exceeded limits: of rate limits, `concurrency`, `daily`",
    ),
    param("window", WINDOWS, "the window of the limit in seconds"),
];

const fn param(name: &'static str, on: &'static [&'static str], meaning: &'static str) -> DenialParam {
    DenialParam { name, on, meaning }
}
