//! Old names, and what they are today: those of version 1 of the configuration, and those that contracts had.

/// Where a key or a value is: keys of mappings, `*` for any key, `[]` for an item of a list. Names are of version 1.
type Path = &'static str;

/// The old names in one kind of file.
pub(crate) struct OldNames {
    keys: &'static [(Path, &'static str)],
    values: &'static [(Path, &'static str, &'static str)],
}

/// Those of the configuration.
pub(crate) const CONFIGURATION: &OldNames = &OldNames { keys: KEYS, values: VALUES };
/// Those of contracts, whose version is still 1: the loader warns of each.
pub(crate) const CONTRACT: &OldNames = &OldNames { keys: &[("request_id.field", "header")], values: &[] };

/// A key of version 1 and its new name in the same mapping. With a dot: in a mapping of its own, which is new.
const KEYS: &[(Path, &str)] = &[
    ("voice", "default_contract"),
    ("bounds", "limits"),
    ("bounds.head", "max_header_bytes"),
    ("bounds.fields", "max_headers"),
    ("bounds.target", "max_uri_bytes"),
    ("bounds.head_timeout", "header_timeout"),
    ("bounds.content", "max_body_bytes"),
    ("bounds.content_window", "min_body_rate.per"),
    ("bounds.content_per_window", "min_body_rate.bytes"),
    ("bounds.drain", "max_drain"),
    ("bounds.backlog", "max_queue_delay"),
    ("bounds.body_memory", "max_body_memory"),
    ("bounds.connections", "max_connections"),
    ("bounds.shutdown", "shutdown_timeout"),
    ("cache.kept_for", "ttl"),
    ("cache.unknown_kept_for", "unknown_ttl"),
    ("proxies", "trusted_proxies"),
    ("proxies.from", "networks"),
    ("proxies.field", "header"),
    ("access_log.to", "output"),
    ("plans.*.rates.[].counts_for", "limit_by"),
    ("plans.*.quota.zone", "time_zone"),
    ("plans.*.credits.zone", "time_zone"),
    ("apis.[].generations", "versions"),
    ("apis.[].generations.[].when", "match"),
    ("apis.[].generations.[].when.key_in", "key_header"),
    ("apis.[].at", "mount"),
    ("apis.[].max_content", "max_body_bytes"),
    ("apis.[].observe", "mode"),
    ("apis.[].upstream.fields", "max_headers"),
    ("apis.[].authentication.field", "header"),
    ("apis.[].authentication.also.field", "header"),
    ("apis.[].validation.answers", "responses"),
    ("apis.[].validation.violations", "max_violations"),
    ("apis.[].validation.depth", "max_depth"),
    ("apis.[].operations.*.passes_credits", "forward_balance"),
    ("apis.[].operations.*.max_content", "max_body_bytes"),
    ("apis.[].operations.*.usage.field", "header"),
    ("apis.[].operations.*.usage.settles", "settle_at"),
    ("apis.[].operations.*.usage.cut", "on_upstream_abort"),
    ("apis.[].operations.*.usage.client_gone", "on_client_abort"),
    ("apis.[].rules.[].on", "operations"),
];

/// A value of version 1 and what it is now.
const VALUES: &[(Path, &str, &str)] = &[
    ("demur", "1", "2"),
    ("access_log", "refused", "rejected"),
    ("access_log.requests", "refused", "rejected"),
    ("apis.[].observe", "true", "monitor"),
    ("apis.[].observe", "True", "monitor"),
    ("apis.[].observe", "TRUE", "monitor"),
    ("apis.[].observe", "false", "enforce"),
    ("apis.[].observe", "False", "enforce"),
    ("apis.[].observe", "FALSE", "enforce"),
    ("apis.[].validation.unknown_query", "refuse", "reject"),
    ("apis.[].validation.accept", "refuse", "reject"),
    ("apis.[].validation.answers", "refuse", "reject"),
];

impl OldNames {
    /// A key of this name in a mapping at `path`: its row, and the name that it had before.
    pub(super) fn key(&self, path: &[String], name: &str) -> Option<(&'static str, Option<&'static str>)> {
        let mut here = self.keys.iter().filter_map(|(old, new)| {
            let (parent, old) = old.rsplit_once('.').unwrap_or(("", old));
            is_at(parent, path).then_some((old, *new))
        });
        // A key that has its new name already is still the one that rows below it mean.
        here.clone()
            .find(|(old, _)| *old == name)
            .map(|(old, new)| (old, Some(new)))
            .or_else(|| here.find(|(_, new)| *new == name).map(|(old, _)| (old, None)))
    }

    /// What a value at `path` is now, where it has changed.
    pub(super) fn value(&self, path: &[String], text: &str) -> Option<&'static str> {
        let row = self.values.iter().find(|(at, old, _)| *old == text && is_at(at, path));
        row.map(|(_, _, new)| *new)
    }
}

fn is_at(pattern: &str, path: &[String]) -> bool {
    let mut names = pattern.split('.').filter(|name| !name.is_empty());
    path.iter().all(|part| names.next().is_some_and(|name| name == part || name == "*" && part != "[]"))
        && names.next().is_none()
}
