//! `headers:`, which of the limit and retry headers a response has, by a predefined name or with custom header names.

use demur_source::{Fields, Node};

use super::reader::ContractReader;
use crate::limit_headers::{LimitHeaderNames, LimitHeaders, ResetForm};

impl ContractReader<'_> {
    /// `headers: [ietf, { should_retry: Their-Field }, { limit: Their-Limit, remaining: Their-Remaining }]`
    pub(super) fn limit_headers(&mut self, fields: &mut Fields<'_>) -> Vec<LimitHeaders> {
        let mut headers = Vec::new();
        for node in fields.list("headers", &mut self.diagnostics) {
            if node.as_map().is_some() {
                self.custom_headers(node, &mut headers);
                continue;
            }
            let word = node.scalar_text().unwrap_or_default();
            match LimitHeaders::from_word(&word) {
                Some(known) => headers.push(known),
                None => self.unknown_word(&word, node.span, "a known set of headers", &LimitHeaders::WORDS),
            }
        }
        headers
    }

    fn custom_headers(&mut self, node: &Node, headers: &mut Vec<LimitHeaders>) {
        let source = self.source;
        let Some(mut fields) = Fields::of(node, source, "a set of headers", &mut self.diagnostics) else {
            return;
        };
        let mut named = |this: &mut Self, key: &'static str, example: &str| {
            let node = fields.node(key)?;
            let name = node.scalar_text().unwrap_or_default();
            this.check_header_name(&name, node.span, example);
            Some(name.to_ascii_lowercase())
        };
        let should_retry = named(self, "should_retry", "X-Should-Retry");
        let at_once = named(self, "should_retry_at_once", "X-Should-Retry");
        let millis = named(self, "retry_after_ms", "Retry-After-Ms");
        let limits = LimitHeaderNames {
            limit: named(self, "limit", "X-RateLimit-Limit"),
            remaining: named(self, "remaining", "X-RateLimit-Remaining"),
            reset: named(self, "reset", "X-RateLimit-Reset"),
            reset_as: ResetForm::default(),
        };
        let reset_as = fields.node("reset_as").and_then(|node| {
            let word = node.scalar_text().unwrap_or_default();
            self.one_of(&word, node.span, "a valid value of `reset_as`", &ResetForm::ALL)
        });
        headers.extend(should_retry.map(LimitHeaders::ShouldRetry));
        headers.extend(at_once.map(LimitHeaders::ShouldRetryAtOnce));
        headers.extend(millis.map(LimitHeaders::RetryAfterMillis));
        if limits != LimitHeaderNames::default() {
            let reset_as = reset_as.unwrap_or_default();
            headers.push(LimitHeaders::Limits(LimitHeaderNames { reset_as, ..limits }));
        }
        fields.finish(&mut self.diagnostics);
    }
}
