//! An HTTP cache for safe requests (RFC 9111), where the builder asks for one.
//!
//! It stores complete responses to GET that declare a lifetime or carry a validator, one for each URL and set of
//! request headers that select it. Responses that stream without a length, and large ones, are not stored.
//!
//! One client may serve several callers, so this is a shared cache. A response to a request with credentials is
//! stored only if it says so explicitly (section 3.5), and is then served only to requests with the same
//! credentials. Which headers carry a credential cannot be known: every header that is not in [`PUBLIC`], or
//! declared public by the builder, counts as one.

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

/// Request headers that identify nobody. Those that change the response are named by its `Vary`.
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

/// Answers that are kept.
const MAX_ENTRIES: usize = 256;
/// The most content of one of them.
const MAX_BYTES: u64 = 256 * 1024;

/// The responses of one client.
#[derive(Debug, Default)]
pub(crate) struct ResponseCache {
    entries: Mutex<HashMap<String, CachedResponse>>,
    /// Headers that carry no credential, beside [`PUBLIC`].
    public: Vec<HeaderName>,
}

#[derive(Debug, Clone)]
struct CachedResponse {
    headers: HeaderMap,
    content: Bytes,
    /// What the request had in the headers that the response varies by.
    varied: Vec<(HeaderName, Vec<HeaderValue>)>,
    /// The credentials of the request.
    credentials: Credentials,
    /// When it arrived, as old as it was then.
    born: Instant,
    fresh_for: Duration,
}

/// The headers of a request that may identify its caller, sorted by name.
type Credentials = Vec<(HeaderName, Vec<HeaderValue>)>;

/// What the cache says of a request.
#[derive(Debug)]
pub(crate) enum CacheLookup {
    /// This is the answer.
    Fresh(Response),
    /// Ask, and bring the answer back.
    Ask(CacheableRequest),
    /// Not the cache's business.
    Pass,
}

/// A request that was let through.
#[derive(Debug)]
pub(crate) struct CacheableRequest {
    url: String,
    headers: HeaderMap,
    credentials: Credentials,
    access: CredentialScope,
    /// The response that the request validates.
    stale: Option<Box<CachedResponse>>,
}

/// Who may be behind a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CredentialScope {
    /// Nobody in particular.
    Anonymous,
    /// The caller that its headers or its URL identify.
    Identified,
    /// Unknown: what comes after the cache may add credentials.
    Unknown,
}

impl ResponseCache {
    pub(crate) fn new(public: Vec<HeaderName>) -> Self {
        Self { public, ..Self::default() }
    }

