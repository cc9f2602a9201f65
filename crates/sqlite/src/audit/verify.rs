//! The proof that the books add up, at one moment of a database in use. Each rule says how many things it
//! compared: a proof that compared nothing proves nothing.
//!
//! It takes the same memory however much has happened: sums by account lie in a temporary table, and of the holds
//! only those that are open where it reads are remembered.

mod operations;
mod refunds;

use demur_admission::Check;
use rusqlite::{Connection, Row};

/// So many violations of one rule are told.
const TOLD: usize = 20;

/// Everything that must hold.
pub(super) fn checks(connection: &Connection) -> rusqlite::Result<Vec<Check>> {
    let mut checks = vec![pages(connection)?, references(connection)?, purses(connection)?];
    checks.push(operations::check(connection)?);
    checks.extend(sums(connection)?);
    checks.push(refunds::check(connection)?);
    checks.push(claims(connection)?);
    Ok(checks)
}

/// What is found of one rule.
struct Finding {
    rule: &'static str,
    examined: u64,
    violations: Vec<String>,
}

impl Finding {
    fn of(rule: &'static str) -> Self {
        Self { rule, examined: 0, violations: Vec::new() }
    }

    fn violated(&mut self, what: impl FnOnce() -> String) {
        if self.violations.len() < TOLD {
            self.violations.push(what());
        }
    }
}

impl From<Finding> for Check {
    fn from(Finding { rule, examined, violations }: Finding) -> Self {
        Check { rule: rule.to_owned(), examined, violations }
    }
}

fn count(connection: &Connection, sql: &str) -> rusqlite::Result<u64> {
    connection.query_row(sql, [], |row| row.get(0))
}

fn pages(connection: &Connection) -> rusqlite::Result<Check> {
    let mut finding = Finding::of("every page of the database is sound");
    finding.examined = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let said: String = row.get(0)?;
        if said != "ok" {
            finding.violated(|| said);
        }
    }
    Ok(finding.into())
}

fn references(connection: &Connection) -> rusqlite::Result<Check> {
    let mut finding = Finding::of("every key, secret, purse and booking belongs to something that is there");
    // The tables whose rows name another's.
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table'
                   AND EXISTS (SELECT 1 FROM pragma_foreign_key_list(sqlite_schema.name))";
    let mut statement = connection.prepare(sql)?;
    let tables = statement.query_map([], |row| row.get::<_, String>(0))?;
    for table in tables {
        finding.examined += count(connection, &format!("SELECT count(*) FROM \"{}\"", table?))?;
    }
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        finding.violated(|| format!("a row of `{table}` names what `{parent}` has not"));
    }
    Ok(finding.into())
}

fn purses(connection: &Connection) -> rusqlite::Result<Check> {
    let rule = "granted = available + held + posted + expired, and nothing is below zero";
    let mut finding = Finding::of(rule);
    finding.examined = count(connection, "SELECT count(*) FROM purse")?;
    let sql = "SELECT account FROM purse
               WHERE granted <> monthly + lasting + held + posted + expired
                  OR min(monthly, lasting, held, posted, expired) < 0 LIMIT 20";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let account: String = row.get(0)?;
        finding.violated(|| format!("{account} does not add up"));
    }
    Ok(finding.into())
}

fn claims(connection: &Connection) -> rusqlite::Result<Check> {
    let mut finding =
        Finding::of("claims of idempotency keys, and what is stored for them, are counted right");
    finding.examined = count(connection, "SELECT count(*) FROM claim_use")?;
    let sql = "
        WITH found (account, claims, bytes) AS (
            SELECT account, count(*), sum(size) FROM claim GROUP BY account
            UNION ALL SELECT '', count(*), coalesce(sum(size), 0) FROM claim)
        SELECT coalesce(found.account, claim_use.account) FROM found FULL JOIN claim_use USING (account)
        WHERE coalesce(found.claims, 0) <> coalesce(claim_use.claims, 0)
           OR coalesce(found.bytes, 0) <> coalesce(claim_use.bytes, 0) LIMIT 20";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let account: String = row.get(0)?;
        finding.violated(|| match account.as_str() {
            "" => "the claims of all accounts are counted wrong".to_owned(),
            account => format!("the claims of {account} are counted wrong"),
        });
    }
    Ok(finding.into())
}

