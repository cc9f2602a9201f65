//! Operators' commands as data. A command reaches the store directly, or through the control socket of the process that
//! owns it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{AccountId, GrantDay, Grants, ImportedForm, KeyId, KeyState, OperationId, Secret};

/// An operator's command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Creates a key. The reply contains its secret, once.
    CreateKey {
        /// The name of the API.
        api: String,
        /// The public prefix of the secret.
        prefix: String,
        /// The account that owns the key.
        account: AccountId,
        /// When the key expires; may be in the past.
        expires: Option<Timestamp>,
        /// What the key allows.
        grants: Grants,
        /// Free-form metadata of the owner.
        #[serde(default)]
        metadata: BTreeMap<String, String>,
        /// What the key is for, for operators.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
    },
    /// Imports keys of another system by their hashes: all of them, or none if one is invalid.
    ImportKeys {
        /// The form of the keys, and how they were hashed.
        form: ImportedForm,
        /// The hash key in hexadecimal digits, if the hash has one and the store does not have it yet.
        hash_key: Option<String>,
        /// The keys to import.
        keys: Vec<ImportedKey>,
    },
    /// Lists keys, oldest first.
    ListKeys {
        /// Only keys of this account.
        account: Option<AccountId>,
        /// The page of the list.
        #[serde(default)]
        page: Page<KeyId>,
    },
    /// Shows a key. The reply is [`Reply::KeyChanged`](crate::Reply::KeyChanged).
    ShowKey {
        /// The key.
        key: KeyId,
    },
    /// Shows the key that a secret belongs to. The reply is [`Reply::KeyChanged`](crate::Reply::KeyChanged).
    FindKey {
        /// The secret, which may have been replaced.
        secret: Secret,
    },
    /// Creates a new secret for an active key. The reply contains it, once. The previous secret stays valid for a grace
    /// period; older ones become invalid at once.
    RotateKey {
        /// The key.
        key: KeyId,
        /// The public prefix of the secret.
        prefix: String,
        /// The grace period in seconds. With 0 the previous secret is invalid when the command returns.
        grace_seconds: u64,
    },
    /// Disables a key temporarily, or enables it again. In effect when the command returns.
    SetKeyDisabled {
        /// The key.
        key: KeyId,
        /// Whether the key is disabled.
        disabled: bool,
    },
    /// Sets when a key expires.
    ExpireKey {
        /// The key.
        key: KeyId,
        /// The time; `None` for never.
        at: Option<Timestamp>,
    },
    /// Creates a new pepper. From the next start on, new secrets are stored under it, and old secrets when they are used.
    NewPepper,
    /// Revokes a key permanently. In effect when the command returns; revoking it again changes nothing.
    RevokeKey {
        /// The key.
        key: KeyId,
    },
    /// Creates an account.
    CreateAccount {
        /// The account's ID; generated if there is none.
        account: Option<AccountId>,
        /// A name for people.
        name: String,
        /// The name of a plan in the configuration.
        plan: String,
        /// The day on which its monthly credits are granted; `None` for the day of its plan.
        #[serde(default)]
        grant_day: Option<GrantDay>,
    },
    /// Lists accounts, oldest first.
    ListAccounts {
        /// The page of the list.
        #[serde(default)]
        page: Page<AccountId>,
    },
    /// Shows an account with its plan and balance.
    ShowAccount {
        /// The account.
        account: AccountId,
    },
    /// Deletes an account permanently. Its keys are revoked and its stored responses are deleted. The account, its ledger
    /// and its statement stay, so that its ID is never used again. Deleting it again changes nothing.
    DeleteAccount {
        /// The account.
        account: AccountId,
        /// Whether to revoke keys that are not revoked yet; without it, such keys are an error.
        #[serde(default)]
        revoke_keys: bool,
    },
    /// Sets the plan of an account, from its next request on.
    SetPlan {
        /// The account.
        account: AccountId,
        /// The name of a plan in the configuration.
        plan: String,
    },
    /// Sets the day on which the monthly credits of an account are granted, from the end of its current month on.
    SetGrantDay {
        /// The account.
        account: AccountId,
        /// The day; `None` for the day of its plan.
        grant_day: Option<GrantDay>,
    },
    /// Adds credits that do not expire.
    TopUp {
        /// The account.
        account: AccountId,
        /// The number of credits.
        amount: u64,
        /// The reason, for the statement.
        reason: String,
        /// An ID that makes repetitions safe: the same ID tops up once.
        operation: Option<OperationId>,
    },
    /// Removes credits that should not have been added.
    Withdraw {
        /// The account.
        account: AccountId,
        /// The number of credits; at most the available ones.
        amount: u64,
        /// The reason, for the statement.
        reason: String,
        /// An ID that makes repetitions safe.
        operation: Option<OperationId>,
    },
    /// Refunds the charge of an operation, once, as credits that do not expire.
    Refund {
        /// The account.
        account: AccountId,
        /// The ID of the operation, as in the statement.
        operation: OperationId,
        /// The number of credits; the whole charge if there is none.
        amount: Option<u64>,
        /// The reason, for the statement.
        reason: String,
    },
    /// Lists the ledger entries of an account, latest first.
    Statement {
        /// The account.
        account: AccountId,
        /// Only entries from this moment on.
        since: Option<Timestamp>,
        /// The maximum number of entries.
        limit: u32,
    },
    /// Verifies the ledger.
    Verify,
    /// Writes a copy of the database at one moment, while it is in use.
    Backup {
        /// The path of the copy; must not exist yet.
        to: PathBuf,
    },
    /// Deletes operations that ended before a moment. Balances do not change.
    Prune {
        /// The moment.
        before: Timestamp,
    },
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page<Id> {
    /// The last item of the previous page; `None` for the first page.
    pub after: Option<Id>,
    /// The maximum number of items.
    pub limit: u32,
}

