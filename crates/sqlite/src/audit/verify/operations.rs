//! The check of every operation, in rows and in batches: each was held once and settled at most once. It also sums up
//! what they posted and hold, by account.

use std::collections::HashMap;

use demur_admission::{Check, HoldSource};
use rusqlite::types::Type;
use rusqlite::{Connection, params};

use super::rule_check::RuleCheck;
use crate::batch_codec::{self, BatchEntry};

/// The maximum number of accounts in memory before their sums go to the temporary table.
const MAX_ACCOUNTS: usize = 4096;

const TABLE: &str = "
    DROP TABLE IF EXISTS temp.sums;
    CREATE TEMPORARY TABLE sums (
        account        TEXT PRIMARY KEY,
        posted         INTEGER NOT NULL,
        posted_monthly INTEGER NOT NULL,
        held           INTEGER NOT NULL,
        held_monthly   INTEGER NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO temp.sums
        SELECT account, sum(posted), sum(min(posted, from_monthly)),
            sum(iif(state = 0, from_monthly + from_lasting, 0)), sum(iif(state = 0, from_monthly, 0))
        FROM operation GROUP BY account";

const ADD: &str = "
    INSERT INTO temp.sums VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (account) DO UPDATE
    SET posted = posted + excluded.posted, posted_monthly = posted_monthly + excluded.posted_monthly,
        held = held + excluded.held, held_monthly = held_monthly + excluded.held_monthly";

/// Checks all operations, and leaves their sums in `temp.sums`.
pub(super) fn check(connection: &Connection) -> rusqlite::Result<Check> {
    let rule = "every operation was held once, settled at most once, and spent no more than it held";
    let mut verifier = Verifier { connection, check: RuleCheck::new(rule), sums: HashMap::new(), last: None };
    connection.execute_batch(TABLE)?;
    verifier.check_rows()?;
    verifier.check_batches()?;
    verifier.flush()?;
    Ok(verifier.check.into())
}

/// What one account's operations posted and hold, and how much of it is from monthly credits.
#[derive(Debug, Default, Clone, Copy)]
struct OperationTotals {
    posted: u64,
    posted_monthly: u64,
    held: u64,
    held_monthly: u64,
}

struct Verifier<'c> {
    connection: &'c Connection,
    check: RuleCheck,
    sums: HashMap<String, OperationTotals>,
    /// The first and the latest hold of the batches read so far. Their numbers increase, so these two suffice to notice a
    /// duplicate.
    last: Option<(u64, u64)>,
}

impl Verifier<'_> {
    fn check_rows(&mut self) -> rusqlite::Result<()> {
        let sql = "SELECT account, count(*), sum(posted > from_monthly + from_lasting OR (state <> 1 AND posted > 0))
                   FROM operation GROUP BY account";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.check.examined += row.get::<_, u64>(1)?;
            if row.get::<_, i64>(2)? > 0 {
                let account: String = row.get(0)?;
                self.check
                    .add_violation(|| format!("account `{account}`: operations posted more than they held"));
            }
        }
        Ok(())
    }

    fn check_batches(&mut self) -> rusqlite::Result<()> {
        let mut open = HashMap::new();
        let mut statement = self.connection.prepare("SELECT entries FROM batch ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for entry in batch_codec::read(row.get_ref(0)?.as_blob()?) {
                let conversion_error =
                    |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error));
                self.check_entry(&entry.map_err(conversion_error)?, &mut open)?;
            }
        }
        for (account, source) in open.into_values() {
            let (held, held_monthly) = (source.amount(), source.monthly);
            self.add(account, OperationTotals { held, held_monthly, ..OperationTotals::default() })?;
        }
        Ok(())
    }

    fn check_entry(
        &mut self,
        entry: &BatchEntry<'_>,
        open: &mut HashMap<u64, (String, HoldSource)>,
    ) -> rusqlite::Result<()> {
        let (hold, posted) = match *entry {
            BatchEntry::Held { hold, account, source, .. } => {
                self.check.examined += 1;
                let (first, last) = self.last.map_or((hold.0, None), |(first, last)| (first, Some(last)));
                if last.is_some_and(|last| hold.0 <= last) {
                    self.check.add_violation(|| format!("hold {}: created twice", hold.0));
                }
                self.last = Some((first, hold.0.max(last.unwrap_or_default())));
                open.insert(hold.0, (account.to_owned(), source));
                return Ok(());
            }
            BatchEntry::Settled { hold, posted, .. } | BatchEntry::OutcomeUnknown { hold, posted, .. } => {
                (hold.0, posted)
            }
            BatchEntry::HoldCarried { hold, account, amount } => {
                let is_open = open
                    .get(&hold.0)
                    .is_some_and(|(owner, source)| owner == account && source.amount() == amount);
                if !is_open && self.last.is_some_and(|(first, _)| hold.0 >= first) {
                    self.check.add_violation(|| format!("hold {}: asserted as open, but is not", hold.0));
                }
                return Ok(());
            }
        };
        let Some((account, source)) = open.remove(&hold) else {
            // Holds below the first one were pruned.
            if self.last.is_some_and(|(first, _)| hold >= first) {
                self.check.add_violation(|| format!("hold {hold}: settled twice"));
            }
            return Ok(());
        };
        if posted > source.amount() {
            self.check.add_violation(|| format!("hold {hold}: posted more than it held"));
        }
        let posted_monthly = source.monthly_spent(posted);
        self.add(account, OperationTotals { posted, posted_monthly, ..OperationTotals::default() })
    }

    fn add(&mut self, account: String, more: OperationTotals) -> rusqlite::Result<()> {
        let sum = self.sums.entry(account).or_default();
        // Sums near the maximum are damaged data, which the comparison reports.
        sum.posted = sum.posted.saturating_add(more.posted);
        sum.posted_monthly = sum.posted_monthly.saturating_add(more.posted_monthly);
        sum.held = sum.held.saturating_add(more.held);
        sum.held_monthly = sum.held_monthly.saturating_add(more.held_monthly);
        if self.sums.len() >= MAX_ACCOUNTS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> rusqlite::Result<()> {
        // Far beyond what an account can have, and far from an overflow even when added up.
        const MAX_SUM: u64 = 1 << 61;
        let mut statement = self.connection.prepare_cached(ADD)?;
        for (account, OperationTotals { posted, posted_monthly, held, held_monthly }) in self.sums.drain() {
            let [posted, posted_monthly, held, held_monthly] =
                [posted, posted_monthly, held, held_monthly].map(|sum| sum.min(MAX_SUM));
            statement.execute(params![account, posted, posted_monthly, held, held_monthly])?;
        }
        Ok(())
    }
}
