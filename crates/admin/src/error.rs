//! Why a request fails, and the response that says so: the error of the contract.

use std::sync::Arc;

use bytes::Bytes;
use demur_admission::{AccountId, CommandFault, KeyId, KeyState, OperationId};
use demur_contract::{Condition, Contract, ErrorEntry, ErrorId, Problem, RetryAfter, Value, Violation};
use demur_source::Source;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use jiff::Timestamp;

use crate::Role;
use crate::database::DatabaseError;

/// The contract of the API's errors.
const CONTRACT: &str = include_str!("../data/contract.yaml");

/// The most reasons of a rejected configuration in a message.
const MAX_REASONS: usize = 50;

/// Reads the contract.
pub(crate) fn contract() -> Result<Arc<Contract>, String> {
    let loaded = Contract::load(&Source::new("contract.yaml", CONTRACT));
    loaded.map(|loaded| Arc::new(loaded.contract)).map_err(|mistakes| mistakes.to_string())
}

/// Why a request fails. Each variant is one error of the contract.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error that the contract has for one of the gateway's own conditions.
    Condition(Condition),
    Violations(Vec<Violation>),
    MethodNotAllowed(String),
    CrossSite,
    CredentialInRequest,
    InvalidCursor,
    RoleInsufficient {
        role: Role,
        required: Role,
    },
    AccountNotFound(AccountId),
    AccountExists(AccountId),
    AccountDeleted(AccountId),
    AccountHasKeys(u64),
    AccountInUse,
    KeyNotFound(KeyId),
    KeyNotActive(KeyState),
    PlanUnknown(String),
    ApiUnknown(String),
    EnvironmentUnknown(Vec<String>),
    OperationUnknown(String),
    CommandInvalid(String),
    BalanceTooLarge,
    InsufficientCredits {
        available: u64,
        requested: u64,
    },
    NotCharged(OperationId),
    OperationMismatch,
    NoRequestId,
    ForeignRequestId,
    RequestExpired(Timestamp),
    RequestNotFound,
    JournalDisabled,
    JournalUnavailable(String),
    ReloadRejected(Vec<String>),
    IdempotencyOutcomeUnknown,
    IdempotencyKeysExhausted,
    AuditUnavailable(String),
    StoreUnavailable(String),
    /// Our own fault.
    Internal(String),
}

impl Failure {
    fn error(&self, contract: &Contract) -> ErrorId {
        let error = match (self, self.name()) {
            (_, Some(name)) => contract.named(name),
            (Self::Violations(violations), None) => contract.answer_violations(violations),
            (_, None) => Some(contract.answer(self.condition())),
        };
        error.unwrap_or_else(|| contract.answer(Condition::Internal))
    }