impl<Id> Default for Page<Id> {
    /// The first thousand items.
    fn default() -> Self {
        Self { after: None, limit: 1000 }
    }
}

/// A key of another system to import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedKey {
    /// The account that owns the key.
    pub account: AccountId,
    /// The hash of the whole key, in hexadecimal digits.
    pub hash: String,
    /// When the key expires.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// What the key allows.
    #[serde(default)]
    pub grants: Grants,
    /// What the key is for, in the operator's words.
    #[serde(default)]
    pub label: Option<String>,
    /// Free-form metadata of the owner.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// Why a command was not executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum CommandFault {
    /// The account does not exist.
    UnknownAccount {
        /// The requested account.
        account: AccountId,
    },
    /// The key does not exist.
    UnknownKey {
        /// The requested key.
        key: KeyId,
    },
    /// The plan does not exist in the configuration.
    UnknownPlan {
        /// The requested plan.
        plan: String,
    },
    /// The account already exists.
    AccountExists {
        /// The requested account.
        account: AccountId,
    },
    /// The account was deleted.
    AccountDeleted {
        /// The requested account.
        account: AccountId,
    },
    /// The account has keys that are not revoked.
    AccountHasKeys {
        /// The requested account.
        account: AccountId,
        /// How many.
        keys: u64,
    },
    /// Requests of the account are in flight.
    AccountInUse {
        /// The requested account.
        account: AccountId,
        /// The credits that they hold.
        held: u64,
    },
    /// No key has this secret.
    UnknownSecret,
    /// The prefix is invalid.
    InvalidPrefix {
        /// The requested prefix.
        prefix: String,
    },
    /// The balance would exceed the maximum.
    AmountTooLarge,
    /// The operation ID was used with another amount.
    OperationMismatch,
    /// The operation does not exist, was not charged, or was already refunded.
    NotCharged {
        /// The requested operation.
        operation: OperationId,
    },
    /// The account, or the charge of the operation, has fewer credits than the command needs.
    InsufficientCredits {
        /// The credits that can be withdrawn or refunded.
        #[serde(default)]
        available: u64,
        /// The requested credits.
        #[serde(default)]
        requested: u64,
    },
    /// The reason is empty.
    MissingReason,
    /// A key that is not active cannot be rotated: its new secret would not be valid either.
    KeyNotActive {
        /// The requested key.
        key: KeyId,
        /// The state of the key.
        state: KeyState,
    },
    /// A hash, the hash key or the form is invalid.
    InvalidImport {
        /// What is wrong.
        cause: String,
    },
    /// A key with this hash already exists.
    KeyExists {
        /// The account of the key to import.
        account: AccountId,
        /// Its index among the keys of the command.
        #[serde(default)]
        index: usize,
    },
    /// The operating system returned no randomness for a secret.
    NoRandomness,
    /// The command is malformed.
    Unreadable {
        /// What is wrong.
        cause: String,
    },
    /// The store failed.
    Store {
        /// The error, for the operator.
        cause: String,
    },
}

