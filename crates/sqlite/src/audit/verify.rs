//! The proof that the books add up, at one moment of a database in use. Each rule says how many things it
//! looked at: a proof that looked at nothing proves nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use demur_admission::Check;
use rusqlite::Connection;
use rusqlite::types::Type;

use crate::packed::{self, Entry};

/// So many violations of one rule are told.
const TOLD: usize = 20;

/// Everything that must hold.
pub(super) fn checks(connection: &Connection) -> rusqlite::Result<Vec<Check>> {
    let mut checks = vec![pages(connection)?, references(connection)?, purses(connection)?];
    let operations = Operations::read(connection)?;
    checks.push(operations.resolved());
    checks.extend(operations.sums(connection)?);
    checks.push(refunds(connection)?);
    Ok(checks)
}

fn check(rule: &str, examined: u64, violations: Vec<String>) -> Check {
    Check { rule: rule.to_owned(), examined, violations: violations.into_iter().take(TOLD).collect() }
}

fn pages(connection: &Connection) -> rusqlite::Result<Check> {
    let pages = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
    let said = statement.query_map([], |row| row.get::<_, String>(0))?;
    let said = said.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(check(
        "every page of the database is sound",
        pages,
        said.into_iter().filter(|said| said != "ok").collect(),
    ))
}

fn references(connection: &Connection) -> rusqlite::Result<Check> {
    let count = |sql| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
    let examined = count("SELECT count(*) FROM key")? + count("SELECT count(*) FROM secret")?;
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let broken = statement.query_map([], |row| {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        Ok(format!("a row of `{table}` names what `{parent}` has not"))
    })?;
    let broken = broken.collect::<rusqlite::Result<_>>()?;
    Ok(check("every key, secret and booking belongs to something that is there", examined, broken))
}

fn purses(connection: &Connection) -> rusqlite::Result<Check> {
    let examined = connection.query_row("SELECT count(*) FROM purse", [], |row| row.get(0))?;
    let sql = "SELECT account FROM purse
               WHERE granted <> monthly + lasting + held + posted + expired
                  OR min(monthly, lasting, held, posted, expired) < 0 LIMIT 20";
    let mut statement = connection.prepare(sql)?;
    let unsound = statement.query_map([], |row| row.get::<_, String>(0))?;
    let unsound = unsound.map(|account| account.map(|account| format!("{account} does not add up")));
    let rule = "granted = available + held + posted + expired, and nothing is below zero";
    Ok(check(rule, examined, unsound.collect::<rusqlite::Result<_>>()?))
}

fn refunds(connection: &Connection) -> rusqlite::Result<Check> {
    let sql = "SELECT count(*) FROM correction WHERE kind = 1";
    let examined = connection.query_row(sql, [], |row| row.get(0))?;
    let sql = "SELECT correction.account, correction.operation FROM correction JOIN operation
               ON operation.account = correction.account AND operation.id = correction.operation
               WHERE kind = 1 AND correction.amount > operation.posted LIMIT 20";
    let mut statement = connection.prepare(sql)?;
    let above = statement.query_map([], |row| {
        let (account, operation): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(format!("{account}: {operation} got back more than it was charged"))
    })?;
    Ok(check("no refund exceeds its charge", examined, above.collect::<rusqlite::Result<_>>()?))
}

/// What all operations say, in rows of their own and in batches.
#[derive(Default)]
struct Operations {
    count: u64,
    posted: BTreeMap<String, i128>,
    held: BTreeMap<String, i128>,
    violations: Vec<String>,
}

