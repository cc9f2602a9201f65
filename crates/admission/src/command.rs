//! What an operator asks of a store, as data: it reaches the store directly, or over the local socket of
//! the process that owns it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Account, AccountId, Balance, Grants, ImportedForm, KeyId, KeyRecord, KeyState, OperationId, Secret,
};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Makes a key; the answer has its secret, once.
    CreateKey {
        /// For which API.
        api: String,
        /// The public part in front of the secret.
        prefix: String,
        /// Whose it is.
        account: AccountId,
        /// From when on it is expired; may lie in the past.
        expires: Option<Timestamp>,
        /// What it allows.
        grants: Grants,
        /// What its owner writes on it.
        #[serde(default)]
        metadata: BTreeMap<String, String>,
    },
    /// Takes over keys that another system made, by their hashes. All of them or, where one cannot be, none.
    ImportKeys {
        /// What they look like and how they were hashed.
        form: ImportedForm,
        /// The key of the hash in hexadecimal digits, where it has one and the store does not know it yet.
        hash_key: Option<String>,
        /// The keys.
        keys: Vec<ImportedKey>,
    },
    /// Lists keys, oldest first.
    ListKeys {
        /// Of this account only.
        account: Option<AccountId>,
        /// Which part of them.
        #[serde(default)]
        page: Page<KeyId>,
    },
    /// Shows a key, as [`Reply::KeyChanged`] without a change.
    ShowKey {
        /// Which.
        key: KeyId,
    },
    /// Makes another secret for an active key; the answer has it, once. The one before it opens for a while still,
    /// and older ones, whose while is not over, no more.
    RotateKey {
        /// Which.
        key: KeyId,
        /// The public part in front of the secret.
        prefix: String,
        /// For so many seconds; with none they are closed when this is answered.
        grace_seconds: u64,
    },
    /// Puts a key out of use for the time being, or back. Answered when it is in force.
    SetKeyDisabled {
        /// Which.
        key: KeyId,
        /// Out of use or not.
        disabled: bool,
    },
    /// Says when a key expires; `None` for never.
    ExpireKey {
        /// Which.
        key: KeyId,
        /// From when on.
        at: Option<Timestamp>,
    },
    /// Makes another pepper. New secrets are stored under it from the next start on; older ones when they
    /// are seen.
    NewPepper,
    /// Revokes a key, for good. Answered when no request can use it any more; revoking it again changes
    /// nothing.
    RevokeKey {
        /// Which.
        key: KeyId,
    },
    /// Makes an account.
    CreateAccount {
        /// Its id; a new one where there is none.
        account: Option<AccountId>,
        /// For people.
        name: String,
        /// The name of a plan of the configuration.
        plan: String,
    },
    /// Lists accounts, oldest first.
    ListAccounts {
        /// Which part of them.
        #[serde(default)]
        page: Page<AccountId>,
    },
    /// Shows an account with its plan and credits.
    ShowAccount {
        /// Which.
        account: AccountId,
    },
    /// Puts an account on another plan, from the next request on.
    SetPlan {
        /// Which.
        account: AccountId,
        /// The name of a plan of the configuration.
        plan: String,
    },
    /// Adds credits that do not expire.
    TopUp {
        /// To which account.
        account: AccountId,
        /// How many.
        amount: u64,
        /// For the statement.
        reason: String,
        /// Makes a repetition harmless: the same id tops up once.
        operation: Option<OperationId>,
    },
    /// Takes away credits that should not have come in.
    Withdraw {
        /// From which account.
        account: AccountId,
        /// How many; no more than there are available.
        amount: u64,
        /// For the statement.
        reason: String,
        /// Makes a repetition harmless.
        operation: Option<OperationId>,
    },
    /// Gives back what an operation was charged, once, as credits that do not expire.
    Refund {
        /// To which account.
        account: AccountId,
        /// Which operation, as the statement names it.
        operation: OperationId,
        /// How many; all that was charged where there is none.
        amount: Option<u64>,
        /// For the statement.
        reason: String,
    },
    /// What happened to an account's credits, latest first.
    Statement {
        /// Which.
        account: AccountId,
        /// From this moment on.
        since: Option<Timestamp>,
        /// So many entries at most.
        limit: u32,
    },
    /// Proves that the books add up.
    Verify,
    /// Writes a copy of the database as it is at one moment, while it is in use.
    Backup {
        /// Where to; there must be nothing yet.
        to: PathBuf,
    },
    /// Forgets operations that ended before a moment. Balances do not change by it.
    Prune {
        /// Before this moment.
        before: Timestamp,
    },
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page<Id> {
    /// After this one; from the first on where there is none.
    pub after: Option<Id>,
    /// So many at most.
    pub limit: u32,
}

