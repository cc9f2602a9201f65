//! Reads `servers`: their paths, which precede the paths of operations for callers (OpenAPI 3.1, section 4.8.8).

use super::reader::DocumentReader;
use crate::tree::Located;

/// The maximum number of paths that the variables of one server are expanded to.
const MAX_PATHS: usize = 100;

impl<'r> DocumentReader<'r> {
    /// The paths of the document's servers. All of them, if a variable has several values.
    pub(super) fn server_paths(&mut self) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        let Some(servers) = self.root.member("servers") else { return paths };
        for server in servers.items() {
            for url in urls(&server) {
                let path = path_of(&url).trim_end_matches('/');
                if path.contains(['{', '}']) {
                    let span = server.node.get("url").map_or(server.node.span, |url| url.span);
                    let message = format!("unknown variable in the path of the server `{url}`");
                    self.fault(span, "server", message, None, "the path is ignored");
                } else if !paths.iter().any(|known| known == path) {
                    paths.push(path.to_owned());
                }
            }
        }
        if paths.iter().all(String::is_empty) {
            paths.clear();
        }
        paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
        paths
    }

    /// Warns of servers of one path or operation, which are not used.
    pub(super) fn own_servers(&mut self, owner: &Located<'r>) {
        if let Some(servers) = owner.member("servers") {
            let message = "servers of single paths and operations are not used: requests go to the upstream of the \
                           configuration (reported once)";
            self.warn_once(servers.node.span, "unsupported", message);
        }
    }
}

/// The URLs of a server: one for each combination of its variables' values.
fn urls(server: &Located<'_>) -> Vec<String> {
    let Some(url) = server.node.get("url").and_then(|url| url.scalar_text()) else { return Vec::new() };
    let mut urls = vec![url];
    let variables = server.member("variables");
    for (key, variable) in variables.iter().flat_map(Located::members) {
        let placeholder = format!("{{{}}}", key.name);
        let text = |node: &demur_source::Node| node.scalar_text();
        let listed = variable.node.get("enum").and_then(demur_source::Node::as_seq).unwrap_or_default();
        let mut values: Vec<String> = variable.node.get("default").and_then(text).into_iter().collect();
        values.extend(listed.iter().filter_map(text));
        let mut seen = std::collections::HashSet::new();
        values.retain(|value| seen.insert(value.clone()));
        let expand =
            |url: &String| values.iter().map(|value| url.replace(&placeholder, value)).collect::<Vec<_>>();
        // In a host, the values make no difference.
        let is_in_host = |url: &String| url.contains(&format!("://{placeholder}"));
        if !values.is_empty() && !urls.iter().all(is_in_host) {
            urls = urls.iter().flat_map(expand).take(MAX_PATHS).collect();
        } else if let Some(value) = values.first() {
            urls = urls.iter().map(|url| url.replace(&placeholder, value)).collect();
        }
    }
    urls
}

/// The path of a URL, which may be relative.
fn path_of(url: &str) -> &str {
    let after_host = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |slash| &rest[slash..]),
        None => url,
    };
    let path = after_host.split(['?', '#']).next().unwrap_or_default();
    if path.starts_with('/') { path } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_path_of_a_server() {
        for (url, path) in [
            ("https://api.example.com/v1", "/v1"),
            ("https://api.example.com/v1/", "/v1/"),
            ("https://api.example.com", ""),
            ("https://{host}/{base}?x#y", "/{base}"),
            ("/v1", "/v1"),
            ("/", "/"),
            ("v1", ""),
            ("", ""),
        ] {
            assert_eq!(path_of(url), path, "{url}");
        }
    }
}
