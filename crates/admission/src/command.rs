//! What an operator asks of a store, as data: it reaches the store directly, or over the local socket of
//! the process that owns it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Account, AccountId, Balance, Grants, KeyId, KeyRecord, KeyState, OperationId, Secret};

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
    },
    /// Lists keys, oldest first.
    ListKeys {
        /// Of this account only.
        account: Option<AccountId>,
    },
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
    ListAccounts,
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
    },
    /// A key is revoked.
    KeyRevoked(KeySummary),
    /// An account as it is now.
    Account(AccountStatement),
    /// Accounts, oldest first.
    Accounts {
        /// The accounts.
        accounts: Vec<Account>,
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

/// A key with its state at the moment of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySummary {
    /// The key.
    #[serde(flatten)]
    pub key: KeyRecord,
    /// Its state.
    pub state: KeyState,
}

impl KeySummary {
    /// The key with its state at this moment.
    pub fn at(key: KeyRecord, moment: Timestamp) -> Self {
        let state = key.state(moment);
        Self { key, state }
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
    /// The operation id was used for another top-up.
    OperationMismatch,
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
            CommandFault::OperationMismatch => f.write_str("the operation id was used for something else"),
            CommandFault::NoRandomness => f.write_str("the operating system gave no randomness"),
            CommandFault::Unreadable { cause } => write!(f, "the command cannot be read: {cause}"),
            CommandFault::Store { cause } => f.write_str(cause),
        }
    }
}

impl std::error::Error for CommandFault {}