impl<Id> Default for Page<Id> {
    /// The first thousand.
    fn default() -> Self {
        Self { after: None, limit: 1000 }
    }
}

/// A key of another system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedKey {
    /// Whose it is.
    pub account: AccountId,
    /// The hash of the whole key, in hexadecimal digits.
    pub hash: String,
    /// From when on it is expired.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// What it allows.
    #[serde(default)]
    pub grants: Grants,
    /// What its owner writes on it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// A key was made.
    KeyCreated(IssuedKey),
    /// Keys, oldest first.
    Keys {
        /// The keys.
        keys: Vec<KeySummary>,
        /// Whether there are more after the last of them.
        #[serde(default)]
        more: bool,
    },
    /// A key has another secret.
    KeyRotated(RotatedKey),
    /// Keys were taken over.
    KeysImported {
        /// The keys.
        keys: Vec<KeyId>,
    },
    /// A key as it is now.
    KeyChanged(KeySummary),
    /// There is another pepper, from the next start on.
    PepperMade {
        /// How many secrets are stored under older ones.
        older: u64,
    },
    /// A key is revoked.
    KeyRevoked(KeySummary),
    /// An account as it is now.
    Account(AccountStatement),
    /// Accounts, oldest first.
    Accounts {
        /// The accounts.
        accounts: Vec<Account>,
        /// Whether there are more after the last of them.
        #[serde(default)]
        more: bool,
    },
    /// What happened to an account's credits, latest first.
    Statement {
        /// The account as it was after the latest entry.
        account: AccountStatement,
        /// What happened.
        entries: Vec<StatementEntry>,
        /// Whether there is more before the last of them.
        more: bool,
    },
    /// The books were looked at.
    Verified {
        /// What was looked at, and what was found.
        checks: Vec<Check>,
    },
    /// A copy was written.
    BackedUp {
        /// Where.
        to: PathBuf,
        /// How large it is.
        bytes: u64,
    },
    /// Operations were forgotten.
    Pruned {
        /// How many.
        operations: u64,
    },
    /// It could not be done, and nothing was.
    Refused {
        /// Why.
        fault: CommandFault,
    },
}

/// A new key. This is the one place where a secret is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedKey {
    /// The key.
    pub key: KeySummary,
    /// Its secret, which is nowhere else.
    pub secret: Secret,
}

/// A key that got another secret. With [`IssuedKey`] the one place where a secret is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatedKey {
    /// The key.
    pub key: KeySummary,
    /// Its new secret, which is nowhere else.
    pub secret: Secret,
    /// Until when the secret before it opens.
    pub previous_until: Timestamp,
}

/// One thing that happened to an account's credits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementEntry {
    /// When. For what a request spent, the moment at which that was settled.
    pub at: Timestamp,
    /// What.
    pub kind: StatementKind,
    /// How many credits.
    pub amount: u64,
    /// What the account had after it, available and held together.
    #[serde(default)]
    pub balance: i64,
    /// For which operation, or as which; for a monthly grant and what expired, the day on which the month begins.
    pub operation: String,
    /// Why, where somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What can happen to credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// A month's credits came.
    Grant,
    /// Lasting credits came.
    TopUp,
    /// Credits were taken away again.
    Withdrawal,
    /// Spent credits were given back.
    Refund,
    /// A request under way holds them.
    Held,
    /// A request spent them.
    Posted,
    /// A request held them, and spent none.
    Released,
    /// A request held them when the gateway was killed: it may have been carried out, so they count as
    /// spent. An operator can refund them.
    OutcomeUnknown,
    /// They were left when their month ended, or came back after it.
    Expired,
}

impl StatementEntry {
    /// By how much it changed what the account has, available and held together.
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

/// One thing that must hold in the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What must hold.
    pub rule: String,
    /// How many things were looked at.
    pub examined: u64,
    /// Where it does not hold; the first few.
    pub violations: Vec<String>,
}

