//! Reads of the ledger in a snapshot of its own while the nodes continue: statements and verification.

mod statement;
mod verify;

use std::time::Duration;

use demur_admission::{AccountId, AccountStatement, Balance, Check, Reply};
use jiff::Timestamp;
use tokio_postgres::Client;

use crate::connection::{bounded, connect};
use crate::error::DbError;
use crate::settings::Settings;

/// How long a statement or a verification may take.
const TIMEOUT: Duration = Duration::from_secs(600);

const SNAPSHOT: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = '600s';
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

async fn snapshot(settings: &Settings) -> Result<Client, DbError> {
    let client = connect(settings, None).await.map_err(|error| DbError::Failed(error.to_string()))?;
    client.batch_execute(SNAPSHOT).await?;
    Ok(client)
}

/// Returns the latest entries of an account, which has just been shown.
pub(crate) async fn statement(
    settings: &Settings,
    shown: AccountStatement,
    since: Option<Timestamp>,
    limit: u32,
) -> Result<Reply, DbError> {
    bounded(TIMEOUT, async {
        let client = snapshot(settings).await?;
        let account: &AccountId = &shown.account.id;
        let statement::Statement { credits, entries, more } =
            statement::statement(&client, account, since, limit).await?;
        // The balance must be of the same moment as the entries.
        let credits = Balance { resets_at: shown.credits.resets_at, ..credits };
        Ok::<_, DbError>(Reply::Statement { account: AccountStatement { credits, ..shown }, entries, more })
    })
    .await
}

/// Verifies the whole ledger.
pub(crate) async fn verify(settings: &Settings) -> Result<Reply, DbError> {
    bounded(TIMEOUT, async {
        let client = snapshot(settings).await?;
        let checks: Vec<Check> = verify::checks(&client).await?;
        Ok::<_, DbError>(Reply::Verified { checks })
    })
    .await
}