    /// Looks for a response. One that has to be validated first makes the request a conditional one.
    /// `is_signed_later` says that the request may gain credentials after this.
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
            return CacheLookup::Pass;
        }
        let credentials = self.credentials(headers);
        let has_userinfo = !request.url().username().is_empty() || request.url().password().is_some();
        let access = match is_signed_later {
            true => CredentialScope::Unknown,
            false if has_userinfo || !credentials.is_empty() => CredentialScope::Identified,
            false => CredentialScope::Anonymous,
        };
        let url = key(request.url());
        let mut asked = CacheableRequest { url, headers: headers.clone(), credentials, access, stale: None };
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.get(&asked.url).filter(|entry| entry.is_for(&asked)) else {
            return CacheLookup::Ask(asked);
        };
        let pragma = headers.get(PRAGMA).is_some_and(|value| value == "no-cache");
        let must_ask = directive(headers, "no-cache").is_some()
            || pragma && !headers.contains_key(CACHE_CONTROL)
            || directive(headers, "max-age").is_some_and(|seconds| seconds == "0");
        if !must_ask && now.saturating_duration_since(entry.born) < entry.fresh_for {
            return CacheLookup::Fresh(entry.response(now));
        }
        if let Some(etag) = entry.headers.get(ETAG) {
            request.headers_mut().insert(IF_NONE_MATCH, etag.clone());
            asked.stale = Some(Box::new(entry.clone()));
        }
        CacheLookup::Ask(asked)
    }

    /// Takes in what came of a request that was let through.
    pub(crate) async fn keep(
        &self,
        mut asked: CacheableRequest,
        response: Response,
        now: Instant,
    ) -> reqwest::Result<Response> {
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(match asked.stale.take() {
                Some(entry) => self.revalidate(*entry, asked, response.headers(), now),
                None => response,
            });
        }
        let is_small = response.content_length().is_some_and(|length| length <= MAX_BYTES);
        let lifetime = lifetime(response.status(), response.headers(), asked.access);
        let (Some(fresh_for), Some(varied)) =
            (lifetime.filter(|_| is_small), varied(response.headers(), &asked.headers))
        else {
            self.forget(&asked);
            return Ok(response);
        };
        let headers = response.headers().clone();
        let content = response.bytes().await?;
        let CacheableRequest { url, credentials, .. } = asked;
        let entry = CachedResponse { varied, credentials, headers, content, born: now, fresh_for };
        let answer = entry.response(now);
        self.insert(url, entry);
        Ok(answer)
    }

    fn insert(&self, url: String, entry: CachedResponse) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES && !entries.contains_key(&url) {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.born).map(|(url, _)| url.clone());
            oldest.and_then(|url| entries.remove(&url));
        }
        entries.insert(url, entry);
    }

    /// A change succeeded: what is known of the URL may be wrong (RFC 9111, section 4.4).
    pub(crate) fn invalidate(&self, url: &url::Url) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(url));
    }

    /// A cookie was set. If the HTTP client keeps cookies, the caller may be another one from here on.
    pub(crate) fn clear(&self) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Removes what this request would have been answered with; another caller's response stays.
    fn forget(&self, asked: &CacheableRequest) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.get(&asked.url).is_some_and(|entry| entry.is_for(asked)) {
            entries.remove(&asked.url);
        }
    }

    /// A stale response is good again. It is the one that this request validated, whatever was stored since.
    fn revalidate(
        &self,
        mut entry: CachedResponse,
        asked: CacheableRequest,
        fields: &HeaderMap,
        now: Instant,
    ) -> Response {
        for name in fields.keys().filter(|name| !NOT_UPDATED.contains(name)) {
            entry.headers.remove(name);
            for value in fields.get_all(name) {
                entry.headers.append(name.clone(), value.clone());
            }
        }
        entry.born = now;
        let is_kept = !fields.contains_key(SET_COOKIE);
        match lifetime(StatusCode::OK, &entry.headers, asked.access).filter(|_| is_kept) {
            Some(fresh_for) => {
                entry.fresh_for = fresh_for;
                let answer = entry.response(now);
                self.insert(asked.url, entry);
                answer
            }
            None => {
                self.forget(&asked);
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
    fn is_for(&self, asked: &CacheableRequest) -> bool {
        self.credentials == asked.credentials
            && self.varied.iter().all(|(name, value)| values(&asked.headers, name) == *value)
    }

    fn response(&self, now: Instant) -> Response {
        let mut response = http::Response::new(self.content.clone());
        *response.headers_mut() = self.headers.clone();
        let age = now.saturating_duration_since(self.born) + number(&self.headers, &AGE).unwrap_or_default();
        response.headers_mut().insert(AGE, HeaderValue::from(age.as_secs()));
        response.into()
    }
}

/// What a response is stored under. The fragment is never sent.
fn key(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    url.into()
}

fn values(headers: &HeaderMap, name: &HeaderName) -> Vec<HeaderValue> {
    headers.get_all(name).iter().cloned().collect()
}

/// How long a response is fresh; `None` if it must not be stored, or storing it would be of no use.
fn lifetime(status: StatusCode, headers: &HeaderMap, access: CredentialScope) -> Option<Duration> {
    let seconds = |name| {
        let seconds = directive(headers, name).and_then(|seconds| seconds.parse().ok());
        seconds.map(Duration::from_secs)
    };
    let says = |name| directive(headers, name).is_some();
    let shared = seconds("s-maxage");
    let may_share = match access {
        CredentialScope::Anonymous => true,
        CredentialScope::Identified => says("public") || says("must-revalidate") || shared.is_some(),
        // These two alone say that callers may share the response.
        CredentialScope::Unknown => says("public") || shared.is_some(),
    };
    let is_private = says("private") || says("no-store") || headers.contains_key(SET_COOKIE);
    if status != StatusCode::OK || is_private || !may_share {
        return None;
    }
    let told = shared.or_else(|| seconds("max-age")).unwrap_or_default();
    let fresh_for = told.saturating_sub(number(headers, &AGE).unwrap_or_default());
    let fresh_for = if says("no-cache") { Duration::ZERO } else { fresh_for };
    (!fresh_for.is_zero() || headers.contains_key(ETAG)).then_some(fresh_for)
}

/// What the request has in the headers that `Vary` names; `None` if no other request can be compared with it.
fn varied(response: &HeaderMap, request: &HeaderMap) -> Option<Vec<(HeaderName, Vec<HeaderValue>)>> {
    let mut varied = Vec::new();
    for line in response.get_all(VARY) {
        for name in line.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let name: HeaderName = name.parse().ok().filter(|_| name != "*")?;
            let value = values(request, &name);
            varied.push((name, value));
        }
    }
    Some(varied)
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
