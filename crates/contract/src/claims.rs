//! Claim resolution: finds the error that answers each condition, and derives one where no error claims it.
//!
//! A claim on a branch covers every condition below it, the deepest claim wins, and two equal claims are an error. An
//! unclaimed condition is never answered by an error of another kind: it gets a derived entry with the status, title
//! and retry class of the condition table.

use std::collections::{HashMap, HashSet};

use demur_source::Span;

use crate::catalogue::{Docs, EntrySource, ErrorEntry, ErrorId, ErrorStatus, Retry, Show};
use crate::load::{CodeStyle, ContractDefaults, ContractReader, Draft, doc_url};
use crate::template::Template;
use crate::upstream_status::condition_of_upstream_status;
use crate::{Condition, RetryClass, claim_names};

/// The result of claim resolution.
pub(crate) struct ClaimMap {
    /// The declared entries, then the derived ones.
    pub(crate) entries: Vec<ErrorEntry>,
    /// The error of each condition, by [`Condition::index`].
    pub(crate) by_condition: Vec<ErrorId>,
    /// The errors of the API's own conditions.
    pub(crate) by_name: HashMap<String, ErrorId>,
    /// The entries that answer at least one violation.
    pub(crate) violation_errors: HashSet<usize>,
    /// The conditions that no declared entry claims.
    pub(crate) unclaimed: Vec<Condition>,
    /// The condition of each status of an upstream's error response, from 400 to 599.
    pub(crate) by_upstream_status: Vec<Condition>,
}

/// Resolves the claims of all entries and reports invalid ones to `reader`.
pub(crate) fn resolve(
    reader: &mut ContractReader<'_>,
    drafts: Vec<Draft>,
    defaults: &ContractDefaults,
) -> ClaimMap {
    let mut claims: HashMap<String, usize> = HashMap::new();
    let mut by_name: HashMap<String, ErrorId> = HashMap::new();
    let known = claim_names();
    let is_condition = |name: &str| {
        let is_upstream_status = name
            .strip_prefix("upstream.refused.")
            .is_some_and(|status| status.parse().is_ok_and(|status| (400..500u16).contains(&status)));
        is_upstream_status || known.contains(&name)
    };
    for (index, draft) in drafts.iter().enumerate() {
        by_name.insert(draft.entry.name.clone(), ErrorId(clamp(index)));
    }
    for (index, draft) in drafts.iter().enumerate() {
        for claim in &draft.claims {
            if is_condition(&claim.name) {
                if let Some(other) = claims.insert(claim.name.clone(), index) {
                    let message = format!("duplicate claim of `{}`", claim.name);
                    let help = format!("`{}` claims it too; remove one of the two", drafts[other].entry.name);
                    reader.error(claim.span, "claimed-twice", message, help);
                }
                continue;
            }
            // A name with a dot, or a misspelled one, is meant as a condition of the gateway. Any other is the API's own.
            let is_misspelled = demur_source::did_you_mean(&claim.name, known.iter().copied()).is_some();
            if claim.name.contains('.') || is_misspelled {
                reader.unknown_condition(&claim.name, claim.span);
                continue;
            }
            // An error always answers its own name, so claiming it is redundant but allowed.
            if claim.name == draft.entry.name {
                continue;
            }
            if let Some(other) = by_name.insert(claim.name.clone(), ErrorId(clamp(index))) {
                let message = format!("duplicate claim of `{}`", claim.name);
                let help =
                    format!("`{}` claims it too; remove one of the two", drafts[other.0 as usize].entry.name);
                reader.error(claim.span, "claimed-twice", message, help);
            }
        }
    }
    report_unknown_names(reader, &drafts);

    warn_differing_retry_classes(reader, &drafts, &claims);
    let claimed_on: Vec<(String, Span, usize)> = drafts
        .iter()
        .enumerate()
        .flat_map(|(index, draft)| draft.claims.iter().map(move |it| (it.name.clone(), it.span, index)))
        .collect();
    let mut entries: Vec<ErrorEntry> = drafts.into_iter().map(|draft| draft.entry).collect();
    let mut violation_errors = HashSet::new();
    let mut unclaimed = Vec::new();
    let is_claimed = |name: &str| claims.contains_key(name);
    let claim_of = |condition: Condition| deepest_claim(&claims, condition);
    let mut by_condition: Vec<ErrorId> = Vec::with_capacity(Condition::COUNT);
    for condition in Condition::all() {
        if condition == Condition::ClientGone {
            // No response can be sent: it shares the error of `internal`, which is set below.
            by_condition.push(ErrorId(0));
            continue;
        }
        let claimed = deepest(&claims, condition);
        if claimed.is_none() {
            unclaimed.push(condition);
        }
        if let (None, Condition::UpstreamRefused(status)) = (claimed, condition) {
            // Conditions of the gateway come first, so the error of the equivalent one is known.
            let answer = |condition: Condition| &entries[usize::from(by_condition[condition.index()].0)];
            let meant = condition_of_upstream_status(status.as_u16(), is_claimed, claim_of, answer);
            if Some(meant) == status.equivalent() {
                by_condition.push(by_condition[meant.index()]);
                continue;
            }
        }
        let index = claimed.unwrap_or_else(|| {
            entries.push(derive(condition, defaults, &entries));
            entries.len() - 1
        });
        if condition.is_violation() {
            violation_errors.insert(index);
        }
        by_condition.push(ErrorId(clamp(index)));
    }
    by_condition[Condition::ClientGone.index()] = by_condition[Condition::Internal.index()];
    let answer = |condition: Condition| &entries[usize::from(by_condition[condition.index()].0)];
    let by_upstream_status =
        (400..600).map(|status| condition_of_upstream_status(status, is_claimed, claim_of, answer)).collect();
    warn_changed_classes(reader, &claimed_on, &entries);
    ClaimMap { entries, by_condition, by_name, violation_errors, unclaimed, by_upstream_status }
}

