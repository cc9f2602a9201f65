//! Who answers what: claims are distributed over the conditions, and what nobody claims is derived.
//!
//! A claim on a branch covers what lies below it, the deepest claim wins, and two equal claims are a
//! mistake. An unclaimed condition is never answered by another kind of error: it gets an entry of its own
//! with the table's status, title and retry class.

use std::collections::{HashMap, HashSet};

use demur_source::Span;

use crate::catalogue::{Docs, EntrySource, ErrorEntry, ErrorId, ErrorStatus, Retry, Show};
use crate::load::{CodeStyle, ContractDefaults, ContractReader, Draft, doc_url};
use crate::template::Template;
use crate::{Condition, RetryClass, claim_names};

/// A parameter that the gateway's own denials give along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenialParam {
    /// As messages write it.
    pub name: &'static str,
    /// The conditions that have it.
    pub on: &'static [&'static str],
    /// What it says.
    pub meaning: &'static str,
}

const LIMITS: &[&str] = &["rate.exceeded", "rate.concurrency", "quota.exceeded", "credential.throttled"];
const CREDITS: &[&str] = &["credits.exhausted", "credits.held"];
const WINDOWS: &[&str] = &["rate.exceeded", "quota.exceeded", "credential.throttled"];

/// Parameters that the gateway's own denials give along, by their names.
pub const DENIAL_PARAMS: &[DenialParam] = &[
    of("allow", &["resource.method_not_allowed"], "the methods that the path has"),
    of("available", CREDITS, "credits that there are"),
    of("feature", &["plan.required"], "what the plan lacks"),
    of("limit", LIMITS, "how many requests, attempts or slots there are in the window, or at once"),
    of("max_bytes", &["body.too_large"], "how much content is taken, where its announced length exceeds it"),
    of("method", &["resource.method_not_allowed"], "the method of the request"),
    of("needed", CREDITS, "credits that the request costs"),
    of("operation", &["permission.operation"], "the operation that the key does not cover"),
    of("plan", &["plan.required", "plan.inactive"], "the account's plan"),
    of("remaining", LIMITS, "how many are left of `limit`"),
    of(
        "resets_at",
        &["quota.exceeded", "credits.exhausted"],
        "when there are more (RFC 3339), where that is known",
    ),
    of("resource", &["permission.resource"], "the resource that the key does not cover"),
    of("scheme", &["credential.scheme"], "the authentication scheme that is expected"),
    of("scope", &["permission.operation"], "the scope that the operation asks for, where it asks for one"),
    of("status", &["upstream.refused"], "the status of the upstream's answer"),
    of(
        "violated_policies",
        &["rate.exceeded", "rate.concurrency", "quota.exceeded"],
        "the names of all limits that deny: those of rates, `concurrency`, `daily`",
    ),
    of("window", WINDOWS, "the limit's window in seconds"),
];

