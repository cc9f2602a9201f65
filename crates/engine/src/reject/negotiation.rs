//! Content negotiation of error responses: language and media type.
//!
//! Nothing is parsed until a rejection is rendered: for a request that passes at most two headers are kept.

use std::borrow::Cow;

use demur_contract::Contract;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The client's preferences. Empty for a request that could not be parsed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Preferences {
    accept: Option<HeaderValue>,
    accept_language: Option<HeaderValue>,
}

impl Preferences {
    /// Keeps the headers that matter for this contract.
    pub(crate) fn set_from_headers(&mut self, contract: &Contract, headers: &HeaderMap) {
        if contract.as_problem().is_some() {
            self.accept = combined(headers, &ACCEPT).filter(|accept| accept != "*/*");
        }
        if contract.has_translations() {
            self.accept_language = combined(headers, &ACCEPT_LANGUAGE);
        }
    }

    /// The variant of the contract that this client prefers.
    pub(crate) fn select<'c>(&self, contract: &'c Contract) -> &'c Contract {
        let variant = match text(&self.accept_language) {
            Some(languages) => contract.for_accept_language(languages),
            None => contract,
        };
        match text(&self.accept) {
            Some(accept) => variant.for_accept(accept),
            None => variant,
        }
    }
}

/// Sets the headers that describe the body of an error response, and what its variant depends on.
pub(crate) fn set_content_headers(contract: &Contract, variant: &Contract, headers: &mut HeaderMap) {
    if let Ok(value) = HeaderValue::from_str(variant.content_type()) {
        headers.insert(CONTENT_TYPE, value);
    }
    let by_language = contract.has_translations();
    if by_language && let Ok(value) = HeaderValue::from_str(variant.locale()) {
        headers.insert(CONTENT_LANGUAGE, value);
    }
    let vary = match (contract.as_problem().is_some(), by_language) {
        (true, true) => "accept, accept-language",
        (true, false) => "accept",
        (false, true) => "accept-language",
        (false, false) => return,
    };
    headers.insert(VARY, HeaderValue::from_static(vary));
}

/// The text of a header; values that are not ASCII are ignored.
fn text(value: &Option<HeaderValue>) -> Option<&str> {
    value.as_ref()?.to_str().ok()
}

/// The value of a header; several lines are combined to a list (RFC 9110, section 5.3).
fn combined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    let mut list: Cow<'_, [u8]> = Cow::Borrowed(first.as_bytes());
    for value in values {
        let list = list.to_mut();
        list.extend_from_slice(b", ");
        list.extend_from_slice(value.as_bytes());
    }
    match list {
        // Shares the bytes with the request.
        Cow::Borrowed(_) => Some(first.clone()),
        Cow::Owned(list) => HeaderValue::from_bytes(&list).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use demur_source::Source;

    const SHOP: &str = "
demur: 1
name: shop
formats: { default: { message: $message } }
errors:
  bad_request: { status: 400, message: Bad., on: [request] }
  internal: { status: 500, message: Ours., on: [internal] }
locales: { it: { errors: { bad_request: Errata., internal: Nostra. } } }
";

    fn contract(text: &str) -> Contract {
        Contract::load(&Source::new("shop.yaml", text)).unwrap().contract
    }

    #[test]
    fn client_selects_language_and_media_type() {
        let contract = contract(SHOP);
        for (accept, languages, media_type, language) in [
            (&[][..], &[][..], "application/json", "en"),
            (&["application/problem+json"], &[], "application/problem+json", "en"),
            (
                &["text/html", "application/problem+json;q=0.5"],
                &["de", "it"],
                "application/problem+json",
                "it",
            ),
            (&["*/*"], &["it-IT"], "application/json", "it"),
        ] {
            let mut headers = HeaderMap::new();
            for (name, values) in [(ACCEPT, accept), (ACCEPT_LANGUAGE, languages)] {
                for value in values {
                    headers.append(name.clone(), HeaderValue::from_static(value));
                }
            }
            let mut preferences = Preferences::default();
            preferences.set_from_headers(&contract, &headers);
            let mut described = HeaderMap::new();
            set_content_headers(&contract, preferences.select(&contract), &mut described);
            assert_eq!(described[CONTENT_TYPE], media_type, "{accept:?}");
            assert_eq!(described[CONTENT_LANGUAGE], language, "{languages:?}");
            assert_eq!(described[VARY], "accept, accept-language");
        }
    }

    #[test]
    fn contract_without_variants_does_not_vary() {
        let (start, _) = SHOP.split_once("locales:").unwrap();
        let contract = contract(&start.replace("name: shop", "name: shop\nproblem_json: off"));
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/problem+json"));
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static("it"));
        let mut preferences = Preferences::default();
        preferences.set_from_headers(&contract, &headers);
        assert!(preferences.accept.is_none() && preferences.accept_language.is_none());
        let mut described = HeaderMap::new();
        set_content_headers(&contract, preferences.select(&contract), &mut described);
        assert_eq!(described.len(), 1);
    }
}
