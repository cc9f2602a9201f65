//! Every operation, in rows of their own and in batches: each was held once and ended at most once, and what they
//! posted and hold is summed up by account.

use std::collections::HashMap;

use demur_admission::{Check, HoldSource};
use rusqlite::types::Type;
use rusqlite::{Connection, params};

use super::Finding;
use crate::batch_codec::{self, BatchEntry};

/// So many accounts are summed up in memory before the sums go into the temporary table.
const MOST_ACCOUNTS: usize = 4096;

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

/// Looks at all operations, and leaves their sums in `temp.sums`.
pub(super) fn check(connection: &Connection) -> rusqlite::Result<Check> {
    let rule = "every operation was held once, ended at most once, and posted no more than it held";
    let mut look = Look { connection, finding: Finding::of(rule), sums: HashMap::new(), last: None };
    connection.execute_batch(TABLE)?;
    look.at_rows()?;
    look.at_batches()?;
    look.flush()?;
    Ok(look.finding.into())
}

/// What one account's operations posted and hold, and how much of it is of months' credits.
#[derive(Debug, Default, Clone, Copy)]
struct OperationTotals {
    posted: u64,
    posted_monthly: u64,
    held: u64,
    held_monthly: u64,
}

struct Look<'c> {
    connection: &'c Connection,
    finding: Finding,
    sums: HashMap<String, OperationTotals>,
    /// The first and the latest hold of the batches read so far. Their numbers grow from one to the next, so no
    /// other needs to be remembered to see that one comes twice.
    last: Option<(u64, u64)>,
}

impl Look<'_> {
    fn at_rows(&mut self) -> rusqlite::Result<()> {
        let sql = "SELECT account, count(*), sum(posted > from_monthly + from_lasting OR (state <> 1 AND posted > 0))
                   FROM operation GROUP BY account";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.finding.examined += row.get::<_, u64>(1)?;
            if row.get::<_, i64>(2)? > 0 {
                let account: String = row.get(0)?;
                self.finding.violated(|| format!("{account} has operations that posted more than they held"));
            }
        }
        Ok(())
    }

    fn at_batches(&mut self) -> rusqlite::Result<()> {
        let mut open = HashMap::new();
        let mut statement = self.connection.prepare("SELECT entries FROM batch ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for entry in batch_codec::read(row.get_ref(0)?.as_blob()?) {
                let unfit = |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error));
                self.at_entry(&entry.map_err(unfit)?, &mut open)?;
            }
        }
        for (account, source) in open.into_values() {
            let (held, held_monthly) = (source.amount(), source.monthly);
            self.add(account, OperationTotals { held, held_monthly, ..OperationTotals::default() })?;
        }
        Ok(())
    }

    fn at_entry(
        &mut self,
        entry: &BatchEntry<'_>,
        open: &mut HashMap<u64, (String, HoldSource)>,
    ) -> rusqlite::Result<()> {
        let (hold, posted) = match *entry {
            BatchEntry::Held { hold, account, source, .. } => {
                self.finding.examined += 1;
                let (first, last) = self.last.map_or((hold.0, None), |(first, last)| (first, Some(last)));
                if last.is_some_and(|last| hold.0 <= last) {
                    self.finding.violated(|| format!("hold {} was made twice", hold.0));
                }
                self.last = Some((first, hold.0.max(last.unwrap_or_default())));
                open.insert(hold.0, (account.to_owned(), source));
                return Ok(());
            }
            BatchEntry::Settled { hold, posted, .. } | BatchEntry::OutcomeUnknown { hold, posted, .. } => {
                (hold.0, posted)
            }
            BatchEntry::HoldCarried { hold, account, amount } => {
                let is_so = open
                    .get(&hold.0)
                    .is_some_and(|(held_for, source)| held_for == account && source.amount() == amount);
                if !is_so && self.last.is_some_and(|(first, _)| hold.0 >= first) {
                    self.finding.violated(|| format!("hold {} is said to be open, and is not", hold.0));
                }
                return Ok(());
            }
        };
        let Some((account, source)) = open.remove(&hold) else {
            // What is below the first of all was pruned.
            if self.last.is_some_and(|(first, _)| hold >= first) {
                self.finding.violated(|| format!("hold {hold} ended twice"));
            }
            return Ok(());
        };
        if posted > source.amount() {
            self.finding.violated(|| format!("hold {hold} posted more than it held"));
        }
        let posted_monthly = source.monthly_spent(posted);
        self.add(account, OperationTotals { posted, posted_monthly, ..OperationTotals::default() })
    }

    fn add(&mut self, account: String, more: OperationTotals) -> rusqlite::Result<()> {
        let sum = self.sums.entry(account).or_default();
        // Books that come near the end of the numbers are damaged, and found to be so.
        sum.posted = sum.posted.saturating_add(more.posted);
        sum.posted_monthly = sum.posted_monthly.saturating_add(more.posted_monthly);
        sum.held = sum.held.saturating_add(more.held);
        sum.held_monthly = sum.held_monthly.saturating_add(more.held_monthly);
        if self.sums.len() >= MOST_ACCOUNTS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> rusqlite::Result<()> {
        // Far beyond what an account can have, and far from the end of the numbers even when added up.
        const MOST: u64 = 1 << 61;
        let mut statement = self.connection.prepare_cached(ADD)?;
        for (account, OperationTotals { posted, posted_monthly, held, held_monthly }) in self.sums.drain() {
            let [posted, posted_monthly, held, held_monthly] =
                [posted, posted_monthly, held, held_monthly].map(|sum| sum.min(MOST));
            statement.execute(params![account, posted, posted_monthly, held, held_monthly])?;
        }
        Ok(())
    }
}
