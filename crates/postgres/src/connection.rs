//! Connections: how they are made, and the checks and settings of each.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;
use tokio_postgres::{AsyncMessage, Client};

use crate::error::{DbError, OLDEST_SERVER, OpenError};
use crate::settings::Settings;

/// How long a statement of a request may take. The server enforces it too.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long all of a new connection may take, with TLS and authentication.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The settings of each session. An abandoned transaction ends by itself, so that its locks do not outlive its node; and a
/// commit is durable when it returns, whatever the default of the database is.
const SESSION: &str =
    "SET statement_timeout = '5s'; SET lock_timeout = '3s'; SET idle_in_transaction_session_timeout = '10s';
    SET client_min_messages = warning;
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')";

/// Connects, and returns the client. `changed` is notified of every notification of the server.
pub(crate) async fn connect(settings: &Settings, changed: Option<Arc<Notify>>) -> Result<Client, OpenError> {
    let connecting = async {
        let (client, mut connection) =
            settings.server.connect(settings.tls.clone()).await.map_err(OpenError::query)?;
        // The task ends with its connection, or when the client is dropped.
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let (AsyncMessage::Notification(_), Some(changed)) = (message, &changed) {
                    changed.notify_one();
                }
            }
        });
        client.batch_execute(SESSION).await.map_err(OpenError::query)?;
        Ok(client)
    };
    let unreachable = |_| OpenError::Unreachable { cause: "the server does not reply".to_owned() };
    tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(unreachable)?
}

/// Verifies that the server is one that a store can be on.
pub(crate) async fn check_server(client: &Client) -> Result<(), OpenError> {
    let sql = "SELECT current_setting('server_version_num')::integer, current_setting('server_version'),
                   pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean,
                   pg_encoding_to_char(encoding)::text,
                   current_setting('fsync')::boolean AND current_setting('full_page_writes')::boolean
               FROM pg_database WHERE datname = current_database()";
    let row = client.query_one(sql, &[]).await.map_err(OpenError::query)?;
    let (number, found): (i32, String) =
        (row.try_get(0).map_err(OpenError::query)?, row.try_get(1).map_err(OpenError::query)?);
    if number < OLDEST_SERVER {
        return Err(OpenError::TooOld { found });
    }
    if row.try_get(2).map_err(OpenError::query)? {
        return Err(OpenError::Standby);
    }
    let encoding: String = row.try_get(3).map_err(OpenError::query)?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { found: encoding });
    }
    let is_durable: bool = row.try_get(4).map_err(OpenError::query)?;
    if !is_durable {
        tracing::warn!("store not crash safe");
    }
    Ok(())
}

/// Awaits the reply of the server, for a bounded time.
pub(crate) async fn bounded<T, E: Into<DbError>>(
    limit: Duration,
    reply: impl Future<Output = Result<T, E>>,
) -> Result<T, DbError> {
    match tokio::time::timeout(limit, reply).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(DbError::TimedOut),
    }
}

/// A connection that several tasks share, made again when it has failed.
pub(crate) struct SharedConnection {
    settings: Arc<Settings>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    client: Option<Arc<Client>>,
    /// When the latest attempt to connect failed, and why.
    failed: Option<(Instant, DbError)>,
}

impl SharedConnection {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, state: Mutex::default() }
    }

    /// Returns the connection. Tasks that wait for the same attempt share its error, so that each waits for one attempt
    /// only.
    pub(crate) async fn client(&self) -> Result<Arc<Client>, DbError> {
        let since = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(client) = state.client.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        state.client = None;
        if let Some((at, error)) = &state.failed
            && *at > since
        {
            return Err(error.clone());
        }
        match connect(&self.settings, None).await {
            Ok(client) => {
                let client = Arc::new(client);
                state.client = Some(Arc::clone(&client));
                Ok(client)
            }
            Err(error) => {
                let error = DbError::Failed(error.to_string());
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Discards a connection that does not reply.
    pub(crate) async fn discard(&self, stale: &Arc<Client>) {
        let mut state = self.state.lock().await;
        if state.client.as_ref().is_some_and(|client| Arc::ptr_eq(client, stale)) {
            state.client = None;
        }
    }
}