impl fmt::Display for CommandFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandFault::UnknownAccount { account } => write!(f, "unknown account `{account}`"),
            CommandFault::UnknownKey { key } => write!(f, "unknown key `{key}`"),
            CommandFault::UnknownPlan { plan } if plan.is_empty() => f.write_str("the account needs a plan"),
            CommandFault::UnknownPlan { plan } => {
                write!(f, "unknown plan `{plan}`")
            }
            CommandFault::AccountExists { account } => {
                write!(f, "account `{account}` already exists")
            }
            CommandFault::AccountDeleted { account } => write!(f, "account `{account}` was deleted"),
            CommandFault::AccountHasKeys { account, keys } => {
                let (s, verb) = if *keys == 1 { ("", "is") } else { ("s", "are") };
                write!(f, "account `{account}` has {keys} key{s} that {verb} not revoked")
            }
            CommandFault::AccountInUse { account, held: 0 } => {
                write!(f, "requests of account `{account}` are in flight")
            }
            CommandFault::AccountInUse { account, held } => {
                write!(f, "requests of account `{account}` are in flight, and hold {held} credits")
            }
            CommandFault::UnknownSecret => f.write_str("no key has this secret"),
            CommandFault::InvalidPrefix { prefix } => {
                write!(f, "invalid key prefix `{prefix}`")
            }
            CommandFault::AmountTooLarge => f.write_str("the balance would exceed the maximum"),
            CommandFault::NotCharged { operation } => {
                write!(f, "operation `{operation}` has no charge that can be refunded")
            }
            CommandFault::InsufficientCredits { available, requested } => {
                write!(f, "insufficient credits: available {available}, requested {requested}")
            }
            CommandFault::MissingReason => f.write_str("the reason must not be empty"),
            CommandFault::KeyNotActive { key, state } => {
                let help = match state {
                    KeyState::Revoked => "revoked permanently; create another key",
                    KeyState::Expired => "expired; set a later expiry first",
                    KeyState::Disabled => "disabled; enable it first",
                    KeyState::Active => "active",
                };
                write!(f, "cannot rotate key `{key}`: it is {help}")
            }
            CommandFault::InvalidImport { cause } => write!(f, "invalid import: {cause}"),
            CommandFault::KeyExists { account, .. } => {
                write!(f, "a key with the hash of a key for account `{account}` already exists")
            }
            CommandFault::OperationMismatch => {
                f.write_str("the idempotency key was already used with another amount")
            }
            CommandFault::NoRandomness => f.write_str("the operating system returned no randomness"),
            CommandFault::Unreadable { cause } => write!(f, "invalid command: {cause}"),
            CommandFault::Store { cause } => f.write_str(cause),
        }
    }
}

impl std::error::Error for CommandFault {}
