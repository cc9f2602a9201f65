//! Verification of the ledger, at one moment of a database in use. Each rule reports how many items it compared: a rule
//! that compared nothing proves nothing.

use demur_admission::Check;
use tokio_postgres::Client;

use crate::error::DbError;
use crate::rows::unsigned;

/// A rule: its name, a query that counts what is compared, and one that finds what violates it, as texts.
struct Rule {
    name: &'static str,
    examined: &'static str,
    violations: &'static str,
}

/// What the entries and holds of each account add up to.
const TOTALS: &str = "WITH entries AS (
        SELECT account,
            sum(amount) FILTER (WHERE kind = 1) AS grants, sum(amount) FILTER (WHERE kind = 2) AS top_ups,
            sum(amount) FILTER (WHERE kind = 3) AS withdrawn, sum(amount) FILTER (WHERE kind = 4) AS refunded,
            sum(amount) FILTER (WHERE kind = 5) AS expired, sum(amount) FILTER (WHERE kind IN (6, 8)) AS posted,
            sum(from_monthly) FILTER (WHERE kind = 3) AS withdrawn_monthly,
            sum(from_monthly) FILTER (WHERE kind IN (6, 8)) AS posted_monthly,
            count(*) AS entries, max(number) AS latest
        FROM demur.entry GROUP BY account),
    holds AS (
        SELECT account, sum(from_monthly + from_non_expiring) AS held, sum(from_monthly) AS held_monthly
        FROM demur.hold GROUP BY account),
    totals AS (
        SELECT a.*, coalesce(e.grants, 0) AS sum_grants, coalesce(e.top_ups, 0) AS sum_top_ups,
            coalesce(e.withdrawn, 0) AS sum_withdrawn, coalesce(e.refunded, 0) AS sum_refunded,
            coalesce(e.expired, 0) AS sum_expired, coalesce(e.posted, 0) + a.pruned_posted AS sum_posted,
            coalesce(e.withdrawn_monthly, 0) AS sum_withdrawn_monthly,
            coalesce(e.posted_monthly, 0) + a.pruned_monthly AS sum_posted_monthly,
            coalesce(h.held, 0) AS sum_held, coalesce(h.held_monthly, 0) AS sum_held_monthly,
            coalesce(e.entries, 0) AS sum_entries, coalesce(e.latest, 0) AS latest
        FROM demur.account a LEFT JOIN entries e ON e.account = a.id LEFT JOIN holds h ON h.account = a.id)
    ";

const ACCOUNTS: &str = "SELECT count(*) FROM demur.account";

/// The rules about the sums of an account: the name, the value of the balance, and what it must equal.
const SUMS: [(&str, &str, &str); 8] = [
    ("granted equals monthly grants and top-ups minus withdrawals", "granted", "sum_grants + sum_top_ups - sum_withdrawn"),
    ("spent equals the charged operations minus refunds", "posted", "sum_posted - sum_refunded"),
    ("held equals the credits of operations in progress", "held", "sum_held"),
    ("expired equals the expired credits of all months", "expired", "sum_expired"),
    (
        "monthly credits equal grants minus expired, spent, held and withdrawn credits",
        "monthly",
        "sum_grants - sum_expired - sum_withdrawn_monthly - sum_posted_monthly - sum_held_monthly",
    ),
    (
        "non-expiring credits equal top-ups and refunds minus spent, held and withdrawn credits",
        "non_expiring",
        "sum_top_ups + sum_refunded - (sum_withdrawn - sum_withdrawn_monthly) - (sum_posted - sum_posted_monthly)
            - (sum_held - sum_held_monthly)",
    ),
    (
        "the current month's credits equal its grants",
        "coalesce(month_amount, 0)",
        "(SELECT coalesce(sum(amount), 0) FROM demur.entry g
            WHERE g.account = totals.id AND g.kind = 1 AND g.name = totals.month_begins)",
    ),
    ("ledger entries are numbered without gaps", "entries", "sum_entries + pruned_entries"),
];

