//! The writing connection with its prepared statements, and the transactions on it.

use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use crate::connection::{bounded, connect};
use crate::error::DbError;
use crate::settings::Settings;
use crate::{books, claims};

/// How long a whole transaction of a batch may take.
pub(crate) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Renews the lease of a node, by the clock of the database, and returns that clock. The row stays locked until the
/// transaction ends: nobody resolves the holds of a node while it writes, and a node whose lease was taken does not write.
const RENEW: &str = "UPDATE demur.node SET lease_ends = clock_timestamp() + $2 * interval '1 microsecond'
    WHERE epoch = $1 AND lease_ends <> '-infinity'
    RETURNING (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

pub(crate) const INSERT_HOLDS: &str = "INSERT INTO demur.hold
        (hold, epoch, account, operation, from_monthly, from_non_expiring, month, began, lease_ends)
    SELECT hold, $2, account, operation, from_monthly, from_non_expiring, month, began, lease_ends
    FROM unnest($1::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[], $9::bigint[])
        AS u (hold, account, operation, from_monthly, from_non_expiring, month, began, lease_ends)";

pub(crate) const DELETE_HOLDS: &str = "DELETE FROM demur.hold WHERE hold = ANY($1)";

/// The writing connection.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) renew: Statement,
    pub(crate) lock_accounts: Statement,
    pub(crate) select_claims: Statement,
    pub(crate) update_accounts: Statement,
    pub(crate) insert_entries: Statement,
    pub(crate) insert_holds: Statement,
    pub(crate) delete_holds: Statement,
    pub(crate) upsert_claims: Statement,
}

/// Values of a statement.
pub(crate) type Values<'v> = Vec<&'v (dyn ToSql + Sync)>;

impl Session {
    /// Connects and prepares the statements.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, DbError> {
        let client = connect(settings, None).await.map_err(|error| DbError::Failed(error.to_string()))?;
        let prepared = bounded(TRANSACTION_TIMEOUT, async {
            let all = [
                RENEW,
                books::LOCK,
                claims::SELECT,
                books::UPDATE,
                books::INSERT_ENTRIES,
                INSERT_HOLDS,
                DELETE_HOLDS,
                claims::UPSERT,
            ];
            join_all(all.map(|sql| client.prepare(sql))).await.into_iter().collect::<Result<Vec<_>, _>>()
        });
        let prepared: [Statement; 8] =
            prepared.await?.try_into().map_err(|_| DbError::Failed("statements are missing".to_owned()))?;
        let [
            renew,
            lock_accounts,
            select_claims,
            update_accounts,
            insert_entries,
            insert_holds,
            delete_holds,
            upsert_claims,
        ] = prepared;
        Ok(Self {
            client,
            renew,
            lock_accounts,
            select_claims,
            update_accounts,
            insert_entries,
            insert_holds,
            delete_holds,
            upsert_claims,
        })
    }

    /// Sends statements one after the other without waiting for each, and returns their rows. The first error is
    /// returned; the statements after it have failed too.
    pub(crate) async fn pipeline(
        &self,
        statements: Vec<(&Statement, Values<'_>)>,
    ) -> Result<Vec<Vec<Row>>, DbError> {
        let sent = statements.into_iter().map(|(statement, values)| -> BoxFuture<'_, _> {
            Box::pin(async move { self.client.query(statement, &values).await })
        });
        let results = join_all(sent).await;
        Ok(results.into_iter().collect::<Result<Vec<_>, _>>()?)
    }

    /// The same in a new transaction.
    pub(crate) async fn begin_with(
        &self,
        statements: Vec<(&Statement, Values<'_>)>,
    ) -> Result<Vec<Vec<Row>>, DbError> {
        let (begun, results) =
            futures_util::future::join(self.client.batch_execute("BEGIN"), self.pipeline(statements)).await;
        begun?;
        results
    }

    /// Ends a transaction that failed. Returns whether the connection can be used again.
    pub(crate) async fn roll_back(&self) -> bool {
        bounded(Duration::from_secs(1), self.client.batch_execute("ROLLBACK")).await.is_ok()
    }
}
