//! The replies to operators' commands, as data.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Account, Balance, CommandFault, KeyId, KeyRecord, KeyState, LimitBy, Secret};

/// The reply to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// A key was created.
    KeyCreated(IssuedKey),
    /// A page of keys, oldest first.
    Keys {
        /// The keys.
        keys: Vec<KeySummary>,
        /// Whether there are more after the last one.
        #[serde(default)]
        more: bool,
    },
    /// A key was rotated.
    KeyRotated(RotatedKey),
    /// Keys were imported.
    KeysImported {
        /// The keys.
        keys: Vec<KeyId>,
    },
    /// A key after a change, or as it is.
    KeyChanged(KeySummary),
    /// A new pepper was created, for the next start.
    PepperMade {
        /// How many secrets are stored under older peppers.
        older: u64,
    },
    /// A key was revoked.
    KeyRevoked(KeySummary),
    /// An account with its balance.
    Account(AccountStatement),
    /// A page of accounts, oldest first.
    Accounts {
        /// The accounts.
        accounts: Vec<Account>,
        /// Whether there are more after the last one.
        #[serde(default)]
        more: bool,
    },
    /// The ledger entries of an account, latest first.
    Statement {
        /// The account after the latest entry.
        account: AccountStatement,
        /// The entries.
        entries: Vec<StatementEntry>,
        /// Whether there are older entries.
        more: bool,
    },
    /// The ledger was verified.
    Verified {
        /// The rules that were checked, with their violations.
        checks: Vec<Check>,
    },
    /// A backup was written.
    BackedUp {
        /// The path of the backup.
        to: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Operations were deleted.
    Pruned {
        /// The number of operations.
        operations: u64,
    },
    /// The command was rejected, and nothing was changed. Serialized as `refused`, as in earlier versions.
    #[serde(rename = "refused")]
    Rejected {
        /// The reason.
        fault: CommandFault,
    },
}

/// A new key with its secret. With [`RotatedKey`] the only type that shows a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedKey {
    /// The key.
    pub key: KeySummary,
    /// Its secret, which is not stored.
    pub secret: Secret,
}

/// A rotated key with its new secret. With [`IssuedKey`] the only type that shows a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatedKey {
    /// The key.
    pub key: KeySummary,
    /// Its new secret, which is not stored.
    pub secret: Secret,
    /// Until when the previous secret is valid.
    pub previous_until: Timestamp,
}

/// One ledger entry of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementEntry {
    /// When the entry was made; for an operation, when it was settled.
    pub at: Timestamp,
    /// The kind of the entry.
    pub kind: StatementKind,
    /// The number of credits.
    pub amount: u64,
    /// The balance after the entry: available and held credits together.
    #[serde(default)]
    pub balance: i64,
    /// The ID of the operation; for a monthly grant and an expiry, the day on which the month begins.
    pub operation: String,
    /// The reason, if an operator gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The kinds of ledger entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// Monthly credits were granted.
    Grant,
    /// Credits that do not expire were added.
    TopUp,
    /// Credits were removed.
    Withdrawal,
    /// Spent credits were refunded.
    Refund,
    /// A request in flight holds them.
    Held,
    /// A request spent them.
    Posted,
    /// A request held them and spent none.
    Released,
    /// A request held them when the gateway was killed. It may have been executed, so they count as spent; an operator can
    /// refund them.
    OutcomeUnknown,
    /// They were left when their month ended, or were returned after it.
    Expired,
}

impl StatementEntry {
    /// Returns the change of the balance, available and held credits together.
    pub fn change(&self) -> i64 {
        let amount = i64::try_from(self.amount).unwrap_or(i64::MAX);
        match self.kind {
            StatementKind::Grant | StatementKind::TopUp | StatementKind::Refund => amount,
            StatementKind::Withdrawal
            | StatementKind::Posted
            | StatementKind::OutcomeUnknown
            | StatementKind::Expired => -amount,
            StatementKind::Held | StatementKind::Released => 0,
        }
    }
}

/// One rule of the ledger and its violations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The rule.
    pub rule: String,
    /// How many items were compared.
    pub examined: u64,
    /// The first violations.
    pub violations: Vec<String>,
}

/// A key with its state at the time of the reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySummary {
    /// The key.
    #[serde(flatten)]
    pub key: KeyRecord,
    /// Its state.
    pub state: KeyState,
    /// When it was last used, to the minute.
    #[serde(default)]
    pub last_used: Option<Timestamp>,
    /// What it is for, for operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl KeySummary {
    /// Creates the summary of a key at a moment.
    pub fn at(key: KeyRecord, moment: Timestamp) -> Self {
        let state = key.state(moment);
        Self { key, state, last_used: None, label: None }
    }
}

/// An account with its balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountStatement {
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// Its balance.
    pub credits: Balance,
    /// The limits of its plan and what is left of them, in the order of the plan: rates, concurrency, quota.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitUse>,
    /// When it was deleted, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Timestamp>,
}

/// One limit of an account, and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitUse {
    /// The name: that of a rate, or `concurrency` or `daily`, as in the headers about limits.
    pub name: String,
    /// The kind.
    pub kind: LimitUseKind,
    /// The number of requests.
    pub limit: u64,
    /// The window of a rate in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
    /// Which requests are counted together.
    pub limit_by: LimitBy,
    /// How many requests are left now; `None` if each key or address has a count of its own.
    pub remaining: Option<u64>,
    /// When the whole limit is available again: for a quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
    /// Whether it is a shadow limit, which never rejects.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
}

/// The kinds of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitUseKind {
    /// Requests per time.
    Rate,
    /// Concurrent requests.
    Concurrency,
    /// Requests per day.
    Quota,
}
