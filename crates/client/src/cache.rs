//! An HTTP cache for GET requests (RFC 9111), if the builder enables it.
//!
//! Stores complete responses to GET that have a lifetime or a validator, one per URL and values of the `Vary` headers.
//! Responses without a length, and large ones, are not stored.
//!
//! A client may serve several callers, so this is a shared cache. A response to a request with credentials is stored only
//! if it allows that explicitly (section 3.5), and is then served only to requests with the same credentials. Any header
//! may carry a credential, so every header counts as one unless it is in [`PUBLIC`] or declared public by the builder.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AGE, CACHE_CONTROL, CONNECTION,
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DNT, ETAG, HeaderName, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, ORIGIN, PRAGMA, RANGE, REFERER,
    SET_COOKIE, TE, TRANSFER_ENCODING, UPGRADE_INSECURE_REQUESTS, USER_AGENT, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Request, Response};
use tokio::time::Instant;

/// Request headers that do not identify a caller. If they affect the response, its `Vary` names them.
const PUBLIC: [HeaderName; 16] = [
    ACCEPT,
    ACCEPT_CHARSET,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    CACHE_CONTROL,
    CONNECTION,
    CONTENT_TYPE,
    DNT,
    ORIGIN,
    PRAGMA,
    REFERER,
    TE,
    UPGRADE_INSECURE_REQUESTS,
    USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Headers of a 304 that describe the message itself, not the stored response (RFC 9111, section 3.2).
const NOT_UPDATED: [HeaderName; 6] =
    [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE, TRANSFER_ENCODING, CONNECTION, SET_COOKIE];

/// Maximum number of stored responses.
const MAX_ENTRIES: usize = 256;
/// Maximum body size of a stored response.
const MAX_BYTES: u64 = 256 * 1024;

/// The stored responses of a client.
#[derive(Debug, Default)]
pub(crate) struct ResponseCache {
    entries: Mutex<HashMap<String, CachedResponse>>,
    /// Headers that carry no credential, in addition to [`PUBLIC`].
    public: Vec<HeaderName>,
}

#[derive(Debug, Clone)]
struct CachedResponse {
    headers: HeaderMap,
    body: Bytes,
    /// The values of the request headers that `Vary` names.
    vary: Vec<(HeaderName, Vec<HeaderValue>)>,
    /// The credentials of the request.
    credentials: Credentials,
    /// When the response arrived, not corrected by its `Age`.
    stored_at: Instant,
    fresh_for: Duration,
}

/// The headers of a request that may identify its caller, sorted by name.
type Credentials = Vec<(HeaderName, Vec<HeaderValue>)>;

/// The result of a cache lookup.
#[derive(Debug)]
pub(crate) enum CacheLookup {
    /// A fresh response.
    Fresh(Response),
    /// Send the request, and store the response.
    Miss(CacheableRequest),
    /// The cache does not apply.
    Bypass,
}

/// A request whose response may be stored.
#[derive(Debug)]
pub(crate) struct CacheableRequest {
    url: String,
    headers: HeaderMap,
    credentials: Credentials,
    access: CredentialScope,
    /// The stored response that the request revalidates.
    stale: Option<Box<CachedResponse>>,
}

/// What is known of the caller of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CredentialScope {
    /// The request has no credentials.
    Anonymous,
    /// The headers or the URL identify the caller.
    Identified,
    /// Later middleware may add credentials.
    Unknown,
}

impl ResponseCache {
    pub(crate) fn new(public: Vec<HeaderName>) -> Self {
        Self { public, ..Self::default() }
    }

