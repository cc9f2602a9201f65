//! How many of the held credits a call uses, when that is settled, and what an aborted call costs.

use http::HeaderName;

/// How a call is settled. A quota that counts successes goes by the same rules as the credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metering {
    /// Who says how much was used.
    pub source: UsageSource,
    /// What settles a call that succeeds.
    pub settle_at: SettleAt,
    /// What becomes of it where the client goes away before.
    pub on_client_abort: OnAbort,
    /// What becomes of it where the upstream cuts its content before.
    pub on_upstream_abort: OnAbort,
}

/// Who says how much was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageSource {
    /// Nobody: a call uses all that it costs.
    Nobody,
    /// The upstream, in a field of its answer.
    Field(HeaderName),
    /// The upstream, in a trailer field: behind the content, when it knows.
    Trailer(HeaderName),
}

/// What settles a call that succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleAt {
    /// The head of the answer: what comes behind it changes nothing.
    Head,
    /// The end of its content.
    End,
}

/// What becomes of a call that comes to no good end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnAbort {
    /// It is charged as if it had ended: what was told by then, or else all that is held.
    Charge,
    /// It costs nothing.
    Release,
}

impl Metering {
    /// Where nothing is said. The client went away from work that was done; the upstream that breaks off did not do
    /// what it was asked for.
    pub(crate) const USUAL: Metering = Metering {
        source: UsageSource::Nobody,
        settle_at: SettleAt::End,
        on_client_abort: OnAbort::Charge,
        on_upstream_abort: OnAbort::Release,
    };
}

impl Default for Metering {
    fn default() -> Self {
        Self::USUAL
    }
}
