//! Properties of every built-in contract.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use demur_contract::{
    Condition, Contract, EntrySource, Location, ParseResult, Problem, ResponseView, RetryAfter, Violation,
    builtin,
};
use std::borrow::Cow;
use std::time::Duration;

fn contracts() -> Vec<Contract> {
    let load = |name| match Contract::load(&builtin::source(name).unwrap()) {
        Ok(loaded) => loaded.contract,
        Err(diagnostics) => panic!("{name}:\n{diagnostics}"),
    };
    builtin::names().map(load).collect()
}

/// The name and pointer of a parameter, and those of the body as a whole, which are empty.
const PARAMS: [(&str, &str); 2] = [("limit", "/limit"), ("", "")];

fn violation(condition: Condition, (param, pointer): (&str, &str)) -> Violation {
    Violation {
        condition,
        location: if param.is_empty() { Location::Body } else { Location::Query },
        param: param.into(),
        pointer: pointer.into(),
        value: Some("x\"\u{1}&#34;{}".into()),
        limit: Some("7".into()),
        allowed: vec!["a".into(), "b".into()],
    }
}

#[test]
fn contract_name_is_the_file_name() {
    for (contract, name) in contracts().iter().zip(builtin::names()) {
        assert_eq!(contract.name(), name);
    }
}

#[test]
fn derived_errors_follow_the_condition_table() {
    for contract in contracts() {
        for condition in Condition::all().filter(|condition| *condition != Condition::ClientGone) {
            let entry = contract.entry(contract.answer(condition));
            if let EntrySource::Derived(of) = entry.source {
                // An upstream's status may share the error of the condition that means the same.
                let equivalent = match condition {
                    Condition::UpstreamRefused(status) => status.equivalent(),
                    _ => None,
                };
                assert!(of == condition || Some(of) == equivalent, "{}: {of}, {condition}", contract.name());
                assert_eq!(entry.status.as_u16(), condition.defaults().status);
                assert_eq!(entry.retry.class, of.defaults().retry);
            }
        }
        if contract.about().statuses_closed {
            let derived = contract.entries().filter(|(_, entry)| entry.source != EntrySource::Declared);
            assert_eq!(derived.count(), 0, "{}", contract.name());
        }
    }
}

/// Every body is JSON and is parsed as the error that made it, or as a set of errors with it.
#[test]
fn rendered_errors_are_recognized() {
    for contract in contracts() {
        for condition in Condition::all() {
            let error = contract.answer(condition);
            let mut problem = Problem::new(error, "req_0123456789abcdef");
            problem.retry_after = Some(RetryAfter { delay: Duration::from_millis(1500) });
            if !condition.is_violation() {
                check(&contract, &problem, condition.name());
                continue;
            }
            for param in PARAMS {
                problem.violations = Cow::Owned(vec![violation(condition, param)]);
                check(&contract, &problem, condition.name());
                for variant in contract.as_problem().into_iter().chain(contract.in_locale("it")) {
                    check(variant, &problem, condition.name());
                }
            }
        }
        for (error, entry) in contract.entries() {
            check(&contract, &Problem::new(error, "req_0123456789abcdef"), &entry.name);
        }
    }
}

fn check(contract: &Contract, problem: &Problem<'_>, what: &str) {
    let mut body = Vec::new();
    contract.render(problem, &mut body);
    let text = String::from_utf8_lossy(&body);
    serde_json::from_slice::<serde_json::Value>(&body)
        .unwrap_or_else(|error| panic!("{} {what}: {error}\n{text}", contract.name()));
    let status = contract.entry(problem.error).status.as_u16();
    match contract.parse(&ResponseView::new(status, &body)) {
        ParseResult::Exact(read) => {
            assert_eq!(read.problem.error, problem.error, "{} {what}: {text}", contract.name());
            assert!(read.unknown_members.is_empty(), "{text}");
        }
        ParseResult::Ambiguous { candidates } => {
            assert!(candidates.contains(&problem.error), "{} {what}: {text}", contract.name());
        }
        ParseResult::Unknown { .. } => panic!("{} {what}: not recognized: {text}", contract.name()),
    }
}

#[test]
fn built_in_contracts_load_without_warnings() {
    for name in builtin::names() {
        let loaded = Contract::load(&builtin::source(name).unwrap()).unwrap();
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    }
}

/// They have the same status, code, retry settings and body in every language and media type, so that an attacker who
/// guesses keys cannot learn their format.
#[test]
fn unknown_and_malformed_keys_get_the_same_response() {
    for contract in contracts() {
        let languages = contract.locales().filter_map(|tag| contract.in_locale(tag));
        for variant in languages.flat_map(|variant| std::iter::once(variant).chain(variant.as_problem())) {
            let response = |condition| {
                let error = variant.answer(condition);
                let mut body = Vec::new();
                variant.render(&Problem::new(error, "req_0123456789abcdef"), &mut body);
                let entry = variant.entry(error);
                (entry.status.as_u16(), entry.retry, entry.code.clone(), variant.content_type(), body)
            };
            let [malformed, unknown] =
                [Condition::CredentialMalformed, Condition::CredentialUnknown].map(response);
            assert_eq!(malformed, unknown, "{} {}", contract.name(), variant.locale());
        }
    }
}

/// The conditions that concern one access token, one address or origin, one upgrade or one set of instances get the error of what
/// they are: with a status that a client understands, never as an error of another kind.
#[test]
fn newer_conditions_get_an_error_of_their_kind() {
    let rows: [(Condition, &[u16]); 17] = [
        // An API without 401 for bad keys says 403.
        (Condition::CredentialTokenMalformed, &[401, 403]),
        (Condition::CredentialTokenAlgorithm, &[401, 403]),
        (Condition::CredentialTokenUnknownKey, &[401, 403]),
        (Condition::CredentialTokenSignature, &[401, 403]),
        (Condition::CredentialTokenIssuer, &[401, 403]),
        (Condition::CredentialTokenAudience, &[401, 403]),
        (Condition::CredentialTokenExpired, &[401, 403]),
        (Condition::CredentialTokenNotYetValid, &[401, 403]),
        (Condition::CredentialTokenClaim, &[401, 403]),
        (Condition::CredentialTokenRevoked, &[401, 403]),
        // 400 where the API documents no 403.
        (Condition::PermissionAddress, &[403, 400]),
        (Condition::PermissionOrigin, &[403, 400]),
        (Condition::RequestUpgradeRejected, &[400]),
        // 500 where the API documents no 503.
        (Condition::UpstreamUnhealthy, &[503, 500]),
        (Condition::StoreUnavailableTokenKeys, &[503, 500]),
        (Condition::StoreUnavailableKeys, &[503, 500]),
        (Condition::UpstreamUnavailable, &[503, 500]),
    ];
    for contract in contracts() {
        for (condition, statuses) in rows {
            let entry = contract.entry(contract.answer(condition));
            let status = entry.status.as_u16();
            assert!(statuses.contains(&status), "{} {condition}: {status}", contract.name());
            // The preferred status is documented, so it is used.
            let prefers_first = !contract.about().statuses_closed
                || contract.entries().any(|(_, e)| e.status.as_u16() == statuses[0]);
            let is_like_keys = condition.covered_by("credential.token")
                && status == contract.entry(contract.answer(Condition::CredentialUnknown)).status.as_u16();
            let is_like_service =
                status == contract.entry(contract.answer(Condition::UpstreamUnavailable)).status.as_u16();
            assert!(
                !prefers_first || status == statuses[0] || is_like_keys || is_like_service,
                "{} {condition}: {status}",
                contract.name()
            );
        }
    }
}