    /// Looks up a response. If the stored one must be revalidated, the request becomes conditional. `is_signed_later`:
    /// later middleware may add credentials to the request.
    pub(crate) fn find(&self, request: &mut Request, is_signed_later: bool, now: Instant) -> CacheLookup {
        let headers = request.headers();
        let own_conditions =
            [RANGE, IF_RANGE, IF_NONE_MATCH, IF_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
        let is_partial = own_conditions.iter().any(|name| headers.contains_key(name));
        if request.method() != Method::GET
            || request.body().is_some()
            || is_partial
            || directive(headers, "no-store").is_some()
        {
            return CacheLookup::Bypass;
        }
        let credentials = self.credentials(headers);
        let has_userinfo = !request.url().username().is_empty() || request.url().password().is_some();
        let access = match is_signed_later {
            true => CredentialScope::Unknown,
            false if has_userinfo || !credentials.is_empty() => CredentialScope::Identified,
            false => CredentialScope::Anonymous,
        };
        let url = key(request.url());
        let mut cacheable =
            CacheableRequest { url, headers: headers.clone(), credentials, access, stale: None };
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.get(&cacheable.url).filter(|entry| entry.is_for(&cacheable)) else {
            return CacheLookup::Miss(cacheable);
        };
        let pragma = headers.get(PRAGMA).is_some_and(|value| value == "no-cache");
        let must_revalidate = directive(headers, "no-cache").is_some()
            || pragma && !headers.contains_key(CACHE_CONTROL)
            || directive(headers, "max-age").is_some_and(|seconds| seconds == "0");
        if !must_revalidate && now.saturating_duration_since(entry.stored_at) < entry.fresh_for {
            return CacheLookup::Fresh(entry.response(now));
        }
        if let Some(etag) = entry.headers.get(ETAG) {
            request.headers_mut().insert(IF_NONE_MATCH, etag.clone());
            cacheable.stale = Some(Box::new(entry.clone()));
        }
        CacheLookup::Miss(cacheable)
    }

    /// Stores the response if possible, and returns the response for the caller.
    pub(crate) async fn store(
        &self,
        mut cacheable: CacheableRequest,
        response: Response,
        now: Instant,
    ) -> reqwest::Result<Response> {
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(match cacheable.stale.take() {
                Some(entry) => self.revalidate(*entry, cacheable, response.headers(), now),
                None => response,
            });
        }
        let is_small = response.content_length().is_some_and(|length| length <= MAX_BYTES);
        let lifetime = lifetime(response.status(), response.headers(), cacheable.access);
        let (Some(fresh_for), Some(vary)) =
            (lifetime.filter(|_| is_small), vary_values(response.headers(), &cacheable.headers))
        else {
            self.remove_match(&cacheable);
            return Ok(response);
        };
        let headers = response.headers().clone();
        let body = response.bytes().await?;
        let CacheableRequest { url, credentials, .. } = cacheable;
        let entry = CachedResponse { vary, credentials, headers, body, stored_at: now, fresh_for };
        let response = entry.response(now);
        self.insert(url, entry);
        Ok(response)
    }

    fn insert(&self, url: String, entry: CachedResponse) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES && !entries.contains_key(&url) {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.stored_at).map(|(url, _)| url.clone());
            oldest.and_then(|url| entries.remove(&url));
        }
        entries.insert(url, entry);
    }

    /// Removes the response of a URL after an unsafe request succeeded (RFC 9111, section 4.4).
    pub(crate) fn invalidate(&self, url: &url::Url) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(url));
    }

    /// Removes all responses. Called when a cookie is set: with a cookie store, the caller may have changed.
    pub(crate) fn clear(&self) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Removes the response that matches this request; those of other callers stay.
    fn remove_match(&self, cacheable: &CacheableRequest) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.get(&cacheable.url).is_some_and(|entry| entry.is_for(cacheable)) {
            entries.remove(&cacheable.url);
        }
    }

    /// Makes the response that this request revalidated fresh again, whatever was stored since.
    fn revalidate(
        &self,
        mut entry: CachedResponse,
        cacheable: CacheableRequest,
        headers: &HeaderMap,
        now: Instant,
    ) -> Response {
        for name in headers.keys().filter(|name| !NOT_UPDATED.contains(name)) {
            entry.headers.remove(name);
            for value in headers.get_all(name) {
                entry.headers.append(name.clone(), value.clone());
            }
        }
        entry.stored_at = now;
        let is_kept = !headers.contains_key(SET_COOKIE);
        match lifetime(StatusCode::OK, &entry.headers, cacheable.access).filter(|_| is_kept) {
            Some(fresh_for) => {
                entry.fresh_for = fresh_for;
                let response = entry.response(now);
                self.insert(cacheable.url, entry);
                response
            }
            None => {
                self.remove_match(&cacheable);
                entry.response(now)
            }
        }
    }

    /// The headers that may identify the caller, with all their values.
    fn credentials(&self, headers: &HeaderMap) -> Credentials {
        let is_public = |name: &HeaderName| {
            let is_sensitive = headers.get_all(name).iter().any(HeaderValue::is_sensitive);
            !is_sensitive && (PUBLIC.contains(name) || self.public.contains(name))
        };
        let names = headers.keys().filter(|name| !is_public(name));
        let mut credentials: Credentials = names.map(|name| (name.clone(), values(headers, name))).collect();
        credentials.sort_unstable_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        credentials
    }
}