    /// The error of the contract.
    pub(crate) fn entry<'c>(&self, contract: &'c Contract) -> &'c ErrorEntry {
        contract.entry(self.error(contract))
    }

    /// The error's own name in the contract; `None` for one that answers a condition.
    fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Condition(_)
            | Self::Violations(_)
            | Self::MethodNotAllowed(_)
            | Self::RoleInsufficient { .. }
            | Self::StoreUnavailable(_)
            | Self::Internal(_) => return None,
            Self::CrossSite => "cross_site",
            Self::CredentialInRequest => "credential_in_request",
            Self::InvalidCursor => "invalid_cursor",
            Self::AccountNotFound(_) => "account_not_found",
            Self::AccountExists(_) => "account_exists",
            Self::AccountDeleted(_) => "account_deleted",
            Self::AccountHasKeys(_) => "account_has_keys",
            Self::AccountInUse => "account_in_use",
            Self::KeyNotFound(_) => "key_not_found",
            Self::KeyNotActive(_) => "key_not_active",
            Self::PlanUnknown(_) => "plan_unknown",
            Self::ApiUnknown(_) => "api_unknown",
            Self::EnvironmentUnknown(_) => "environment_unknown",
            Self::OperationUnknown(_) => "operation_unknown",
            Self::CommandInvalid(_) => "command_invalid",
            Self::BalanceTooLarge => "balance_too_large",
            Self::InsufficientCredits { .. } => "insufficient_credits",
            Self::NotCharged(_) => "not_charged",
            Self::OperationMismatch => "operation_mismatch",
            Self::NoRequestId => "no_request_id",
            Self::ForeignRequestId => "foreign_request_id",
            Self::RequestExpired(_) => "request_expired",
            Self::RequestNotFound => "request_not_found",
            Self::JournalDisabled => "journal_disabled",
            Self::JournalUnavailable(_) => "journal_unavailable",
            Self::ReloadRejected(_) => "reload_rejected",
            Self::IdempotencyOutcomeUnknown => "idempotency_outcome_unknown",
            Self::IdempotencyKeysExhausted => "idempotency_keys_exhausted",
            Self::AuditUnavailable(_) => "audit_unavailable",
        })
    }

    fn condition(&self) -> Condition {
        match self {
            Self::Condition(condition) => *condition,
            Self::MethodNotAllowed(_) => Condition::ResourceMethodNotAllowed,
            Self::RoleInsufficient { .. } => Condition::PermissionOperation,
            Self::StoreUnavailable(_) => Condition::StoreUnavailableKeys,
            _ => Condition::Internal,
        }
    }

    fn params(&self) -> Vec<(&'static str, Value)> {
        let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        match self {
            Self::RoleInsufficient { role, required } => {
                vec![("role", role.as_str().into()), ("required", required.as_str().into())]
            }
            Self::AccountNotFound(account) | Self::AccountExists(account) | Self::AccountDeleted(account) => {
                vec![("account", account.as_str().into())]
            }
            Self::AccountHasKeys(keys) => vec![("keys", number(*keys))],
            Self::KeyNotFound(key) => vec![("key", key.as_str().into())],
            Self::KeyNotActive(state) => {
                vec![("state", format!("{state:?}").to_lowercase().into())]
            }
            Self::PlanUnknown(plan) => vec![("plan", plan.as_str().into())],
            Self::ApiUnknown(api) => vec![("api", api.as_str().into())],
            Self::EnvironmentUnknown(known) => vec![("environments", Value::List(known.clone()))],
            Self::OperationUnknown(operation) => vec![("operation", operation.as_str().into())],
            Self::InsufficientCredits { available, requested } => {
                vec![("available", number(*available)), ("requested", number(*requested))]
            }
            Self::NotCharged(operation) => vec![("operation", operation.as_str().into())],
            Self::RequestExpired(oldest) => vec![("oldest", oldest.to_string().into())],
            _ => Vec::new(),
        }
    }

    /// A message that replaces that of the contract.
    fn message(&self) -> Option<String> {
        match self {
            Self::CommandInvalid(message) => Some(message.clone()),
            Self::ReloadRejected(reasons) => {
                let first: Vec<&str> = reasons.iter().take(MAX_REASONS).map(String::as_str).collect();
                Some(first.join("; "))
            }
            _ => None,
        }
    }

    /// The error for the log: what only the operator of this machine may know.
    fn cause(&self) -> Option<&str> {
        match self {
            Self::JournalUnavailable(cause)
            | Self::AuditUnavailable(cause)
            | Self::StoreUnavailable(cause)
            | Self::Internal(cause) => Some(cause),
            _ => None,
        }
    }
}

/// A request that cannot be read, by the status that says why.
impl From<StatusCode> for Failure {
    fn from(status: StatusCode) -> Self {
        Self::Condition(match status.as_u16() {
            408 => Condition::RequestTimeout,
            413 => Condition::BodyTooLarge,
            414 => Condition::RequestUriTooLong,
            417 => Condition::RequestExpectationFailed,
            431 => Condition::RequestHeadTooLarge,
            501 => Condition::RequestNotImplemented,
            505 => Condition::RequestVersionNotSupported,
            500 => Condition::Internal,
            _ => Condition::RequestMalformed,
        })
    }
}

impl From<CommandFault> for Failure {
    fn from(fault: CommandFault) -> Self {
        match fault {
            CommandFault::UnknownAccount { account } => Self::AccountNotFound(account),
            CommandFault::UnknownKey { key } => Self::KeyNotFound(key),
            CommandFault::UnknownPlan { plan } => Self::PlanUnknown(plan),
            CommandFault::AccountExists { account } => Self::AccountExists(account),
            CommandFault::AccountDeleted { account } => Self::AccountDeleted(account),
            CommandFault::AccountHasKeys { keys, .. } => Self::AccountHasKeys(keys),
            CommandFault::AccountInUse { .. } => Self::AccountInUse,
            CommandFault::AmountTooLarge => Self::BalanceTooLarge,
            CommandFault::OperationMismatch => Self::OperationMismatch,
            CommandFault::NotCharged { operation } => Self::NotCharged(operation),
            CommandFault::InsufficientCredits { available, requested } => {
                Self::InsufficientCredits { available, requested }
            }
            CommandFault::KeyNotActive { state, .. } => Self::KeyNotActive(state),
            CommandFault::Store { cause } => Self::StoreUnavailable(cause),
            CommandFault::NoRandomness => Self::StoreUnavailable(fault.to_string()),
            CommandFault::MissingReason
            | CommandFault::UnknownSecret
            | CommandFault::InvalidPrefix { .. }
            | CommandFault::InvalidImport { .. }
            | CommandFault::KeyExists { .. }
            | CommandFault::Unreadable { .. } => Self::CommandInvalid(fault.to_string()),
        }
    }
}

/// Where the tokens cannot be read, nobody can be identified.
impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self::StoreUnavailable(error.to_string())
    }
}