/// Warns of claims that turn the upstream's client errors into server errors, or the other way round: clients retry the
/// latter.
fn warn_changed_classes(
    reader: &mut ContractReader<'_>,
    claimed_on: &[(String, Span, usize)],
    entries: &[ErrorEntry],
) {
    for (claim, span, index) in claimed_on {
        let status = entries[*index].status.as_u16();
        let is_refused = claim == "upstream.refused" || claim.starts_with("upstream.refused.");
        let (one, other) = match (is_refused, status >= 500) {
            (true, true) => ("a client error", "a server error"),
            (false, false) if claim == "upstream" || claim.starts_with("upstream.") => {
                ("a server error", "a client error")
            }
            _ => continue,
        };
        let message = format!(
            "`{claim}` is {one} of the upstream, but `{}` answers it with {status}, {other}",
            entries[*index].name
        );
        let class = if is_refused { "4xx" } else { "5xx" };
        reader.warning(*span, "status-class", message, format!("claim it in an error with a {class} status"));
    }
}

/// Converts an index to the number of an [`ErrorId`]. The loader accepts at most 2,048 errors, so it always fits.
fn clamp(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// The index of the error with the deepest claim on a condition.
fn deepest(claims: &HashMap<String, usize>, condition: Condition) -> Option<usize> {
    claims.get(deepest_claim(claims, condition)?).copied()
}

/// The longest claim that covers a condition.
fn deepest_claim(claims: &HashMap<String, usize>, condition: Condition) -> Option<&'static str> {
    let mut name = condition.name();
    loop {
        if claims.contains_key(name) && condition.covered_by(name) {
            return Some(name);
        }
        name = name.rsplit_once('.')?.0;
    }
}