const fn of(name: &'static str, on: &'static [&'static str], meaning: &'static str) -> DenialParam {
    DenialParam { name, on, meaning }
}

/// The distribution.
pub(crate) struct ClaimMap {
    pub(crate) entries: Vec<ErrorEntry>,
    pub(crate) answers: Vec<ErrorId>,
    pub(crate) by_name: HashMap<String, ErrorId>,
    /// The entries that answer some violation.
    pub(crate) violation_errors: HashSet<usize>,
    /// The conditions that no entry claims.
    pub(crate) unclaimed: Vec<Condition>,
}

/// Distributes; mistakes go to the reader.
pub(crate) fn resolve(
    reader: &mut ContractReader<'_>,
    drafts: Vec<Draft>,
    defaults: &ContractDefaults,
) -> ClaimMap {
    let mut claims: HashMap<String, usize> = HashMap::new();
    let mut by_name: HashMap<String, ErrorId> = HashMap::new();
    let known = claim_names();
    let is_condition = |name: &str| {
        let is_refused_status = name
            .strip_prefix("upstream.refused.")
            .is_some_and(|status| status.parse().is_ok_and(|status| (400..500u16).contains(&status)));
        is_refused_status || known.contains(&name)
    };
    for (index, draft) in drafts.iter().enumerate() {
        by_name.insert(draft.entry.name.clone(), ErrorId(clamp(index)));
    }
    for (index, draft) in drafts.iter().enumerate() {
        for claim in &draft.claims {
            if is_condition(&claim.name) {
                if let Some(other) = claims.insert(claim.name.clone(), index) {
                    let message = format!("`{}` is claimed twice", claim.name);
                    let help = format!("`{}` claims it too; keep one", drafts[other].entry.name);
                    reader.error(claim.span, "claimed-twice", message, help);
                }
                continue;
            }
            // A dot, or a near miss, means that one of ours was meant; any other word is the API's own.
            let meant = demur_source::did_you_mean(&claim.name, known.iter().copied()).is_some();
            if claim.name.contains('.') || meant {
                reader.unknown_condition(&claim.name, claim.span);
                continue;
            }
            // An error answers its own name in any case, and may say so.
            if claim.name == draft.entry.name {
                continue;
            }
            if by_name.insert(claim.name.clone(), ErrorId(clamp(index))).is_some() {
                let message = format!("`{}` is answered by another error already", claim.name);
                let help = "leave it out, or give it a name of its own".to_owned();
                reader.error(claim.span, "claimed-twice", message, help);
            }
        }
    }
    tell_unknown_names(reader, &drafts);

    warn_of_other_retry_classes(reader, &drafts, &claims);
    let mut entries: Vec<ErrorEntry> = drafts.into_iter().map(|draft| draft.entry).collect();
    let mut violation_errors = HashSet::new();
    let mut unclaimed = Vec::new();
    let mut answers = Vec::with_capacity(Condition::COUNT);
    for condition in Condition::all() {
        if condition == Condition::ClientGone {
            // Nobody is left to read it: it gets the answer of `internal` below, and none of its own.
            answers.push(ErrorId(0));
            continue;
        }
        let claimed = deepest(&claims, condition);
        if claimed.is_none() {
            unclaimed.push(condition);
        }
        let index = claimed.unwrap_or_else(|| {
            entries.push(derive(condition, defaults));
            entries.len() - 1
        });
        if condition.is_violation() {
            violation_errors.insert(index);
        }
        answers.push(ErrorId(clamp(index)));
    }
    answers[Condition::ClientGone.index()] = answers[Condition::Internal.index()];
    ClaimMap { entries, answers, by_name, violation_errors, unclaimed }
}

/// The loader takes 2,048 errors at the most, so that no number is cut here.
fn clamp(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// The error that answers a condition.
fn deepest(claims: &HashMap<String, usize>, condition: Condition) -> Option<usize> {
    claims.get(deepest_claim(claims, condition)?).copied()
}

/// The claim with the longest name that covers the condition.
fn deepest_claim(claims: &HashMap<String, usize>, condition: Condition) -> Option<&'static str> {
    let mut name = condition.name();
    loop {
        if claims.contains_key(name) {
            return Some(name);
        }
        name = name.rsplit_once('.')?.0;
    }
}

/// `request` and `internal` must be claimed always, everything in a closed contract.
pub(crate) fn report_unclaimed(
    reader: &mut ContractReader<'_>,
    unclaimed: &[Condition],
    defaults: &ContractDefaults,
    root: Span,
) {
    let needed = |condition: &&Condition| {
        let always = condition.covered_by("request") || condition.covered_by("internal");
        defaults.closed || always
    };
    let mut names: Vec<&str> = unclaimed
        .iter()
        .filter(needed)
        .map(|condition| if condition.is_listed() { condition.name() } else { "upstream.refused" })
        .collect();
    names.dedup();
    // The start of the file says it all: the mistake is an absence.
    let at = Span::new(root.start, root.start);
    for name in names {
        let why = if defaults.closed { "`statuses` is closed" } else { "every contract must answer it" };
        let message = format!("no error claims `{name}`, and {why}");
        reader.error(at, "unclaimed", message, format!("add `on: [{name}]`, or a branch of it, to an error"));
    }
}

/// A claim on a branch that covers leaves of another retry class than the error has: whoever claimed `credits` for
/// "out of credits" did not mean a balance that suffices again in a moment. Who claims the leaf by its name means it, and
/// the error that answers `internal` is the last resort for whatever it claims.
fn warn_of_other_retry_classes(
    reader: &mut ContractReader<'_>,
    drafts: &[Draft],
    claims: &HashMap<String, usize>,
) {
    /// So many conditions are named in one message.
    const LISTED: usize = 5;
    let last_resort = deepest(claims, Condition::Internal);
    for (_, draft) in drafts.iter().enumerate().filter(|(index, _)| Some(*index) != last_resort) {
        let class = draft.entry.retry.class;
        for claim in &draft.claims {
            let is_covered = |leaf: &Condition| {
                leaf.name() != claim.name
                    && leaf.covered_by(&claim.name)
                    && deepest_claim(claims, *leaf) == Some(claim.name.as_str())
                    && differs(leaf.usual().retry, class, leaf.is_listed())
                    && *leaf != Condition::ClientGone
            };
            let leaves: Vec<String> = Condition::all()
                .filter(is_covered)
                .map(|leaf| format!("`{}` ({})", leaf.name(), leaf.usual().retry.as_str()))
                .collect();
            if leaves.is_empty() {
                continue;
            }
            let shown = &leaves[..leaves.len().min(LISTED)];
            let more = leaves.len() - shown.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let (claimed, class, shown) = (&claim.name, class.as_str(), shown.join(", "));
            let message =
                format!("`{claimed}` covers conditions of another retry class than `{class}`: {shown}{more}");
            let help = "claim them by name, here or in an error of their retry class".to_owned();
            reader.warning(claim.span, "retry-class", message, help);
        }
    }
}

/// Whether an error's retry class is another than a leaf's. Of the leaves that are too many to be claimed one by one only
/// those are reported whose request may succeed later although the error says otherwise.
fn differs(leaf: RetryClass, error: RetryClass, is_listed: bool) -> bool {
    let waiting_helps = |class| !matches!(class, RetryClass::Never | RetryClass::AfterFix);
    if is_listed { leaf != error } else { waiting_helps(leaf) && !waiting_helps(error) }
}

/// `same_as` and `replaced_by` name other entries.
fn tell_unknown_names(reader: &mut ContractReader<'_>, drafts: &[Draft]) {
    let known: HashSet<&str> = drafts.iter().map(|draft| draft.entry.name.as_str()).collect();
    for draft in drafts {
        for (name, span) in &draft.named {
            if !known.contains(name.as_str()) || *name == draft.entry.name {
                let help = demur_source::did_you_mean(name, known.iter().copied())
                    .map(|known| format!("did you mean `{known}`?"));
                reader.error(
                    *span,
                    "unknown-error",
                    format!("`{name}` is no other error of this contract"),
                    help,
                );
            }
        }
    }
}

/// An entry for a condition that nothing claims.
fn derive(condition: Condition, defaults: &ContractDefaults) -> ErrorEntry {
    // What a malformed key is answered with does not differ from the answer to an unknown one.
    let (shown, same_as) = match condition {
        Condition::CredentialMalformed => (Condition::CredentialUnknown, Some(Condition::CredentialUnknown)),
        Condition::CredentialUnknown => (condition, Some(Condition::CredentialMalformed)),
        _ => (condition, None),
    };
    let usual = shown.usual();
    let name = match shown {
        // One code for all of them: the status is what differs.
        Condition::UpstreamRefused(_) => "upstream.refused",
        listed => listed.name(),
    };
    let code = defaults.code_style.unwrap_or(CodeStyle::Snake).spell(name);
    let entry_name = CodeStyle::Snake.spell(condition.usual().name);
    ErrorEntry {
        doc_url: defaults
            .doc_url
            .as_ref()
            .map(|url| doc_url(url, &CodeStyle::Snake.spell(name), Some(&code))),
        name: entry_name,
        // The table's statuses are 4xx and 5xx but for `client.gone`, which is never answered.
        status: ErrorStatus::new(usual.status).unwrap_or(ErrorStatus::INTERNAL),
        kind: None,
        code: Some(code),
        title: Template::literal(usual.title),
        message: Template::literal(usual.title),
        open: false,
        user_message: None,
        retry: Retry { class: usual.retry, default_delay: None, attempts: None },
        show: Show::All,
        collect: false,
        params: Vec::new(),
        upstream_may_raise: condition.upstream_may_raise(),
        same_as: same_as.iter().map(|other| CodeStyle::Snake.spell(other.usual().name)).collect(),
        source: EntrySource::Derived(condition),
        docs: Docs::default(),
        format: defaults.formats.iter().position(|format| format.name == "default").unwrap_or(0),
    }
}
