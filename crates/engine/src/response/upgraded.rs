//! What the server needs to know of a connection that has been upgraded.

use std::time::Duration;

use demur_admission::{KeyWatch, Now};
use demur_contract::Condition;

use crate::reject::rejection::Rejection;
use crate::request::context::RequestContext;
use crate::settings::WebSocket;

/// An upgraded connection: an extension of its 101 response.
#[derive(Debug, Clone)]
pub struct Upgraded {
    /// How long it may be without a byte in either direction.
    pub idle_timeout: Duration,
    /// How long it may last.
    pub max_lifetime: Option<Duration>,
    /// The caller's key; none of an anonymous operation.
    key: Option<KeyWatch>,
}

impl Upgraded {
    /// That of a request whose handshake was accepted.
    pub(crate) fn of(context: &RequestContext) -> Option<Self> {
        let WebSocket { idle_timeout, max_lifetime, .. } =
            *context.operation_settings()?.websocket.as_ref()?;
        let key = context.principal().map(|caller| KeyWatch::new(context.engine().admission(), caller));
        Some(Self { idle_timeout, max_lifetime, key })
    }

    /// Why the caller's key is not valid any more, if it is not. The server asks at intervals.
    pub async fn check_key(&mut self, now: Now) -> Result<(), Condition> {
        let Some(key) = &mut self.key else { return Ok(()) };
        let checked = key.check(now).await;
        checked.map_err(|denial| Rejection::from(denial).condition().unwrap_or(Condition::CredentialUnknown))
    }
}