/// Reports unclaimed conditions: those of `request` and `internal` always, the others if `statuses` is closed.
pub(crate) fn report_unclaimed(
    reader: &mut ContractReader<'_>,
    unclaimed: &[Condition],
    defaults: &ContractDefaults,
    root: Span,
) {
    let is_required = |condition: &Condition| {
        let always = condition.covered_by("request") || condition.covered_by("internal");
        (defaults.closed || always) && *condition != Condition::ClientGone
    };
    let name =
        |condition: Condition| if condition.is_listed() { condition.name() } else { "upstream.refused" };
    let mut missing: Vec<&str> =
        unclaimed.iter().copied().filter(|condition| is_required(condition)).map(name).collect();
    missing.dedup();
    let claimed: Vec<&str> =
        Condition::all().filter(|condition| !unclaimed.contains(condition)).map(name).collect();
    let reason = match defaults.closed {
        true => "required because `statuses` is closed",
        false => "required in every contract",
    };
    let (message, help) = match missing[..] {
        [] => return,
        [name] => (
            format!("no error claims `{name}`, which is {reason}"),
            format!("add `{name}` to the `on` list of an error"),
        ),
        _ => {
            let mut listed: Vec<String> = Vec::new();
            for name in &missing {
                let name = unclaimed_branch(name, &missing, &claimed);
                if !listed.contains(&name) {
                    listed.push(name);
                }
            }
            (
                format!(
                    "no error claims {} conditions, which are {reason}: {}",
                    missing.len(),
                    listed.join(", ")
                ),
                "add them to the `on` lists of errors; `on: [request]` claims all conditions that begin with \
                 `request.`"
                    .to_owned(),
            )
        }
    };
    // Something is missing, so the start of the file is as good a position as any.
    reader.error(Span::new(root.start, root.start), "unclaimed", message, help);
}

/// An unclaimed condition as a message lists it: as `request.*` if more are missing and none below `request` is claimed.
fn unclaimed_branch(name: &str, missing: &[&str], claimed: &[&str]) -> String {
    let dots = name.match_indices('.').map(|(dot, _)| &name[..=dot]);
    let branch = dots.into_iter().find(|branch| {
        let is_below = |other: &&&str| other.starts_with(branch);
        !claimed.iter().any(|other| is_below(&other)) && missing.iter().filter(is_below).count() > 1
    });
    branch.map_or_else(|| format!("`{name}`"), |branch| format!("`{branch}*`"))
}

/// Warns of a claim on a branch that covers conditions of another retry class than the error has.
///
/// An error that claims `credits` to say "out of credits" should not tell callers to stop when the balance suffices
/// again in a moment. A claim on the condition itself is taken as intended, and so is every claim of the error that
/// answers `internal`, the catch-all.
fn warn_differing_retry_classes(
    reader: &mut ContractReader<'_>,
    drafts: &[Draft],
    claims: &HashMap<String, usize>,
) {
    /// The number of conditions that one message lists.
    const LISTED: usize = 5;
    let catch_all = deepest(claims, Condition::Internal);
    for (_, draft) in drafts.iter().enumerate().filter(|(index, _)| Some(*index) != catch_all) {
        let class = draft.entry.retry.class;
        for claim in &draft.claims {
            let is_covered = |leaf: &Condition| {
                leaf.name() != claim.name
                    && leaf.covered_by(&claim.name)
                    && deepest_claim(claims, *leaf) == Some(claim.name.as_str())
                    && differs(leaf.defaults().retry, class, leaf.is_listed())
                    && *leaf != Condition::ClientGone
            };
            let leaves: Vec<String> = Condition::all()
                .filter(is_covered)
                .map(|leaf| format!("`{}` ({})", leaf.name(), leaf.defaults().retry.as_str()))
                .collect();
            if leaves.is_empty() {
                continue;
            }
            let listed = &leaves[..leaves.len().min(LISTED)];
            let more = leaves.len() - listed.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let (claimed, class, listed) = (&claim.name, class.as_str(), listed.join(", "));
            let message = format!(
                "the error has the retry class `{class}`, but its claim `{claimed}` covers conditions of other \
                 retry classes: {listed}{more}"
            );
            let help = format!(
                "list these conditions by name under `on`: here, if `{class}` is right for them, or else in an \
                 error with their retry class"
            );
            reader.warning(claim.span, "retry-class", message, help);
        }
    }
}