/// A rule that a number in the purse is what the books say. `None`: nobody can know what they say.
type SumCheck = (&'static str, fn(&AccountTotals) -> (i128, Option<i128>));

const SUMS: [SumCheck; 7] = [
    ("granted is what monthly grants and top-ups brought, less withdrawals", |books| {
        (books.granted, Some(books.grants + books.top_ups - books.withdrawn))
    }),
    ("posted is what operations posted, less refunds", |books| {
        (books.posted, Some(books.operations_posted + books.pruned - books.refunded))
    }),
    ("held is what operations under way hold", |books| (books.held, Some(books.operations_held))),
    ("expired is what expired with each month", |books| (books.expired, Some(books.expiries))),
    (
        "the month's credits are what was granted, less what expired, was spent, is held or was withdrawn",
        |books| {
            let taken = books
                .withdrawn_monthly
                .zip(books.pruned_monthly)
                .map(|(withdrawn, pruned)| withdrawn + pruned + books.posted_monthly + books.held_monthly);
            (books.monthly, taken.map(|taken| books.grants - books.expiries - taken))
        },
    ),
    ("lasting credits are top-ups and refunds, less what was spent, is held or was withdrawn", |books| {
        let taken = books.withdrawn_monthly.zip(books.pruned_monthly).map(|(withdrawn, pruned)| {
            let withdrawn = books.withdrawn - withdrawn;
            let spent = books.operations_posted - books.posted_monthly + books.pruned - pruned;
            withdrawn + spent + books.operations_held - books.held_monthly
        });
        (books.lasting, taken.map(|taken| books.top_ups + books.refunded - taken))
    }),
    ("the month has the grants that the purse says it has", |books| {
        (books.month_amount, Some(books.month_grants))
    }),
];

/// What a purse says, and what grants, bookings and operations say.
struct AccountTotals {
    account: String,
    granted: i128,
    posted: i128,
    held: i128,
    expired: i128,
    monthly: i128,
    lasting: i128,
    month_amount: i128,
    grants: i128,
    month_grants: i128,
    top_ups: i128,
    expiries: i128,
    withdrawn: i128,
    /// Not known where there are withdrawals of a time when that was not written down.
    withdrawn_monthly: Option<i128>,
    refunded: i128,
    pruned: i128,
    /// Not known where operations were pruned at such a time.
    pruned_monthly: Option<i128>,
    operations_posted: i128,
    posted_monthly: i128,
    operations_held: i128,
    held_monthly: i128,
}

const BOOKS: &str = "
    SELECT purse.account, purse.granted, purse.posted, purse.held, purse.expired, purse.monthly, purse.lasting,
        coalesce(purse.month_amount, 0),
        (SELECT coalesce(sum(amount), 0) FROM monthly_grant g WHERE g.account = purse.account),
        (SELECT coalesce(sum(amount), 0) FROM monthly_grant g
            WHERE g.account = purse.account AND g.begins = purse.month_begins),
        (SELECT coalesce(sum(amount), 0) FROM top_up t WHERE t.account = purse.account),
        (SELECT coalesce(sum(amount), 0) FROM expiry e WHERE e.account = purse.account),
        (SELECT coalesce(sum(amount), 0) FROM correction c WHERE c.account = purse.account AND kind = 0),
        (SELECT iif(count(*) = count(from_monthly), coalesce(sum(from_monthly), 0), NULL)
            FROM correction c WHERE c.account = purse.account AND kind = 0),
        (SELECT coalesce(sum(amount), 0) FROM correction c WHERE c.account = purse.account AND kind = 1),
        coalesce(pruned.posted, 0),
        iif(pruned.account IS NULL, 0, pruned.from_monthly),
        coalesce(sums.posted, 0), coalesce(sums.posted_monthly, 0),
        coalesce(sums.held, 0), coalesce(sums.held_monthly, 0)
    FROM purse
    LEFT JOIN pruned ON pruned.account = purse.account
    LEFT JOIN temp.sums ON sums.account = purse.account";

impl AccountTotals {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let number = |column| row.get::<_, i64>(column).map(i128::from);
        let known = |column| row.get::<_, Option<i64>>(column).map(|number| number.map(i128::from));
        Ok(Self {
            account: row.get(0)?,
            granted: number(1)?,
            posted: number(2)?,
            held: number(3)?,
            expired: number(4)?,
            monthly: number(5)?,
            lasting: number(6)?,
            month_amount: number(7)?,
            grants: number(8)?,
            month_grants: number(9)?,
            top_ups: number(10)?,
            expiries: number(11)?,
            withdrawn: number(12)?,
            withdrawn_monthly: known(13)?,
            refunded: number(14)?,
            pruned: number(15)?,
            pruned_monthly: known(16)?,
            operations_posted: number(17)?,
            posted_monthly: number(18)?,
            operations_held: number(19)?,
            held_monthly: number(20)?,
        })
    }
}

/// What the purses say against what the books say. The operations must have been summed up.
fn sums(connection: &Connection) -> rusqlite::Result<Vec<Check>> {
    let mut findings = SUMS.map(|(rule, _)| Finding::of(rule));
    let mut statement = connection.prepare(BOOKS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let books = AccountTotals::of(row)?;
        for (finding, (_, sum)) in findings.iter_mut().zip(SUMS) {
            if let (purse, Some(said)) = sum(&books) {
                finding.examined += 1;
                if purse != said {
                    let account = &books.account;
                    finding.violated(|| format!("{account}: the purse says {purse}, the books say {said}"));
                }
            }
        }
    }
    Ok(findings.into_iter().map(Check::from).collect())
}
