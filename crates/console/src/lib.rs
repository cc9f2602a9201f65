//! The console of a gateway: what is being rejected, why a request was, and how errors develop.
//!
//! Pages are rendered by the server, work without a script, and load nothing from elsewhere. Everything that a caller of the
//! gateway controls (paths, codes, account names, texts of the upstream) reaches a page through the template engine alone,
//! which escapes it.

mod directory;
mod login;
mod pages;
mod view;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use demur_admin::guard;
use demur_journal::Reader;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

pub use directory::Directory;
use login::{COOKIE_NAME, Login};
use pages::{Page, Pages};

/// Everything is loaded from the console itself, and pages have no inline scripts or styles.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
const STYLE: &str = include_str!("../assets/console.css");
const SCRIPT: &str = include_str!("../assets/console.js");

/// The most bytes of a form: what a person pastes.
pub const MAX_FORM_BYTES: usize = 256 * 1024;

/// The console of one gateway.
pub struct Console {
    journal: PathBuf,
    directory: Box<dyn Directory>,
    pages: Pages,
    login: Login,
    /// The values of `Host` that requests may have.
    hosts: Vec<String>,
}

impl Console {
    /// A console that reads this journal, at one of these values of `Host`: `127.0.0.1:8091`.
    pub fn new(journal: impl Into<PathBuf>, directory: Box<dyn Directory>, hosts: Vec<String>) -> Self {
        Self { journal: journal.into(), directory, pages: Pages::new(), login: Login::default(), hosts }
    }

    /// A secret that begins a session, once, within this time. `None` if the system has no randomness.
    pub fn login_secret(&self, valid_for: Duration) -> Option<String> {
        self.login.secret(valid_for)
    }

    /// The response to a request. `body` is that of a form, at most [`MAX_FORM_BYTES`].
    pub fn respond(&self, head: &Parts, body: &[u8]) -> Response<Bytes> {
        with_headers(self.answer(head, body))
    }

    /// The response to a request that cannot be read, as this status says.
    pub fn reject(&self, status: StatusCode) -> Response<Bytes> {
        with_headers(self.message(status, "The request cannot be answered."))
    }

    fn answer(&self, head: &Parts, body: &[u8]) -> Response<Bytes> {
        // A name that somebody else's DNS points here must not read the console (DNS rebinding).
        if !guard::is_known_host(head, &self.hosts) {
            return self
                .message(StatusCode::MISDIRECTED_REQUEST, "The console is not served under this name.");
        }
        let is_post = head.method == Method::POST;
        if !is_post && !matches!(head.method, Method::GET | Method::HEAD) {
            let mut response = self.message(StatusCode::METHOD_NOT_ALLOWED, "This method is not allowed.");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
            return response;
        }
        if is_post && !guard::is_same_site(&head.headers) {
            return self.message(StatusCode::FORBIDDEN, "The form was sent by another site.");
        }
        match (head.uri.path(), is_post) {
            ("/console.css", false) => return asset("text/css; charset=utf-8", STYLE),
            ("/console.js", false) => return asset("text/javascript; charset=utf-8", SCRIPT),
            ("/login", false) => return self.page(StatusCode::OK, &Page::login(false)),
            ("/login", true) => return self.log_in(body),
            _ => {}
        }
        if !self.login.is_session(session(&head.headers)) {
            return see("/login");
        }
        match self.view(head, is_post, body) {
            Ok(response) => response,
            Err(cause) => self.message(StatusCode::SERVICE_UNAVAILABLE, &cause),
        }
    }

    fn log_in(&self, body: &[u8]) -> Response<Bytes> {
        let secret = form_value(body, "secret").unwrap_or_default();
        let Some(session) = self.login.begin(secret.trim()) else {
            return self.page(StatusCode::FORBIDDEN, &Page::login(true));
        };
        let mut response = see("/");
        let cookie = format!("{COOKIE_NAME}={session}; Path=/; HttpOnly; SameSite=Strict");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }

    /// A page of somebody with a session.
    fn view(&self, head: &Parts, is_post: bool, body: &[u8]) -> Result<Response<Bytes>, String> {
        let query = head.uri.query().unwrap_or_default();
        let page = match (head.uri.path(), is_post) {
            ("/", false) => pages::live::page(&self.reader()?, query)?,
            ("/rows", false) => {
                let rows = pages::live::rows(&self.reader()?, query)?;
                return self.pages.fragment("rows.html", &rows).map(html);
            }
            ("/request", false) => pages::request::page(&self.reader()?, query)?,
            // What is pasted may contain a key: it is not kept, and comes into no address.
            ("/request", true) => {
                let pasted = form_value(body, "text").unwrap_or_default();
                return Ok(see(&pages::request::address_of(&pasted)));
            }
            ("/errors", false) => pages::errors::page(&self.reader()?, query)?,
            ("/accounts", false) => pages::accounts::page(&*self.directory, query)?,
            (_, true) => return Ok(self.message(StatusCode::METHOD_NOT_ALLOWED, "This page takes no form.")),
            _ => return Ok(self.message(StatusCode::NOT_FOUND, "There is no such page.")),
        };
        Ok(self.page(StatusCode::OK, &page))
    }

    fn reader(&self) -> Result<Reader, String> {
        Reader::open(&self.journal).map_err(|error| format!("The journal cannot be read. {error}"))
    }

    fn page(&self, status: StatusCode, page: &Page) -> Response<Bytes> {
        match self.pages.render(page) {
            Ok(text) => with_status(status, html(text)),
            Err(error) => {
                with_status(StatusCode::INTERNAL_SERVER_ERROR, asset("text/plain; charset=utf-8", &error))
            }
        }
    }

    fn message(&self, status: StatusCode, text: &str) -> Response<Bytes> {
        self.page(status, &Page::message(text))
    }

    /// The journal that it reads.
    pub fn journal(&self) -> &Path {
        &self.journal
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console")
            .field("journal", &self.journal)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// The session in the cookies of a request.
fn session(headers: &HeaderMap) -> &str {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map_or("", |(_, value)| value)
}

fn form_value(body: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The headers of all responses.
fn with_headers(mut response: Response<Bytes>) -> Response<Bytes> {
    let headers = response.headers_mut();
    let constants = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With `no-referrer` a form of ours would have no origin.
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in constants {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn html(text: String) -> Response<Bytes> {
    asset("text/html; charset=utf-8", &text)
}

fn asset(content_type: &'static str, text: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::copy_from_slice(text.as_bytes()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn with_status(status: StatusCode, mut response: Response<Bytes>) -> Response<Bytes> {
    *response.status_mut() = status;
    response
}

/// Sends the browser to another page.
fn see(target: &str) -> Response<Bytes> {
    let mut response = with_status(StatusCode::SEE_OTHER, Response::new(Bytes::new()));
    if let Ok(target) = HeaderValue::from_str(target) {
        response.headers_mut().insert(LOCATION, target);
    }
    response
}

#[cfg(test)]
mod tests;