/// Whether the retry class of an error differs from that of a condition which it claims.
///
/// The conditions below `upstream.refused` are too many to claim one by one. For them it matters only that a request
/// which could be retried later is reported as one that could not.
fn differs(condition: RetryClass, error: RetryClass, is_listed: bool) -> bool {
    let may_succeed_later = |class| !matches!(class, RetryClass::Never | RetryClass::AfterFix);
    if is_listed { condition != error } else { may_succeed_later(condition) && !may_succeed_later(error) }
}

/// Reports `same_as` and `replaced_by` that do not name another entry.
fn report_unknown_names(reader: &mut ContractReader<'_>, drafts: &[Draft]) {
    let known: HashSet<&str> = drafts.iter().map(|draft| draft.entry.name.as_str()).collect();
    for draft in drafts {
        for (name, span) in &draft.named {
            let is_itself = *name == draft.entry.name;
            if known.contains(name.as_str()) && !is_itself {
                continue;
            }
            let message = match is_itself {
                true => format!("the error `{name}` cannot refer to itself"),
                false => format!("unknown error `{name}`"),
            };
            let others = known.iter().copied().filter(|known| *known != draft.entry.name);
            let help =
                demur_source::did_you_mean(name, others).map(|known| format!("did you mean `{known}`?"));
            reader.error(*span, "unknown-error", message, help);
        }
    }
}

/// Makes the entry of a condition that no error claims.
fn derive(condition: Condition, defaults: &ContractDefaults, others: &[ErrorEntry]) -> ErrorEntry {
    // A malformed key is answered like an unknown one, so that callers cannot learn the format of keys.
    let (visible, same_as) = match condition {
        Condition::CredentialMalformed => (Condition::CredentialUnknown, Some(Condition::CredentialUnknown)),
        Condition::CredentialUnknown => (condition, Some(Condition::CredentialMalformed)),
        _ => (condition, None),
    };
    let row = visible.defaults();
    let name = match visible {
        // A code for each registered status, such as `upstream_forbidden`. The others share one.
        Condition::UpstreamRefused(status) => match status.title() {
            Some(title) => &format!("upstream.{}", title.to_ascii_lowercase().replace(' ', "_")),
            None => "upstream.refused",
        },
        listed => listed.name(),
    };
    let code = defaults.code_style.unwrap_or(CodeStyle::Snake).spell(name);
    let is_refused = matches!(visible, Condition::UpstreamRefused(_));
    let title = match is_refused && is_taken(row.title, row.status, others) {
        // A format may show nothing but the title.
        true => format!("The service rejected the request: {}", row.title.to_ascii_lowercase()),
        false => row.title.to_owned(),
    };
    let entry_name = CodeStyle::Snake.spell(condition.defaults().name);
    ErrorEntry {
        doc_url: defaults
            .doc_url
            .as_ref()
            .map(|url| doc_url(url, &CodeStyle::Snake.spell(name), Some(&code))),
        name: entry_name,
        // All statuses of the table are 4xx or 5xx, except for `client.gone`, which has no derived entry.
        status: ErrorStatus::new(row.status).unwrap_or(ErrorStatus::INTERNAL),
        kind: None,
        code: Some(code),
        title: Template::literal(&title),
        message: Template::literal(&title),
        open: false,
        user_message: None,
        retry: Retry { class: row.retry, default_delay: None, attempts: None },
        show: Show::All,
        collect: false,
        params: Vec::new(),
        upstream_may_raise: condition.upstream_may_raise(),
        same_as: same_as.iter().map(|other| CodeStyle::Snake.spell(other.defaults().name)).collect(),
        source: EntrySource::Derived(condition),
        docs: Docs::default(),
        format: defaults.formats.iter().position(|format| format.name == "default").unwrap_or(0),
    }
}

/// Whether another error with this status has the same title or message.
fn is_taken(title: &str, status: u16, others: &[ErrorEntry]) -> bool {
    let is_same = |text: &Template| text.to_string().trim_end_matches('.').eq_ignore_ascii_case(title);
    others
        .iter()
        .filter(|other| other.status.as_u16() == status)
        .any(|other| is_same(&other.title) || is_same(&other.message))
}