const RULES: [Rule; 5] = [
    Rule {
        name: "granted = available + held + spent + expired, and no value is negative",
        examined: ACCOUNTS,
        violations: "SELECT 'account `' || id || '`: values do not add up' FROM demur.account
            WHERE granted <> monthly + non_expiring + held + posted + expired
               OR least(monthly, non_expiring, held, posted, expired) < 0",
    },
    Rule {
        name: "every entry, hold and claim belongs to an account, and every hold to a node",
        examined: "SELECT (SELECT count(*) FROM demur.entry) + (SELECT count(*) FROM demur.hold)
            + (SELECT count(*) FROM demur.claim)",
        violations: "SELECT 'a ' || what || ' refers to the missing account `' || account || '`' FROM (
                SELECT 'ledger entry' AS what, account FROM demur.entry
                UNION SELECT 'hold', account FROM demur.hold UNION SELECT 'claim', account FROM demur.claim) u
            WHERE NOT EXISTS (SELECT 1 FROM demur.account a WHERE a.id = u.account)
            UNION ALL SELECT 'hold ' || hold || ': its node is missing' FROM demur.hold h
            WHERE NOT EXISTS (SELECT 1 FROM demur.node n WHERE n.epoch = h.epoch)",
    },
    Rule {
        name: "every operation spent no more than it held",
        examined: "SELECT count(*) FROM demur.entry WHERE kind >= 6",
        violations: "SELECT 'account `' || account || '`: operation `' || name || '` spent ' || amount || ' but held ' || held
            FROM demur.entry WHERE kind >= 6 AND amount > held",
    },
    Rule {
        name: "no refund exceeds the charge of its operation",
        examined: "SELECT count(*) FROM demur.entry WHERE kind = 4",
        // The charge may have been pruned.
        violations: "SELECT 'account `' || r.account || '`: operation `' || r.name || '` was refunded ' || r.amount
                || ' but charged ' || coalesce(c.charged, 0)
            FROM demur.entry r JOIN demur.account a ON a.id = r.account
            LEFT JOIN LATERAL (SELECT max(amount) AS charged FROM demur.entry c
                WHERE c.account = r.account AND c.name = r.name AND c.kind IN (6, 8)) c ON true
            WHERE r.kind = 4 AND r.amount > coalesce(c.charged, CASE WHEN a.pruned_entries > 0 THEN r.amount ELSE 0 END)",
    },
    Rule {
        name: "idempotency records match their stored number and size",
        examined: ACCOUNTS,
        violations: "SELECT 'account `' || a.id || '`: idempotency records do not match their stored number or size'
            FROM demur.account a LEFT JOIN (SELECT account, count(*) AS claims, sum(size) AS bytes FROM demur.claim
                GROUP BY account) c ON c.account = a.id
            WHERE a.claims <> coalesce(c.claims, 0) OR a.claim_bytes <> coalesce(c.bytes, 0)",
    },
];

/// Checks all rules.
pub(super) async fn checks(client: &Client) -> Result<Vec<Check>, DbError> {
    let mut checks = Vec::new();
    for Rule { name, examined, violations } in &RULES {
        checks.push(check(client, name, examined, violations).await?);
    }
    for (name, value, expected) in SUMS {
        let violations = format!(
            "{TOTALS} SELECT 'account `' || id || '`: balance has ' || ({value}) || ', ledger entries add up to '
                || ({expected}) FROM totals WHERE ({value}) <> ({expected})"
        );
        checks.push(check(client, name, ACCOUNTS, &violations).await?);
    }
    Ok(checks)
}

async fn check(client: &Client, rule: &str, examined: &str, violations: &str) -> Result<Check, DbError> {
    let examined = unsigned(&client.query_one(examined, &[]).await?, 0)?;
    let rows = client.query(&format!("{violations} LIMIT 20"), &[]).await?;
    let violations = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(Check { rule: rule.to_owned(), examined, violations })
}
