//! What a stage of a request returns.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use demur_admission::{Balance, Denial, Hold, LimitPermit, Principal};
use http::Response;

use crate::reject::rejection::Rejection;
use crate::request::body::RequestBody;
use crate::request::operation::ResolvedOperation;
use crate::request::reservation::ReserveOutcome;

/// The result of a stage that does not reject the request.
pub(crate) enum StageResult<B> {
    /// The request is forwarded.
    Forward(ForwardPlan<B>),
    /// The request is a CORS preflight, and this is its response.
    Preflight(Response<()>),
    /// The request was executed before, and this was its response. Boxed: repeats are rare.
    Replay(Box<Response<Option<Bytes>>>),
    /// The request waits.
    Suspend(SuspendReason<B>, ResolvedOperation),
}

pub(crate) type StageOutcome<B> = Result<StageResult<B>, Rejection>;

/// How a request is forwarded.
pub(crate) struct ForwardPlan<B> {
    /// The API's index in the engine.
    pub(crate) api: usize,
    pub(crate) body: RequestBody<B>,
    pub(crate) hold: Hold,
    /// Boxed: most requests cost nothing.
    pub(crate) balance: Option<Box<Balance>>,
    /// The target, where it is not the one that the client sent.
    pub(crate) target: Option<String>,
    pub(crate) timeout: Option<Duration>,
}

/// What a request waits for.
pub(crate) enum SuspendReason<B> {
    /// The lookup of its key.
    Key(BoxFuture<Result<Arc<Principal>, Denial>>),
    /// Its limits.
    Limits(BoxFuture<Result<LimitPermit, Denial>>),
    /// Its body, up to this length.
    Body(u64),
    /// The ledger. The body has been validated by then.
    Credits(RequestBody<B>, BoxFuture<ReserveOutcome>),
}

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
