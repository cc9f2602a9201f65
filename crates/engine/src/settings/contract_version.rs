//! Contract versions: contracts in which one API answers at the same time, and the match that selects one.

use std::sync::Arc;

use demur_contract::Contract;
use http::{HeaderMap, HeaderName};

use crate::mount::{strip_mount, without_port};

/// A contract, and for which requests it speaks.
#[derive(Debug, Clone)]
pub struct ContractVersion {
    /// How it answers errors.
    pub contract: Arc<Contract>,
    /// For which requests.
    pub condition: VersionMatch,
}

/// What a request must be like; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionMatch {
    /// Come in on this listener.
    pub listener: Option<String>,
    /// Sent to this host, in lower case and without port.
    pub host: Option<String>,
    /// Within this path of the API, which stays in the path.
    pub path: Option<String>,
    /// With this field, of just this value.
    pub header: Option<(HeaderName, String)>,
    /// With its key in this field.
    pub key_header: Option<HeaderName>,
}

/// What is known of a request when the generation is picked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestView<'a> {
    /// The name of the listener, where it has one.
    pub(crate) listener: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    /// Within the API.
    pub(crate) path: &'a str,
    /// `None` where the head could not be read.
    pub(crate) headers: Option<&'a HeaderMap>,
}

impl VersionMatch {
    pub(crate) fn holds(&self, asked: &RequestView<'_>) -> bool {
        let host = || asked.host.map(without_port);
        let is_host = |wanted: &String| host().is_some_and(|host| host.eq_ignore_ascii_case(wanted));
        let has = |name: &HeaderName| asked.headers.is_some_and(|headers| headers.contains_key(name));
        let has_value = |(name, wanted): &(HeaderName, String)| {
            let mut values = asked.headers.into_iter().flat_map(|headers| headers.get_all(name));
            values.any(|value| value.as_bytes().trim_ascii() == wanted.as_bytes())
        };
        self.listener.as_deref().is_none_or(|wanted| asked.listener == Some(wanted))
            && self.host.as_ref().is_none_or(is_host)
            && self.path.as_ref().is_none_or(|path| strip_mount(path, asked.path).is_some())
            && self.header.as_ref().is_none_or(has_value)
            && self.key_header.as_ref().is_none_or(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn all_that_is_given_must_hold() {
        let version = |value: &str| Some((HeaderName::from_static("api-version"), value.to_owned()));
        let key_in = Some(HeaderName::from_static("x-api-key"));
        let mut headers = HeaderMap::new();
        headers.insert("api-version", HeaderValue::from_static(" 1 "));
        headers.insert("x-api-key", HeaderValue::from_static("k"));
        let (host, listener) = (Some("Old.example:8080"), Some("public"));
        let asked = RequestView { listener, host, path: "/v1/items", headers: Some(&headers) };
        let unread = RequestView { headers: None, ..asked };
        for (when, holds, holds_unread) in [
            (VersionMatch { host: Some("old.example".into()), ..VersionMatch::default() }, true, true),
            (VersionMatch { listener: Some("public".into()), ..VersionMatch::default() }, true, true),
            (VersionMatch { listener: Some("partners".into()), ..VersionMatch::default() }, false, false),
            (VersionMatch { host: Some("new.example".into()), ..VersionMatch::default() }, false, false),
            (VersionMatch { path: Some("/v1".into()), ..VersionMatch::default() }, true, true),
            (VersionMatch { path: Some("/v".into()), ..VersionMatch::default() }, false, false),
            (VersionMatch { header: version("1"), ..VersionMatch::default() }, true, false),
            (VersionMatch { header: version("2"), ..VersionMatch::default() }, false, false),
            (VersionMatch { key_header: key_in.clone(), ..VersionMatch::default() }, true, false),
            (
                VersionMatch { path: Some("/v1".into()), header: version("2"), ..VersionMatch::default() },
                false,
                false,
            ),
            (
                VersionMatch {
                    path: Some("/v1".into()),
                    header: version("1"),
                    key_header: key_in,
                    ..VersionMatch::default()
                },
                true,
                false,
            ),
        ] {
            assert_eq!(when.holds(&asked), holds, "{when:?}");
            assert_eq!(when.holds(&unread), holds_unread, "{when:?}");
        }
    }
}
