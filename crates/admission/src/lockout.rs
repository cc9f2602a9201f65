//! Whom a configuration locks out: accounts and keys that a store calls active, and that no request can use.
//!
//! A store keeps the names of APIs, prefixes and plans. When the configuration calls them otherwise, a key that is listed as
//! active is answered as unknown (401) or as one of an inactive plan (402). What is compared is data, so that a gateway at
//! its start, at a reload, and the command line come to the same answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Grants, ImportedForm, ImportedHash, KeyId, Scope};

/// What a configuration knows, as far as a store names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configured {
    /// The APIs, by their names.
    pub apis: BTreeMap<String, ConfiguredApi>,
    /// The names of the plans.
    pub plans: BTreeSet<String>,
}

/// What it knows of an API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfiguredApi {
    /// What its keys begin with.
    pub prefixes: BTreeSet<String>,
    /// Operations that need a key, and the scope that each of them needs.
    pub operations: BTreeMap<String, Option<String>>,
}

/// Why an account or a key is locked out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum LockoutReason {
    /// Keys of an API that the configuration does not have.
    UnknownApi {
        /// As the keys name it.
        api: String,
    },
    /// Keys that begin with what none of the API's keys begins with, and that have no form of imported keys.
    UnknownPrefix {
        /// Of which API.
        api: String,
        /// With what they begin.
        prefix: String,
    },
    /// Imported keys whose hashes need a key that is not in the pepper's file.
    HashKeyMissing {
        /// Of which API.
        api: String,
        /// With what they begin.
        prefix: String,
        /// The name of the hash's key.
        name: String,
    },
    /// Accounts on a plan that the configuration does not have.
    UnknownPlan {
        /// As the accounts name it; empty where they name none.
        plan: String,
    },
    /// Keys that are for certain operations only, none of which the API has.
    UnknownOperations {
        /// Of which API.
        api: String,
        /// Those operations, the first few.
        operations: Vec<String>,
    },
    /// Keys without the scopes that the operations need which they are for. Such keys may have been made so.
    MissingScopes {
        /// Of which API.
        api: String,
        /// The scopes that they have, the first few.
        scopes: Vec<String>,
    },
}

/// Operations and scopes that a reason names.
const NAMED: usize = 5;

impl LockoutReason {
    /// Whether it can only have come by a change of the configuration, so that nothing should be started with it unasked.
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

    /// How a request with such a key is answered.
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
            LockoutReason::UnknownApi { api } => write!(f, "the configuration has no API `{api}`"),
            LockoutReason::UnknownPrefix { api, prefix } => {
                write!(f, "`{api}` has no keys that begin with `{prefix}`")
            }
            LockoutReason::HashKeyMissing { api, prefix, name } => write!(
                f,
                "imported keys of `{api}` that begin with `{prefix}` need the hash key `{name}`, which is not in the \
                 pepper file"
            ),
            LockoutReason::UnknownPlan { plan } if plan.is_empty() => f.write_str("the account has no plan"),
            LockoutReason::UnknownPlan { plan } => write!(f, "the configuration has no plan `{plan}`"),
            LockoutReason::UnknownOperations { api, operations } => {
                write!(f, "`{api}` has no operation `{}`", operations.join("`, `"))
            }
            LockoutReason::MissingScopes { api, scopes } if scopes.is_empty() => {
                write!(
                    f,
                    "every operation of `{api}` that the key covers needs a scope, and the key has none"
                )
            }
            LockoutReason::MissingScopes { api, scopes } => write!(
                f,
                "no operation of `{api}` that the key covers needs only the scopes that it has: `{}`",
                scopes.join("`, `")
            ),
        }
    }
}

/// Some of many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstOf<T> {
    /// The first of them.
    pub first: Vec<T>,
    /// How many there are.
    pub count: u64,
}

/// Who is locked out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lockout {
    /// Why.
    #[serde(flatten)]
    pub reason: LockoutReason,
    /// The accounts.
    pub accounts: FirstOf<AccountId>,
    /// Their active keys.
    pub keys: FirstOf<KeyId>,
}

impl Configured {
    /// Why no key of an API that begins like this opens anything. `has_hash_key` says which keys of other systems' hashes
    /// there are.
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

    /// Why a key with these grants may call nothing.
    pub fn of_grants(&self, api: &str, grants: &Grants) -> Option<LockoutReason> {
        let known = self.apis.get(api)?;
        let few = |names: &BTreeSet<String>| names.iter().take(NAMED).cloned().collect();
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

    /// Why an account on this plan may call nothing. A plan that the configuration calls inactive is no mistake.
    pub fn of_plan(&self, plan: &str) -> Option<LockoutReason> {
        (!self.plans.contains(plan)).then(|| LockoutReason::UnknownPlan { plan: plan.to_owned() })
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
    fn a_prefix_opens_or_the_reason_is_named() {
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
            ("depot", "shop_live", Some("no API `depot`")),
            ("depot", "sk_", Some("no API `depot`")),
        ] {
            let found = configured().of_prefix(api, prefix, &forms, |name| name == "known");
            let fits = match (&found, expected) {
                (None, None) => true,
                (Some(reason), Some(text)) => reason.to_string().contains(text) && reason.is_severe(),
                _ => false,
            };
            assert!(fits, "{api} {prefix}: {found:?}");
        }
    }

    #[test]
    fn grants_and_plans_open_or_the_reason_is_named() {
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
            let grants = Grants { operations, scopes, resources: Scope::All };
            let found = configured().of_grants("shop", &grants);
            assert_eq!(found.as_ref().map(LockoutReason::status), status, "{grants:?}");
            assert_eq!(found.is_some_and(|reason| reason.is_severe()), is_severe, "{grants:?}");
        }
        for (plan, is_known) in [("free", true), ("paid", false), ("", false)] {
            assert_eq!(configured().of_plan(plan).is_none(), is_known, "{plan}");
        }
    }
}
