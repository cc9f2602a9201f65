//! Lockouts: accounts and keys that are active in the store, but that no request can use with a configuration.
//!
//! A store contains the names of APIs, prefixes and plans. If the configuration renames them, an active key is rejected as
//! unknown (401) or for an inactive plan (402). The comparison is on plain data, so that the gateway at start, a reload and
//! the command line get the same result.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Grants, ImportedForm, ImportedHash, KeyId, Scope};

/// The names of a configuration that a store refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configured {
    /// The APIs by name.
    pub apis: BTreeMap<String, ConfiguredApi>,
    /// The names of the plans.
    pub plans: BTreeSet<String>,
}

/// The names of an API in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfiguredApi {
    /// The prefixes of its keys.
    pub prefixes: BTreeSet<String>,
    /// Operations that need a key, with the scope that each one needs.
    pub operations: BTreeMap<String, Option<String>>,
}

/// Why an account or a key is locked out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum LockoutReason {
    /// Keys of an API that is not in the configuration.
    UnknownApi {
        /// The API, as the keys name it.
        api: String,
    },
    /// Keys whose prefix is neither one of the API's prefixes nor that of an imported form.
    UnknownPrefix {
        /// The API.
        api: String,
        /// The prefix of the keys.
        prefix: String,
    },
    /// Imported keys whose hash key is not in the pepper file.
    HashKeyMissing {
        /// The API.
        api: String,
        /// The prefix of the keys.
        prefix: String,
        /// The name of the hash key.
        name: String,
    },
    /// Accounts on a plan that is not in the configuration.
    UnknownPlan {
        /// The plan, as the accounts name it; empty if they have none.
        plan: String,
    },
    /// Keys that are limited to operations that the API does not have.
    UnknownOperations {
        /// The API.
        api: String,
        /// The first of those operations.
        operations: Vec<String>,
    },
    /// Keys that lack the scopes of all operations they cover. Such keys may be intended.
    MissingScopes {
        /// The API.
        api: String,
        /// The first scopes of the keys.
        scopes: Vec<String>,
    },
}

/// The maximum number of operations or scopes that a reason names.
const MAX_NAMED: usize = 5;

impl LockoutReason {
    /// Whether only a change of the configuration can have caused it, so that the gateway should not start with it by default.
    pub fn is_severe(&self) -> bool {
        match self {
            LockoutReason::UnknownApi { .. }
            | LockoutReason::UnknownPrefix { .. }
            | LockoutReason::HashKeyMissing { .. }
            | LockoutReason::UnknownPlan { .. }
            | LockoutReason::UnknownOperations { .. } => true,
            LockoutReason::MissingScopes { .. } => false,
        }
    }

    /// Returns the status of the response to a request with such a key.
    pub fn status(&self) -> u16 {
        match self {
            LockoutReason::UnknownApi { .. }
            | LockoutReason::UnknownPrefix { .. }
            | LockoutReason::HashKeyMissing { .. } => 401,
            LockoutReason::UnknownPlan { .. } => 402,
            LockoutReason::UnknownOperations { .. } | LockoutReason::MissingScopes { .. } => 403,
        }
    }
}

impl fmt::Display for LockoutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockoutReason::UnknownApi { api } => {
                write!(f, "the database has keys of the unknown API `{api}`")
            }
            LockoutReason::UnknownPrefix { api, prefix } => {
                write!(
                    f,
                    "the database has keys that begin with `{prefix}`, which is no prefix of API `{api}`"
                )
            }
            LockoutReason::HashKeyMissing { api, prefix, name } => write!(
                f,
                "the pepper file lacks the hash key `{name}` of imported keys of API `{api}` that begin with `{prefix}`"
            ),
            LockoutReason::UnknownPlan { plan } if plan.is_empty() => {
                f.write_str("the database has accounts without a plan")
            }
            LockoutReason::UnknownPlan { plan } => {
                write!(f, "the database has accounts with the unknown plan `{plan}`")
            }
            LockoutReason::UnknownOperations { api, operations } => {
                write!(f, "API `{api}` has no operation `{}`", operations.join("`, `"))
            }
            LockoutReason::MissingScopes { api, scopes } if scopes.is_empty() => {
                write!(
                    f,
                    "all operations of API `{api}` that the key covers need a scope, but the key has none"
                )
            }
            LockoutReason::MissingScopes { api, scopes } => write!(
                f,
                "no operation of API `{api}` that the key covers is allowed by its scopes: `{}`",
                scopes.join("`, `")
            ),
        }
    }
}

/// The first of several items, and their number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstOf<T> {
    /// The first items.
    pub first: Vec<T>,
    /// The number of items.
    pub count: u64,
}

/// The accounts and keys that are locked out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lockout {
    /// The reason.
    #[serde(flatten)]
    pub reason: LockoutReason,
    /// The accounts.
    pub accounts: FirstOf<AccountId>,
    /// The active keys.
    pub keys: FirstOf<KeyId>,
}

