//! A private cache of safe answers (RFC 9111), where it is asked for.
//!
//! It keeps whole answers to GET that say how long they are fresh or carry a validator, one for each URL,
//! key and varying field. What streams without a length, and what is large, passes by.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, RANGE, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Request, Response};
use tokio::time::Instant;

/// Answers that are kept.
const MAX_ENTRIES: usize = 256;
/// The most content of one of them.
const MAX_BYTES: u64 = 256 * 1024;

/// The answers of one client.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    entries: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    headers: HeaderMap,
    content: Bytes,
    /// What the request had in the fields that the answer varies by.
    varied: Vec<(HeaderName, Option<HeaderValue>)>,
    /// When it came, as old as it was then.
    born: Instant,
    fresh_for: Duration,
}

/// What the cache says of a request.
#[derive(Debug)]
pub(crate) enum Found {
    /// This is the answer.
    Fresh(Response),
    /// Ask, and bring the answer back.
    Ask(Asked),
    /// Not the cache's business.
    Pass,
}

/// A request that was let through.
#[derive(Debug)]
pub(crate) struct Asked {
    url: String,
    headers: HeaderMap,
}

impl Cache {
    /// Looks for an answer. One that has to be validated first makes the request a conditional one.
    pub(crate) fn find(&self, request: &mut Request, now: Instant) -> Found {
        let headers = request.headers();
        let is_partial = [RANGE, IF_NONE_MATCH, IF_MATCH].iter().any(|name| headers.contains_key(name));
        if request.method() != Method::GET || is_partial || says(headers, "no-store").is_some() {
            return Found::Pass;
        }
        let asked = Asked { url: request.url().to_string(), headers: headers.clone() };
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.get(&asked.url).filter(|entry| entry.is_for(&asked.headers)) else {
            return Found::Ask(asked);
        };
        let must_ask = says(&asked.headers, "no-cache").is_some();
        if !must_ask && now.saturating_duration_since(entry.born) < entry.fresh_for {
            return Found::Fresh(entry.response(now));
        }
        if let Some(etag) = entry.headers.get(ETAG) {
            request.headers_mut().insert(IF_NONE_MATCH, etag.clone());
        }
        Found::Ask(asked)
    }

    /// Takes in what came of a request that was let through.
    pub(crate) async fn keep(
        &self,
        asked: Asked,
        response: Response,
        now: Instant,
    ) -> reqwest::Result<Response> {
        if response.status() == StatusCode::NOT_MODIFIED {
            if let Some(revived) = self.revive(&asked, response.headers(), now) {
                return Ok(revived);
            }
            return Ok(response);
        }
        let is_small = response.content_length().is_some_and(|length| length <= MAX_BYTES);
        let Some(fresh_for) = may_keep(response.status(), response.headers()).filter(|_| is_small) else {
            self.forget(&asked.url);
            return Ok(response);
        };
        let headers = response.headers().clone();
        let content = response.bytes().await?;
        let varied =
            varying(&headers).into_iter().map(|name| (name.clone(), asked.headers.get(&name).cloned()));
        let entry = Entry { varied: varied.collect(), headers, content, born: now, fresh_for };
        let answer = entry.response(now);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES && !entries.contains_key(&asked.url) {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.born).map(|(url, _)| url.clone());
            oldest.and_then(|url| entries.remove(&url));
        }
        entries.insert(asked.url, entry);
        Ok(answer)
    }

    /// A change succeeded: what is known of the URL may be wrong (RFC 9111, section 4.4).
    pub(crate) fn forget(&self, url: &str) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(url);
    }

    /// A stale answer is good again.
    fn revive(&self, asked: &Asked, fields: &HeaderMap, now: Instant) -> Option<Response> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get_mut(&asked.url).filter(|entry| entry.is_for(&asked.headers))?;
        for (name, value) in fields {
            entry.headers.insert(name.clone(), value.clone());
        }
        entry.born = now;
        entry.fresh_for = may_keep(StatusCode::OK, &entry.headers).unwrap_or_default();
        Some(entry.response(now))
    }
}

impl Entry {
    fn is_for(&self, headers: &HeaderMap) -> bool {
        self.varied.iter().all(|(name, value)| headers.get(name) == value.as_ref())
    }

    fn response(&self, now: Instant) -> Response {
        let mut response = http::Response::new(self.content.clone());
        *response.headers_mut() = self.headers.clone();
        let age = now.saturating_duration_since(self.born) + number(&self.headers, &AGE).unwrap_or_default();
        response.headers_mut().insert(AGE, HeaderValue::from(age.as_secs()));
        response.into()
    }
}

/// How long an answer is fresh; `None` where it may not be kept, or keeping it is of no use.
fn may_keep(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let is_any = headers.get_all(VARY).iter().any(|value| value.as_bytes().contains(&b'*'));
    if status != StatusCode::OK || says(headers, "no-store").is_some() || is_any {
        return None;
    }
    let told = says(headers, "max-age").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let fresh_for = told.unwrap_or_default().saturating_sub(number(headers, &AGE).unwrap_or_default());
    let fresh_for = if says(headers, "no-cache").is_some() { Duration::ZERO } else { fresh_for };
    (!fresh_for.is_zero() || headers.contains_key(ETAG)).then_some(fresh_for)
}

/// The fields that choose the answer. The key always does: one client can carry several people's.
fn varying(headers: &HeaderMap) -> Vec<HeaderName> {
    let told = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok());
    let told = told.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok());
    std::iter::once(AUTHORIZATION).chain(told).collect()
}

/// The value of a directive of `Cache-Control`; empty where it has none.
fn says<'h>(headers: &'h HeaderMap, directive: &str) -> Option<&'h str> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).find_map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        name.trim().eq_ignore_ascii_case(directive).then(|| value.trim().trim_matches('"'))
    })
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