impl CachedResponse {
    fn is_for(&self, cacheable: &CacheableRequest) -> bool {
        self.credentials == cacheable.credentials
            && self.vary.iter().all(|(name, value)| values(&cacheable.headers, name) == *value)
    }

    fn response(&self, now: Instant) -> Response {
        let mut response = http::Response::new(self.body.clone());
        *response.headers_mut() = self.headers.clone();
        let age =
            now.saturating_duration_since(self.stored_at) + number(&self.headers, &AGE).unwrap_or_default();
        response.headers_mut().insert(AGE, HeaderValue::from(age.as_secs()));
        response.into()
    }
}

/// The key of a response: the URL without the fragment, which is never sent.
fn key(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    url.into()
}

fn values(headers: &HeaderMap, name: &HeaderName) -> Vec<HeaderValue> {
    headers.get_all(name).iter().cloned().collect()
}

/// The freshness lifetime; `None` if the response must not be stored, or storing it is useless.
fn lifetime(status: StatusCode, headers: &HeaderMap, access: CredentialScope) -> Option<Duration> {
    let seconds = |name| {
        let seconds = directive(headers, name).and_then(|seconds| seconds.parse().ok());
        seconds.map(Duration::from_secs)
    };
    let has = |name| directive(headers, name).is_some();
    let shared = seconds("s-maxage");
    let may_share = match access {
        CredentialScope::Anonymous => true,
        CredentialScope::Identified => has("public") || has("must-revalidate") || shared.is_some(),
        // Only these two allow several callers to share the response.
        CredentialScope::Unknown => has("public") || shared.is_some(),
    };
    let is_private = has("private") || has("no-store") || headers.contains_key(SET_COOKIE);
    if status != StatusCode::OK || is_private || !may_share {
        return None;
    }
    let declared = shared.or_else(|| seconds("max-age")).unwrap_or_default();
    let fresh_for = declared.saturating_sub(number(headers, &AGE).unwrap_or_default());
    let fresh_for = if has("no-cache") { Duration::ZERO } else { fresh_for };
    (!fresh_for.is_zero() || headers.contains_key(ETAG)).then_some(fresh_for)
}

/// The values of the request headers that `Vary` names; `None` for `*` and invalid names, which match no other request.
fn vary_values(response: &HeaderMap, request: &HeaderMap) -> Option<Vec<(HeaderName, Vec<HeaderValue>)>> {
    let mut vary = Vec::new();
    for line in response.get_all(VARY) {
        for name in line.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let name: HeaderName = name.parse().ok().filter(|_| name != "*")?;
            let value = values(request, &name);
            vary.push((name, value));
        }
    }
    Some(vary)
}

/// The value of a directive of `Cache-Control`; empty if it has none. A quoted value may contain commas.
fn directive<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(directives).find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// The elements of a list, split at the commas outside quoted strings.
fn directives(list: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    list.split(move |char| {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        char == ',' && !is_quoted
    })
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