/// Renders a failure as the error of the contract.
pub(crate) fn render(contract: &Contract, failure: Failure, request_id: &str) -> Response<Bytes> {
    let error = failure.error(contract);
    let entry = contract.entry(error);
    if let Some(cause) = failure.cause() {
        let code = entry.code.as_deref().unwrap_or_default();
        tracing::error!(request_id, code, %cause, "admin request failed");
    }
    let retry_after = entry.retry.default_delay.map(|delay| RetryAfter { delay });
    let mut problem = Problem::new(error, request_id);
    problem.params = failure.params().into_iter().map(|(name, value)| (name.into(), value)).collect();
    problem.message = failure.message().map(Into::into);
    problem.retry_after = retry_after;
    let allow = match failure {
        Failure::MethodNotAllowed(allow) => Some(allow),
        Failure::Violations(violations) => {
            problem.violations = violations.into();
            None
        }
        _ => None,
    };
    let mut body = Vec::with_capacity(256);
    contract.render(&problem, &mut body);
    let mut response = Response::new(Bytes::from(body));
    let status = StatusCode::from_u16(entry.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(CONTENT_TYPE, contract.content_type());
    if let Some(delay) = retry_after {
        set(RETRY_AFTER, &delay.seconds().to_string());
    }
    if status == StatusCode::UNAUTHORIZED {
        set(WWW_AUTHENTICATE, "Bearer");
    }
    if let Some(allow) = allow {
        set(ALLOW, &allow);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Failure> {
        let account: AccountId = "acme".parse().unwrap();
        let key: KeyId = "key_1".parse().unwrap();
        vec![
            Failure::MethodNotAllowed("GET".to_owned()),
            Failure::CrossSite,
            Failure::CredentialInRequest,
            Failure::InvalidCursor,
            Failure::RoleInsufficient { role: Role::Viewer, required: Role::Operator },
            Failure::AccountNotFound(account.clone()),
            Failure::AccountExists(account.clone()),
            Failure::AccountDeleted(account),
            Failure::AccountHasKeys(3),
            Failure::AccountInUse,
            Failure::KeyNotFound(key),
            Failure::KeyNotActive(KeyState::Revoked),
            Failure::PlanUnknown("gold".to_owned()),
            Failure::ApiUnknown("shop".to_owned()),
            Failure::EnvironmentUnknown(vec!["live".to_owned(), "test".to_owned()]),
            Failure::OperationUnknown("list".to_owned()),
            Failure::CommandInvalid("a reason".to_owned()),
            Failure::BalanceTooLarge,
            Failure::InsufficientCredits { available: 1, requested: 2 },
            Failure::NotCharged("op_1".parse().unwrap()),
            Failure::OperationMismatch,
            Failure::NoRequestId,
            Failure::ForeignRequestId,
            Failure::RequestExpired(Timestamp::UNIX_EPOCH),
            Failure::RequestNotFound,
            Failure::JournalDisabled,
            Failure::JournalUnavailable("secret cause".to_owned()),
            Failure::ReloadRejected(vec!["one".to_owned(), "two".to_owned()]),
            Failure::IdempotencyOutcomeUnknown,
            Failure::IdempotencyKeysExhausted,
            Failure::AuditUnavailable("secret cause".to_owned()),
            Failure::StoreUnavailable("secret cause".to_owned()),
            Failure::Internal("secret cause".to_owned()),
        ]
    }

    #[test]
    fn every_failure_has_an_error_of_its_own_and_hides_its_cause() {
        let contract = contract().unwrap();
        let mut codes = std::collections::BTreeSet::new();
        for failure in all() {
            let shown = format!("{failure:?}");
            let is_ours = matches!(failure, Failure::Internal(_));
            let code = failure.entry(&contract).code.clone().unwrap();
            let response = render(&contract, failure, "adm_1");
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(code == "internal", is_ours, "{shown}: {body}");
            assert_eq!(body["code"], code, "{shown}");
            assert_eq!(body["status"], response.status().as_u16(), "{shown}");
            assert_eq!(body["request_id"], "adm_1");
            let text = body.to_string();
            assert!(!text.contains("secret cause") && text.matches('{').count() == 1, "{text}");
            assert!(codes.insert(code), "{shown} has the code of another failure");
        }
        // The others answer conditions.
        let declared =
            contract.entries().filter(|(_, entry)| entry.source == demur_contract::EntrySource::Declared);
        for (_, entry) in declared {
            let is_condition = contract.named(&entry.name).is_none() || codes.contains(&entry.name);
            let by_condition = demur_contract::Condition::all()
                .any(|condition| contract.entry(contract.answer(condition)).name == entry.name);
            assert!(is_condition || by_condition, "no failure has the error {}", entry.name);
        }
    }

    #[test]
    fn unreadable_requests_keep_their_status() {
        let contract = contract().unwrap();
        for status in [400, 408, 413, 414, 417, 431, 500, 501, 505] {
            let failure = StatusCode::from_u16(status).unwrap().into();
            assert_eq!(render(&contract, failure, "adm_1").status().as_u16(), status);
        }
    }
}
