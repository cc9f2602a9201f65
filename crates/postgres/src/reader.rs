//! The reading connection: it looks up keys and accounts, with the quota counts of the accounts, and stored responses.

use std::sync::Arc;

use demur_admission::{
    AccountId, AccountLookup, Candidates, Credential, Fingerprint, OperationId, StoredResponse,
};
use jiff::Timestamp;
use tokio_postgres::Client;

use crate::connection::{STATEMENT_TIMEOUT, SharedConnection, bounded};
use crate::directory;
use crate::error::DbError;
use crate::quota;
use crate::shared::Shared;

pub(crate) struct Reader {
    shared: Arc<Shared>,
    connection: SharedConnection,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let connection = SharedConnection::new(Arc::clone(&shared.settings));
        Self { shared, connection }
    }

    /// Finds a key. Its account's quota count is known before a meter of the account can be opened.
    pub(crate) async fn find(&self, digests: &Candidates) -> Result<Option<Arc<Credential>>, DbError> {
        let mut is_repeat = false;
        loop {
            let client = self.connection.client().await?;
            let found = bounded(STATEMENT_TIMEOUT, self.find_over(&client, digests)).await;
            if is_repeat || !self.is_repeatable(&found, &client).await {
                return found;
            }
            is_repeat = true;
        }
    }

    async fn find_over(
        &self,
        client: &Client,
        digests: &Candidates,
    ) -> Result<Option<Arc<Credential>>, DbError> {
        let found = directory::find(client, digests).await?;
        if let Some(credential) = &found {
            let Shared { counters, quota, .. } = &*self.shared;
            quota::restore(client, counters, quota, &credential.account.id).await?;
        }
        Ok(found)
    }

    /// Finds an account. Its quota count is known before a meter of the account can be opened.
    pub(crate) async fn account(&self, id: &AccountId) -> Result<AccountLookup, DbError> {
        let mut is_repeat = false;
        loop {
            let client = self.connection.client().await?;
            let found = bounded(STATEMENT_TIMEOUT, self.account_over(&client, id)).await;
            if is_repeat || !self.is_repeatable(&found, &client).await {
                return found;
            }
            is_repeat = true;
        }
    }

    async fn account_over(&self, client: &Client, id: &AccountId) -> Result<AccountLookup, DbError> {
        let Shared { counters, quota, .. } = &*self.shared;
        quota::restore(client, counters, quota, id).await?;
        directory::account(client, id).await
    }

    /// Returns the response to a completed operation, while it is stored.
    pub(crate) async fn response(
        &self,
        account: &AccountId,
        operation: &OperationId,
        fingerprint: &Fingerprint,
        at: Timestamp,
    ) -> Result<Option<StoredResponse>, DbError> {
        let sql = "SELECT response FROM demur.claim
                   WHERE account = $1 AND id = $2 AND fingerprint = $3 AND size > 0 AND expires > $4";
        let (account, operation) = (account.as_str(), operation.as_str());
        let (fingerprint, at) = (&fingerprint.0[..], at.as_microsecond());
        let mut is_repeat = false;
        loop {
            let client = self.connection.client().await?;
            let row =
                bounded(STATEMENT_TIMEOUT, client.query_opt(sql, &[&account, &operation, &fingerprint, &at]))
                    .await;
            if is_repeat || !self.is_repeatable(&row, &client).await {
                let bytes: Option<Vec<u8>> = row?.map(|row| row.try_get(0)).transpose()?.flatten();
                return Ok(bytes.and_then(StoredResponse::new));
            }
            is_repeat = true;
        }
    }

    /// Whether a query failed only because its connection was closed before, so that it may be repeated on a new one. A
    /// connection that does not reply is discarded.
    async fn is_repeatable<T>(&self, result: &Result<T, DbError>, client: &Arc<Client>) -> bool {
        match result {
            Err(DbError::TimedOut) => {
                self.connection.discard(client).await;
                false
            }
            Err(_) => client.is_closed(),
            Ok(_) => false,
        }
    }
}
