//! Verification of the ledger, at one moment of a database in use. Each rule reports how many items it compared: a rule
//! that compared nothing proves nothing.
//!
//! The memory does not grow with the ledger: sums by account are in a temporary table, and only the holds that are open at
//! the reading position are in memory.

mod operations;
mod refunds;
mod rule_check;

use demur_admission::Check;
use rusqlite::{Connection, Row};

use rule_check::RuleCheck;

/// Checks all rules.
pub(super) fn checks(connection: &Connection) -> rusqlite::Result<Vec<Check>> {
    let mut checks = vec![pages(connection)?, references(connection)?, balances(connection)?];
    checks.push(operations::check(connection)?);
    checks.extend(sums(connection)?);
    checks.push(refunds::check(connection)?);
    checks.push(claims(connection)?);
    Ok(checks)
}

fn count(connection: &Connection, sql: &str) -> rusqlite::Result<u64> {
    connection.query_row(sql, [], |row| row.get(0))
}

fn pages(connection: &Connection) -> rusqlite::Result<Check> {
    let mut check = RuleCheck::new("every page of the database is intact");
    check.examined = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let message: String = row.get(0)?;
        if message != "ok" {
            check.add_violation(|| message);
        }
    }
    Ok(check.into())
}

fn references(connection: &Connection) -> rusqlite::Result<Check> {
    let mut check = RuleCheck::new("every reference between rows is valid");
    // The tables with foreign keys.
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table'
                   AND EXISTS (SELECT 1 FROM pragma_foreign_key_list(sqlite_schema.name))";
    let mut statement = connection.prepare(sql)?;
    let tables = statement.query_map([], |row| row.get::<_, String>(0))?;
    for table in tables {
        check.examined += count(connection, &format!("SELECT count(*) FROM \"{}\"", table?))?;
    }
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        check.add_violation(|| format!("a row of `{table}` refers to a missing row of `{parent}`"));
    }
    Ok(check.into())
}

fn balances(connection: &Connection) -> rusqlite::Result<Check> {
    let rule = "granted = available + held + spent + expired, and no value is negative";
    let mut check = RuleCheck::new(rule);
    check.examined = count(connection, "SELECT count(*) FROM purse")?;
    let sql = "SELECT account FROM purse
               WHERE granted <> monthly + lasting + held + posted + expired
                  OR min(monthly, lasting, held, posted, expired) < 0 LIMIT 20";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let account: String = row.get(0)?;
        check.add_violation(|| format!("account `{account}`: values do not add up"));
    }
    Ok(check.into())
}

fn claims(connection: &Connection) -> rusqlite::Result<Check> {
    let mut check = RuleCheck::new("idempotency records match their stored number and size");
    check.examined = count(connection, "SELECT count(*) FROM claim_use")?;
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
        check.add_violation(|| match account.as_str() {
            "" => "all accounts: idempotency records do not match their stored number or size".to_owned(),
            account => {
                format!("account `{account}`: idempotency records do not match their stored number or size")
            }
        });
    }
    Ok(check.into())
}

/// A rule about a value of the balance: the value, and what the ledger entries add up to. `None` if that is unknown.
type SumCheck = (&'static str, fn(&AccountTotals) -> (i128, Option<i128>));

const SUMS: [SumCheck; 7] = [
    ("granted equals monthly grants and top-ups minus withdrawals", |totals| {
        (totals.granted, Some(totals.grants + totals.top_ups - totals.withdrawn))
    }),
    ("spent equals the charged operations minus refunds", |totals| {
        (totals.posted, Some(totals.operations_posted + totals.pruned - totals.refunded))
    }),
    ("held equals the credits of operations in progress", |totals| {
        (totals.held, Some(totals.operations_held))
    }),
    ("expired equals the expired credits of all months", |totals| (totals.expired, Some(totals.expiries))),
    ("monthly credits equal grants minus expired, spent, held and withdrawn credits", |totals| {
        let taken = totals
            .withdrawn_monthly
            .zip(totals.pruned_monthly)
            .map(|(withdrawn, pruned)| withdrawn + pruned + totals.posted_monthly + totals.held_monthly);
        (totals.monthly, taken.map(|taken| totals.grants - totals.expiries - taken))
    }),
    ("non-expiring credits equal top-ups and refunds minus spent, held and withdrawn credits", |totals| {
        let taken = totals.withdrawn_monthly.zip(totals.pruned_monthly).map(|(withdrawn, pruned)| {
            let withdrawn = totals.withdrawn - withdrawn;
            let spent = totals.operations_posted - totals.posted_monthly + totals.pruned - pruned;
            withdrawn + spent + totals.operations_held - totals.held_monthly
        });
        (totals.lasting, taken.map(|taken| totals.top_ups + totals.refunded - taken))
    }),
    ("the current month's credits equal its grants", |totals| {
        (totals.month_amount, Some(totals.month_grants))
    }),
];

/// The values of an account's balance, and the totals of its grants, entries and operations.
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
    /// `None` if there are withdrawals of a schema version that did not record it.
    withdrawn_monthly: Option<i128>,
    refunded: i128,
    pruned: i128,
    /// `None` if operations were pruned with a schema version that did not record it.
    pruned_monthly: Option<i128>,
    operations_posted: i128,
    posted_monthly: i128,
    operations_held: i128,
    held_monthly: i128,
}

const TOTALS_SQL: &str = "
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

/// Compares balances with ledger entries. The operations must have been summed up before.
fn sums(connection: &Connection) -> rusqlite::Result<Vec<Check>> {
    let mut checks = SUMS.map(|(rule, _)| RuleCheck::new(rule));
    let mut statement = connection.prepare(TOTALS_SQL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let totals = AccountTotals::of(row)?;
        for (check, (_, sum)) in checks.iter_mut().zip(SUMS) {
            if let (balance, Some(expected)) = sum(&totals) {
                check.examined += 1;
                if balance != expected {
                    let account = &totals.account;
                    check.add_violation(|| {
                        format!(
                            "account `{account}`: balance has {balance}, ledger entries add up to {expected}"
                        )
                    });
                }
            }
        }
    }
    Ok(checks.into_iter().map(Check::from).collect())
}
