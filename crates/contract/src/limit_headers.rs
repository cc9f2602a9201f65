//! Header fields beside the content: which families of them a contract's answers carry.
//!
//! Names and forms are data here; what stands in them is the engine's to say. `Retry-After` needs no entry:
//! it comes with every refusal after which waiting helps.

/// A family of header fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitHeaders {
    /// How the limit nearest exhaustion stands, a field for each number.
    Limits(LimitHeaderNames),
    /// `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers: every limit, as
    /// structured fields (RFC 9651).
    Ietf,
    /// `true` or `false` in a field of this name, in lower case, by the error's retry class.
    ShouldRetry(String),
    /// Beside `Retry-After`, the same delay in milliseconds in a field of this name, in lower case.
    RetryAfterMillis(String),
}

/// The fields of one limit, by their names in lower case. What has no name is not told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitHeaderNames {
    /// How many requests the limit allows.
    pub limit: Option<String>,
    /// How many are left.
    pub remaining: Option<String>,
    /// When they come back.
    pub reset: Option<String>,
    /// How that moment is written.
    pub reset_as: ResetForm,
}

/// How the moment is written at which a limit is whole again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResetForm {
    /// Seconds since 1970.
    #[default]
    EpochSeconds,
    /// Seconds from now.
    DelaySeconds,
    /// A date and time as in RFC 9110, section 5.6.7.
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
    /// The families that a word names.
    pub(crate) const WORDS: [&'static str; 4] = ["x-ratelimit", "ietf", "x-should-retry", "retry-after-ms"];

    pub(crate) fn named(word: &str) -> Option<Self> {
        let field = |name: &str| Some(format!("x-ratelimit-{name}"));
        Some(match word {
            "x-ratelimit" => LimitHeaders::Limits(LimitHeaderNames {
                limit: field("limit"),
                remaining: field("remaining"),
                reset: field("reset"),
                reset_as: ResetForm::EpochSeconds,
            }),
            "ietf" => LimitHeaders::Ietf,
            "x-should-retry" => LimitHeaders::ShouldRetry(word.to_owned()),
            "retry-after-ms" => LimitHeaders::RetryAfterMillis(word.to_owned()),
            _ => return None,
        })
    }
}