impl Configured {
    /// Returns why no key of an API with this prefix is valid. `has_hash_key` returns whether a hash key exists.
    pub fn of_prefix(
        &self,
        api: &str,
        prefix: &str,
        forms: &[ImportedForm],
        has_hash_key: impl Fn(&str) -> bool,
    ) -> Option<LockoutReason> {
        let Some(known) = self.apis.get(api) else {
            return Some(LockoutReason::UnknownApi { api: api.to_owned() });
        };
        if known.prefixes.contains(prefix) {
            return None;
        }
        let (api, prefix) = (api.to_owned(), prefix.to_owned());
        let mut missing = None;
        for form in forms.iter().filter(|form| form.api == api && form.prefix == prefix) {
            match &form.hash {
                ImportedHash::HmacSha256(name) if !has_hash_key(name) => missing = Some(name.clone()),
                ImportedHash::Sha256 | ImportedHash::HmacSha256(_) => return None,
            }
        }
        Some(match missing {
            Some(name) => LockoutReason::HashKeyMissing { api, prefix, name },
            None => LockoutReason::UnknownPrefix { api, prefix },
        })
    }

    /// Returns why a key with these grants cannot call any operation.
    pub fn of_grants(&self, api: &str, grants: &Grants) -> Option<LockoutReason> {
        let known = self.apis.get(api)?;
        let few = |names: &BTreeSet<String>| names.iter().take(MAX_NAMED).cloned().collect();
        let mut covered =
            known.operations.iter().filter(|(name, _)| grants.operations.covers(name)).peekable();
        if known.operations.is_empty() {
            return None;
        }
        if covered.peek().is_none() {
            let Scope::Only(operations) = &grants.operations else { return None };
            return Some(LockoutReason::UnknownOperations {
                api: api.to_owned(),
                operations: few(operations),
            });
        }
        let mut scopes = covered.map(|(_, scope)| scope);
        let has = |scope: &Option<String>| scope.as_ref().is_none_or(|scope| grants.scopes.contains(scope));
        (!scopes.any(has))
            .then(|| LockoutReason::MissingScopes { api: api.to_owned(), scopes: few(&grants.scopes) })
    }

    /// Returns why an account on this plan cannot call any operation. A plan that is inactive in the configuration is no
    /// mistake.
    pub fn of_plan(&self, plan: &str) -> Option<LockoutReason> {
        let is_known = self.plans.contains(plan) || plan.is_empty() && self.plans.is_empty();
        (!is_known).then(|| LockoutReason::UnknownPlan { plan: plan.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured() -> Configured {
        let operations = [("list", None), ("export", Some("export")), ("delete", Some("admin"))];
        let operations = operations.map(|(name, scope)| (name.to_owned(), scope.map(str::to_owned)));
        let shop = ConfiguredApi {
            prefixes: ["shop_live", "shop_test"].map(str::to_owned).into(),
            operations: operations.into(),
        };
        Configured { apis: [("shop".to_owned(), shop)].into(), plans: ["free".to_owned()].into() }
    }

    #[test]
    fn names_the_reason_for_a_locked_out_prefix() {
        let form = |prefix: &str, hash| ImportedForm {
            api: "shop".into(),
            prefix: prefix.into(),
            shortest: 20,
            longest: 30,
            hash,
        };
        let hmac = |name: &str| ImportedHash::HmacSha256(name.to_owned());
        let forms = [
            form("sk_", ImportedHash::Sha256),
            form("old", hmac("known")),
            form("lost", hmac("lost")),
            form("both", hmac("lost")),
            form("both", ImportedHash::Sha256),
        ];
        for (api, prefix, expected) in [
            ("shop", "shop_live", None),
            ("shop", "shop_test", None),
            ("shop", "shop", Some("begin with `shop`")),
            ("shop", "", Some("begin with ``")),
            ("shop", "sk_", None),
            ("shop", "old", None),
            ("shop", "lost", Some("hash key `lost`")),
            ("shop", "both", None),
            ("depot", "shop_live", Some("the database has keys of the unknown API `depot`")),
            ("depot", "sk_", Some("the database has keys of the unknown API `depot`")),
        ] {
            let found = configured().of_prefix(api, prefix, &forms, |name| name == "known");
            let matches = match (&found, expected) {
                (None, None) => true,
                (Some(reason), Some(text)) => reason.to_string().contains(text) && reason.is_severe(),
                _ => false,
            };
            assert!(matches, "{api} {prefix}: {found:?}");
        }
    }

    #[test]
    fn names_the_reason_for_locked_out_grants_and_plans() {
        let only = |names: &[&str]| Scope::Only(names.iter().map(|name| (*name).to_owned()).collect());
        for (operations, scopes, status, is_severe) in [
            (Scope::All, &[][..], None, false),
            (only(&["list"]), &[], None, false),
            (only(&["gone", "list"]), &[], None, false),
            (only(&["gone"]), &["export"], Some(403), true),
            (only(&["export"]), &["export"], None, false),
            (only(&["export"]), &["exports"], Some(403), false),
            (only(&["export", "delete"]), &[], Some(403), false),
        ] {
            let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            let grants = Grants { operations, scopes, ..Grants::default() };
            let found = configured().of_grants("shop", &grants);
            assert_eq!(found.as_ref().map(LockoutReason::status), status, "{grants:?}");
            assert_eq!(found.is_some_and(|reason| reason.is_severe()), is_severe, "{grants:?}");
        }
        for (plan, is_known) in [("free", true), ("paid", false), ("", false)] {
            assert_eq!(configured().of_plan(plan).is_none(), is_known, "{plan}");
        }
    }
}
