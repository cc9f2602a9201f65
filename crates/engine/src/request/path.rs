//! The request's path: canonical from the first stage on, so that the path that is checked is the one that is sent.
//!
//! The original target is kept for APIs in monitor mode, which receive it unchanged.

use demur_contract::Condition;
use demur_validation::{PathCharacters, PathFault, RouteMatch, canonical_path};
use http::Uri;
use http::uri::PathAndQuery;

use crate::reject::rejection::Rejection;
use crate::settings::{AmbiguousPath, ApiSettings, OperationSettings};

/// The result of canonicalizing a request's path.
#[derive(Debug, Default)]
pub(crate) struct SentPath {
    /// The original target, if the canonical one differs. Boxed: rare.
    original: Option<Box<Uri>>,
    characters: PathCharacters,
    fault: Option<PathFault>,
}

impl SentPath {
    /// Canonicalizes the target. Everything after this reads the canonical path only.
    pub(crate) fn canonicalize(uri: &mut Uri) -> Self {
        let canonical = canonical_path(uri.path());
        let (characters, mut fault) = (canonical.characters, canonical.fault);
        let mut original = None;
        if canonical.text != uri.path() {
            let target = match uri.query() {
                Some(query) => format!("{}?{query}", canonical.text),
                None => canonical.text.into_owned(),
            };
            match with_target(uri, target) {
                Some(rewritten) => original = Some(Box::new(std::mem::replace(uri, rewritten))),
                None => fault = fault.or(Some(PathFault::BrokenEncoding)),
            }
        }
        Self { original, characters, fault }
    }

    /// Rejects a path that no operation can take.
    pub(crate) fn check(&self) -> Result<(), Rejection> {
        match self.fault {
            None => Ok(()),
            Some(fault) => Err(Rejection::from(Condition::RequestMalformed).with_cause(fault.to_string())),
        }
    }

    /// Rejects a path that the operation does not allow, or that a lenient server would read as another operation.
    pub(crate) fn check_for(
        &self,
        found: &RouteMatch<'_, '_>,
        settings: &ApiSettings,
        operation: &OperationSettings,
    ) -> Result<(), Rejection> {
        if !self.characters.is_empty() {
            let allowed = settings.path_characters.with(operation.path_characters);
            let rejected = self.characters.without(allowed).without(found.operation.path_characters());
            if !rejected.is_empty() {
                let cause =
                    format!("`path_characters` does not allow {rejected} in the path of this operation");
                return Err(Rejection::from(Condition::RequestMalformed).with_cause(cause));
            }
        }
        match found.lenient_match() {
            Some(other) if settings.validation.ambiguous_path == AmbiguousPath::Reject => {
                let cause = format!("ambiguous path: a lenient server would read it as `{}`", other.id());
                Err(Rejection::from(Condition::RequestMalformed).with_cause(cause))
            }
            _ => Ok(()),
        }
    }

    /// The original path below a mount, if it is not the canonical one.
    pub(crate) fn original_below(&self, mount: &str) -> Option<&str> {
        let path = self.original.as_deref()?.path();
        // Canonicalisation keeps the number of slashes, so the mount has as many segments here.
        let depth = mount.matches('/').count();
        match path.match_indices('/').nth(depth) {
            Some((start, _)) => path.get(start..),
            None => Some("/"),
        }
    }
}

fn with_target(uri: &Uri, target: String) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(bytes::Bytes::from(target)).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonicalizes_the_target_and_keeps_the_original() {
        for (target, canonical, mount, original) in [
            ("/shop/items/1?a=%65", "/shop/items/1?a=%65", "/shop", None),
            ("/shop/items/%65?a=%65", "/shop/items/e?a=%65", "/shop", Some("/items/%65")),
            ("/%73hop/items/%2f", "/shop/items/%2f", "/shop", Some("/items/%2f")),
            ("/%73hop", "/shop", "/shop", Some("/")),
            ("/%61", "/a", "", Some("/%61")),
            ("http://h/%61?b", "http://h/a?b", "", Some("/%61")),
        ] {
            let mut uri: Uri = target.parse().unwrap();
            let sent = SentPath::canonicalize(&mut uri);
            assert_eq!(uri.to_string(), canonical, "{target}");
            assert_eq!(sent.original_below(mount), original, "{target}");
        }
    }
}