/// A key with its state at the moment of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySummary {
    /// The key.
    #[serde(flatten)]
    pub key: KeyRecord,
    /// Its state.
    pub state: KeyState,
    /// When it was used last, to the minute.
    #[serde(default)]
    pub last_used: Option<Timestamp>,
}

impl KeySummary {
    /// The key with its state at this moment.
    pub fn at(key: KeyRecord, moment: Timestamp) -> Self {
        let state = key.state(moment);
        Self { key, state, last_used: None }
    }
}

/// An account with its credits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountStatement {
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// Its credits.
    pub credits: Balance,
}

/// Why a command could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum CommandFault {
    /// There is no such account.
    UnknownAccount {
        /// As asked for.
        account: AccountId,
    },
    /// There is no such key.
    UnknownKey {
        /// As asked for.
        key: KeyId,
    },
    /// The configuration has no such plan.
    UnknownPlan {
        /// As asked for.
        plan: String,
    },
    /// There is such an account already.
    AccountExists {
        /// As asked for.
        account: AccountId,
    },
    /// Not a prefix for keys.
    InvalidPrefix {
        /// As asked for.
        prefix: String,
    },
    /// More credits than an account can have.
    AmountTooLarge,
    /// The operation id was used for something else.
    OperationMismatch,
    /// There is no such operation, or nothing was charged for it.
    NotCharged {
        /// As asked for.
        operation: OperationId,
    },
    /// The account has not so many credits.
    InsufficientCredits,
    /// Credits were to be brought in or taken away without a word on why.
    MissingReason,
    /// A key that does not open was to get another secret, which would not open either.
    KeyNotActive {
        /// As asked for.
        key: KeyId,
        /// Why it does not open.
        state: KeyState,
    },
    /// A hash, its key or its form is none.
    InvalidImport {
        /// What is wrong.
        cause: String,
    },
    /// A key with this hash is there already.
    KeyExists {
        /// For which account it was to be taken over.
        account: AccountId,
    },
    /// The operating system gave no randomness for a secret.
    NoRandomness,
    /// The command could not be read.
    Unreadable {
        /// Why.
        cause: String,
    },
    /// The store could not answer.
    Store {
        /// Why, for the operator.
        cause: String,
    },
}

impl fmt::Display for CommandFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandFault::UnknownAccount { account } => write!(f, "there is no account `{account}`"),
            CommandFault::UnknownKey { key } => write!(f, "there is no key `{key}`"),
            CommandFault::UnknownPlan { plan } => write!(f, "the configuration has no plan `{plan}`"),
            CommandFault::AccountExists { account } => write!(f, "there is an account `{account}` already"),
            CommandFault::InvalidPrefix { prefix } => {
                write!(f, "`{prefix}` cannot be a key's prefix: 1 to 32 letters, digits, `_` and `-`")
            }
            CommandFault::AmountTooLarge => f.write_str("an account cannot have so many credits"),
            CommandFault::NotCharged { operation } => {
                write!(f, "nothing was charged for an operation `{operation}`, or it was given back before")
            }
            CommandFault::InsufficientCredits => f.write_str("there are not so many credits"),
            CommandFault::MissingReason => f.write_str("the reason is empty; say why, for the statement"),
            CommandFault::KeyNotActive { key, state } => {
                let mend = match state {
                    KeyState::Revoked => "revoked for good; make another key",
                    KeyState::Expired => "expired; give it a later end first",
                    KeyState::Disabled => "disabled; enable it first",
                    KeyState::Active => "active",
                };
                write!(f, "another secret for `{key}` would open nothing: the key is {mend}")
            }
            CommandFault::InvalidImport { cause } => write!(f, "the keys cannot be taken over: {cause}"),
            CommandFault::KeyExists { account } => {
                write!(f, "a key with the hash that is given for `{account}` is there already")
            }
            CommandFault::OperationMismatch => f.write_str("the operation id was used for something else"),
            CommandFault::NoRandomness => f.write_str("the operating system gave no randomness"),
            CommandFault::Unreadable { cause } => write!(f, "the command cannot be read: {cause}"),
            CommandFault::Store { cause } => f.write_str(cause),
        }
    }
}

impl std::error::Error for CommandFault {}
