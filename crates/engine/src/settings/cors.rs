//! CORS of an API: whose scripts may call it from a browser.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

/// Whose scripts may call an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// From where.
    pub origins: Origins,
    /// The fields that they may send, as a list; any where there is none.
    pub fields: Option<HeaderValue>,
    /// Fields of answers that they may read, beyond those that the contract sets.
    pub expose: Vec<HeaderName>,
    /// Whether the browser may send what it keeps for the origin (cookies, client certificates).
    pub credentials: bool,
    /// How long a browser may keep what a preflight said.
    pub max_age: Duration,
}

impl Cors {
    /// Scripts of these origins may send any header, without credentials; preflights are cached for ten minutes.
    pub fn new(origins: Origins) -> Self {
        Self { origins, fields: None, expose: Vec::new(), credentials: false, max_age: DEFAULT_MAX_AGE }
    }
}

/// From where scripts may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// From anywhere.
    Any,
    /// From these.
    These(Vec<HeaderValue>),
}

/// What browsers keep at the most: Chromium two hours, Firefox a day.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(600);
