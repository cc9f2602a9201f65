//! Finds the API of a request by host and path: the most specific mount wins.

use std::sync::Arc;

use crate::api::Api;
use crate::mount::{strip_mount, without_port};

/// The APIs: those with a host first, then by descending length of their paths.
pub(crate) struct ApiRouter {
    apis: Vec<Arc<Api>>,
    /// Whether an API or one of its contract versions is selected by host.
    uses_host: bool,
}

impl ApiRouter {
    pub(crate) fn new(mut apis: Vec<Arc<Api>>) -> Self {
        // A stable sort: of two APIs with the same mount the first one is used.
        apis.sort_by_key(|api| {
            let mount = &api.settings.mount;
            (mount.host.is_none(), std::cmp::Reverse(mount.path.len()))
        });
        let uses_host = apis.iter().any(|api| api.settings.asks_for_host());
        Self { apis, uses_host }
    }

    pub(crate) fn all(&self) -> &[Arc<Api>] {
        &self.apis
    }

    /// Whether the host matters.
    pub(crate) fn uses_host(&self) -> bool {
        self.uses_host
    }

    /// The API with its index, and the path within it, which begins with `/`.
    pub(crate) fn find<'m, 'p>(
        &'m self,
        host: Option<&str>,
        path: &'p str,
    ) -> Option<((usize, &'m Arc<Api>), &'p str)> {
        let host = host.map(without_port);
        self.apis.iter().enumerate().find_map(|(index, api)| {
            let mount = &api.settings.mount;
            let is_host = match (&mount.host, host) {
                (None, _) => true,
                (Some(expected), Some(host)) => host.eq_ignore_ascii_case(expected),
                (Some(_), None) => false,
            };
            if !is_host {
                return None;
            }
            strip_mount(&mount.path, path).map(|rest| ((index, api), rest))
        })
    }
}
