//! The headers that tell a client about limits and retries.
//!
//! This module defines their names and forms; the engine sets their values. `Retry-After` is not among them: it is part of
//! every rejection that a client can retry after a delay.

/// A set of response headers about limits or retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitHeaders {
    /// The state of the limit nearest to exhaustion, with one header for each number.
    Limits(LimitHeaderNames),
    /// All limits, as the structured fields (RFC 9651) `RateLimit` and `RateLimit-Policy` of
    /// draft-ietf-httpapi-ratelimit-headers.
    Ietf,
    /// `true` or `false`, by the retry class of the error, in the header with this lower-case name.
    ShouldRetry(String),
    /// The same for clients that do not read `Retry-After`: `true` only if they need not wait, so that they do not retry at
    /// once what needs a delay.
    ShouldRetryAtOnce(String),
    /// The delay of `Retry-After` in milliseconds, in the header with this lower-case name.
    RetryAfterMillis(String),
}

/// The lower-case names of the headers about one limit. A header without a name is not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitHeaderNames {
    /// The number of requests that the limit allows.
    pub limit: Option<String>,
    /// The number of remaining requests.
    pub remaining: Option<String>,
    /// The time at which the limit resets.
    pub reset: Option<String>,
    /// The form of that time.
    pub reset_as: ResetForm,
}

/// The form of the time at which a limit resets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResetForm {
    /// Seconds since 1970-01-01T00:00:00Z.
    #[default]
    EpochSeconds,
    /// Seconds from the time of the response.
    DelaySeconds,
    /// An HTTP date (RFC 9110, section 5.6.7).
    HttpDate,
}

impl ResetForm {
    pub(crate) const ALL: [(&'static str, ResetForm); 3] = [
        ("epoch_seconds", ResetForm::EpochSeconds),
        ("delay_seconds", ResetForm::DelaySeconds),
        ("http_date", ResetForm::HttpDate),
    ];
}

impl LimitHeaders {
    /// The predefined sets, by the words that contracts use.
    pub(crate) const WORDS: [&'static str; 4] = ["x-ratelimit", "ietf", "x-should-retry", "retry-after-ms"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let name = |suffix: &str| Some(format!("x-ratelimit-{suffix}"));
        Some(match word {
            "x-ratelimit" => LimitHeaders::Limits(LimitHeaderNames {
                limit: name("limit"),
                remaining: name("remaining"),
                reset: name("reset"),
                reset_as: ResetForm::EpochSeconds,
            }),
            "ietf" => LimitHeaders::Ietf,
            "x-should-retry" => LimitHeaders::ShouldRetry(word.to_owned()),
            "retry-after-ms" => LimitHeaders::RetryAfterMillis(word.to_owned()),
            _ => return None,
        })
    }
}