impl Operations {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut operations = Self::default();
        operations.read_rows(connection)?;
        operations.read_batches(connection)?;
        Ok(operations)
    }

    fn read_rows(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT account, count(*), sum(posted),
                       sum(iif(state = 0, from_monthly + from_lasting, 0)),
                       sum(posted > from_monthly + from_lasting OR (state <> 1 AND posted > 0))
                   FROM operation GROUP BY account";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let account: String = row.get(0)?;
            self.count += row.get::<_, u64>(1)?;
            *self.posted.entry(account.clone()).or_default() += i128::from(row.get::<_, i64>(2)?);
            *self.held.entry(account.clone()).or_default() += i128::from(row.get::<_, i64>(3)?);
            if row.get::<_, i64>(4)? > 0 {
                self.violations.push(format!("{account} has operations that posted more than they held"));
            }
        }
        Ok(())
    }

    fn read_batches(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut open: HashMap<u64, (String, u64)> = HashMap::new();
        let mut ended: HashSet<u64> = HashSet::new();
        // Hold ids grow from batch to batch: what is below the first was pruned.
        let mut first = None;
        let mut statement = connection.prepare("SELECT entries FROM batch ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for entry in packed::read(row.get_ref(0)?.as_blob()?) {
                let unfit = |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error));
                match entry.map_err(unfit)? {
                    Entry::Held { hold, account, source, .. } => {
                        first.get_or_insert(hold.0);
                        self.count += 1;
                        if open.insert(hold.0, (account.to_owned(), source.amount())).is_some()
                            || ended.contains(&hold.0)
                        {
                            self.violations.push(format!("hold {} was made twice", hold.0));
                        }
                    }
                    Entry::Settled { hold, posted } | Entry::OutcomeUnknown { hold, posted } => {
                        match open.remove(&hold.0) {
                            Some((account, held)) => {
                                ended.insert(hold.0);
                                if posted > held {
                                    self.violations.push(format!("hold {} posted more than it held", hold.0));
                                }
                                *self.posted.entry(account).or_default() += i128::from(posted);
                            }
                            None if first.is_none_or(|first| hold.0 < first) => {}
                            None => self.violations.push(format!("hold {} ended twice", hold.0)),
                        }
                    }
                }
            }
        }
        for (account, amount) in open.into_values() {
            *self.held.entry(account).or_default() += i128::from(amount);
        }
        Ok(())
    }

    fn resolved(&self) -> Check {
        let rule = "every operation was held once, ended at most once, and posted no more than it held";
        check(rule, self.count, self.violations.clone())
    }

    /// What the purses say against what grants and operations say.
    fn sums(&self, connection: &Connection) -> rusqlite::Result<Vec<Check>> {
        let sql = "SELECT purse.account, granted, posted, held,
                (SELECT coalesce(sum(amount), 0) FROM monthly_grant g WHERE g.account = purse.account),
                (SELECT coalesce(sum(amount), 0) FROM top_up t WHERE t.account = purse.account),
                (SELECT coalesce(sum(amount), 0) FROM correction c WHERE c.account = purse.account AND kind = 0),
                (SELECT coalesce(sum(amount), 0) FROM correction c WHERE c.account = purse.account AND kind = 1),
                (SELECT coalesce(sum(posted), 0) FROM pruned p WHERE p.account = purse.account)
            FROM purse";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let (mut examined, mut wrong) = (0, [Vec::new(), Vec::new(), Vec::new()]);
        while let Some(row) = rows.next()? {
            examined += 1;
            let account: String = row.get(0)?;
            let number = |column| row.get::<_, i64>(column).map(i128::from);
            let (granted, posted, held) = (number(1)?, number(2)?, number(3)?);
            let came = number(4)? + number(5)? - number(6)?;
            let spent = self.posted.get(&account).copied().unwrap_or_default() + number(8)? - number(7)?;
            let open = self.held.get(&account).copied().unwrap_or_default();
            for (wrong, purse, sum) in wrong
                .iter_mut()
                .zip([granted, posted, held])
                .zip([came, spent, open])
                .map(|((a, b), c)| (a, b, c))
            {
                if purse != sum {
                    wrong.push(format!("{account}: the purse says {purse}, the books say {sum}"));
                }
            }
        }
        let rules = [
            "granted is what monthly grants and top-ups brought, less withdrawals",
            "posted is what operations posted, less refunds",
            "held is what operations under way hold",
        ];
        Ok(rules.into_iter().zip(wrong).map(|(rule, wrong)| check(rule, examined, wrong)).collect())
    }
}
