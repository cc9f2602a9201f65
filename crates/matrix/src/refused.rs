//! The cells of `upstream.refused`: a hundred conditions, which few errors answer.

use demur_contract::{Condition, Contract, EntrySource, ErrorId, RejectedStatus};

use crate::model::{Cause, CauseKind};
use crate::operation::OperationView;
use crate::why::declared;

/// Statuses that one error answers, or the derived errors of a contract that leaves them open.
pub(crate) struct RefusedGroup {
    pub(crate) condition: String,
    pub(crate) statuses: Vec<u16>,
    /// The status in the example.
    pub(crate) example: RejectedStatus,
}

/// The statuses with another meaning: the credentials or the account of the gateway itself are not accepted.
const OTHERS: [u16; 3] = [401, 402, 407];

/// The groups of a contract, in the order of their first status.
pub(crate) fn groups(contract: &Contract) -> Vec<RefusedGroup> {
    let mut groups: Vec<(Option<ErrorId>, Vec<RejectedStatus>)> = Vec::new();
    let is_own = |status: &RejectedStatus| {
        contract.upstream_condition(status.as_u16()) == Condition::UpstreamRefused(*status)
    };
    let all = (400..500).filter(|status| !OTHERS.contains(status)).filter_map(RejectedStatus::new);
    for status in all.filter(is_own) {
        let error = contract.answer(Condition::UpstreamRefused(status));
        let is_derived = matches!(contract.entry(error).source, EntrySource::Derived(_));
        let error = (!is_derived).then_some(error);
        match groups.iter_mut().find(|(known, _)| *known == error) {
            Some((_, statuses)) => statuses.push(status),
            None => groups.push((error, vec![status])),
        }
    }
    let largest = groups.iter().map(|(_, statuses)| statuses.len()).max().unwrap_or_default();
    let group = |(_, statuses): &(_, Vec<RejectedStatus>)| {
        let first = *statuses.first()?;
        // A conflict is what services reject most often, beside what has a condition of its own. Where it has one too, a
        // refused permission.
        let find = |wanted: u16| statuses.iter().find(|status| status.as_u16() == wanted).copied();
        let example = find(409).or(find(403)).unwrap_or(first);
        let is_branch = statuses.len() == largest && largest > 1;
        let condition = match is_branch {
            true => "upstream.refused".to_owned(),
            false => Condition::UpstreamRefused(first).name().to_owned(),
        };
        let statuses = statuses.iter().map(|status| status.as_u16()).collect();
        Some(RefusedGroup { condition, statuses, example })
    };
    groups.iter().filter_map(group).collect()
}

/// The status of the upstream that means the same to a client as a condition, if the contract maps it to the condition.
pub(crate) fn mapped(contract: &Contract, condition: Condition, view: &OperationView<'_>) -> Option<Cause> {
    let is_mapped = |status: &RejectedStatus| {
        status.equivalent() == Some(condition) && contract.upstream_condition(status.as_u16()) == condition
    };
    let status = (400..500).filter_map(RejectedStatus::new).find(is_mapped)?.as_u16();
    if view.api.monitor {
        return None;
    }
    Some(Cause::new(CauseKind::Upstream, format!("the upstream responds with {status}")))
}

/// Why a response of the group can occur.
pub(crate) fn causes(group: &RefusedGroup, view: &OperationView<'_>) -> Vec<Cause> {
    let is_own = |status: &String| status.parse().is_ok_and(|status| group.statuses.contains(&status));
    let mut causes: Vec<Cause> =
        view.operation.response_statuses().filter(is_own).map(|status| declared(&status, view)).collect();
    let statuses: Vec<String> = group.statuses.iter().map(u16::to_string).collect();
    let text = match statuses.as_slice() {
        few if few.len() <= 5 => format!("the upstream responds with {}", few.join(" or ")),
        _ => "the upstream responds with a 4xx that no other error answers".to_owned(),
    };
    causes.push(Cause::new(CauseKind::Upstream, text));
    causes
}
