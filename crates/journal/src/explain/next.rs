//! What to do next.

use demur_contract::{Condition, RetryClass};

use super::reason::seconds;
use crate::Entry;

pub(super) fn of(entry: &Entry) -> Vec<String> {
    let name = entry.condition.as_deref().unwrap_or_default();
    let mut next: Vec<String> = Vec::new();
    let mut add = |text: &str| next.push(text.to_owned());
    match name {
        "" if entry.message == "request aborted" => {
            add(
                "Nothing, if the client cancelled the request. If it timed out, raise the timeout of the client.",
            );
            return next;
        }
        "" => return next,
        "credential.missing" | "credential.scheme" | "credential.malformed" | "credential.unknown" => {
            add(
                "Check that the key is sent where the API expects it, whole, and that it is a key of this API and environment.",
            );
        }
        "credential.revoked" | "credential.expired" => {
            add("Use another key: `demur keys create`, or `demur keys rotate` beforehand.");
        }
        "credential.token.expired" => {
            add("Get a new token from the identity provider, before the old one expires.");
        }
        name if name.starts_with("credential.token.") => {
            add(
                "Compare the token with `tokens` of the API's configuration: issuer, audience, algorithms, keys, claims.",
            );
        }
        "permission.address" => {
            add(
                "Send the request from another address, or change `addresses` of the API or the addresses of the key.",
            );
            add("If a proxy is in front of the gateway, check that it is in `trusted_proxies`.");
        }
        "permission.resource" | "permission.operation" => {
            add("Use a key with the permission, or grant it: `demur keys create --scope SCOPE`.");
        }
        "plan.required" | "plan.inactive" => {
            add("Change the plan of the account: `demur accounts set-plan`.");
        }
        "credits.exhausted" => {
            add("Add credits (`demur accounts top-up`), or wait for the next grant of the plan.");
        }
        "resource.method_not_allowed" => add("Use one of the methods in the header `Allow` of the response."),
        "internal" | "rule.failed" => {
            add("This is a fault of the gateway or of its configuration: look at its log.");
        }
        "store.unavailable.token_keys" => {
            add(
                "Look at the gateway's log for `token keys unavailable`: the issuer's key set cannot be fetched.",
            );
        }
        name if name.starts_with("store.unavailable") => {
            add("Look at the gateway's log for `store unavailable`: its database cannot be used.");
        }
        name if name.starts_with("upstream.") => {
            add("Look at the logs of the API at this time; the cause above is what the gateway saw of it.");
        }
        _ if !entry.violations.is_empty() || name.starts_with("body.") || name.starts_with("param.") => {
            add("Correct the request as the reason says. The same request fails again.");
        }
        name if Condition::from_name(name).is_none() => {
            let code = entry.code.as_deref().unwrap_or(name);
            add(&format!("See what the contract says of this error: `demur explain {code}`."));
        }
        _ => {}
    }
    if let Some(advice) = retry(name, entry) {
        // A wait comes first.
        let at = if entry.retry_after.is_some() { 0 } else { next.len() };
        next.insert(at, advice);
    }
    next
}

fn retry(name: &str, entry: &Entry) -> Option<String> {
    if let Some(delay) = entry.retry_after {
        return Some(format!("Wait {}, and send the request again.", seconds(&delay.to_string())));
    }
    let class = Condition::from_name(name).map(|condition| condition.defaults().retry)?;
    Some(match class {
        RetryClass::Backoff => {
            "Send the request again if it is idempotent, with a growing delay between the attempts."
                .to_owned()
        }
        RetryClass::AtReset => "Wait for the next period of the quota, or change the plan.".to_owned(),
        RetryClass::AfterDelay => "Wait, and send the request again.".to_owned(),
        RetryClass::Never => "Do not send the same request again: it fails again.".to_owned(),
        RetryClass::AfterFix => return None,
    })
}
