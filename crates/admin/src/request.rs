//! A request that the document has accepted: its parameters and its body.

use std::str::FromStr;

use demur_admission::Secret;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use crate::error::Failure;

/// The page size without `limit`, as in the document.
const DEFAULT_LIMIT: u32 = 100;

/// A request with valid parameters and a valid body.
pub(crate) struct AdminRequest {
    /// Its ID.
    pub(crate) id: String,
    /// The parameters by name, as their schemas type them.
    pub(crate) parameters: Map<String, Json>,
    /// `null` if there is none.
    pub(crate) body: Json,
}

impl AdminRequest {
    /// A parameter that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).and_then(Json::as_str)
    }

    /// A parameter that is an ID.
    pub(crate) fn id<T: FromStr>(&self, name: &str) -> Result<T, Failure> {
        let id = self.text(name).and_then(|text| text.parse().ok());
        id.ok_or_else(|| Failure::Internal(format!("the document admits an invalid `{name}`")))
    }

    /// A parameter that is true or false.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.parameters.get(name).and_then(Json::as_bool).unwrap_or_default()
    }

    /// A parameter that is a time.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        // RFC 3339 has years that no clock reaches.
        text.parse().map(Some).map_err(|_| Failure::CommandInvalid(format!("`{name}` is out of range")))
    }

    /// How many items are wanted.
    pub(crate) fn limit(&self) -> u32 {
        let limit = self.parameters.get("limit").and_then(Json::as_u64);
        limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(DEFAULT_LIMIT)
    }

    /// The cursor, if it has the form of one.
    pub(crate) fn after<T: FromStr>(&self) -> Result<Option<T>, Failure> {
        self.text("after").map(|text| text.parse().map_err(|_| Failure::InvalidCursor)).transpose()
    }

    /// The body.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_value(self.body.clone()).map_err(|error| Failure::CommandInvalid(error.to_string()))
    }

    /// Whether a parameter or the body contains an API key or a token.
    pub(crate) fn contains_credential(&self) -> bool {
        self.parameters.values().chain([&self.body]).any(contains_credential)
    }
}

fn contains_credential(value: &Json) -> bool {
    match value {
        Json::String(text) => Secret::is_within(text),
        Json::Array(items) => items.iter().any(contains_credential),
        Json::Object(members) => {
            members.iter().any(|(name, value)| Secret::is_within(name) || contains_credential(value))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}
