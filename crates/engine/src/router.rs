//! Host and path → API: the most specific mount wins.

use std::sync::Arc;

use crate::api::Api;

/// The APIs: those with a host before those without, and then those with the longest paths first.
pub(crate) struct ApiRouter {
    apis: Vec<Arc<Api>>,
    /// Whether any of them, or of their generations, goes by the host.
    ask_for_host: bool,
}

impl ApiRouter {
    pub(crate) fn new(mut apis: Vec<Arc<Api>>) -> Self {
        // Stable: of two at one place the first counts.
        apis.sort_by_key(|api| {
            let mount = &api.settings.mount;
            (mount.host.is_none(), std::cmp::Reverse(mount.path.len()))
        });
        let ask_for_host = apis.iter().any(|api| api.settings.asks_for_host());
        Self { apis, ask_for_host }
    }

    pub(crate) fn all(&self) -> &[Arc<Api>] {
        &self.apis
    }

    /// Whether the host makes a difference: nearly always it need not be looked for.
    pub(crate) fn ask_for_host(&self) -> bool {
        self.ask_for_host
    }

    /// The API with its place among all, and the path within it, which begins with `/`.
    pub(crate) fn find<'m, 'p>(
        &'m self,
        host: Option<&str>,
        path: &'p str,
    ) -> Option<((usize, &'m Arc<Api>), &'p str)> {
        let host = host.map(without_port);
        self.apis.iter().enumerate().find_map(|(place, api)| {
            let mount = &api.settings.mount;
            let is_host = match (&mount.host, host) {
                (None, _) => true,
                (Some(wanted), Some(host)) => host.eq_ignore_ascii_case(wanted),
                (Some(_), None) => false,
            };
            if !is_host {
                return None;
            }
            strip_mount(&mount.path, path).map(|rest| ((place, api), rest))
        })
    }
}

/// `/shop` and `/shop/a` are within `/shop`; `/shopping` is not.
pub(crate) fn strip_mount<'p>(mount: &str, path: &'p str) -> Option<&'p str> {
    // An API at the root is not compared: an empty text lies nowhere, and to compare no bytes from there costs some
    // processors more than a page of bytes (see `demur-contract`, `parse/pattern.rs`).
    let rest = if mount.is_empty() { path } else { path.strip_prefix(mount)? };
    match rest {
        "" => Some("/"),
        rest if rest.starts_with('/') => Some(rest),
        _ => None,
    }
}

/// `host:80` and `[::1]:80` without their ports.
pub(crate) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_ends_where_a_segment_ends() {
        for (mount, path, rest) in [
            ("/shop", "/shop", Some("/")),
            ("/shop", "/shop/a/b", Some("/a/b")),
            ("/shop", "/shopping", None),
            ("", "/a", Some("/a")),
            ("/shop", "/", None),
        ] {
            assert_eq!(strip_mount(mount, path), rest, "{mount} {path}");
        }
    }

    #[test]
    fn ports_are_cut() {
        for (authority, host) in [("a:80", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")] {
            assert_eq!(without_port(authority), host);
        }
    }
}
