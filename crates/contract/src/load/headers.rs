//! `headers:` the families of fields, by a word or with names of their own.

use demur_source::{Fields, Node};

use super::ContractReader;
use crate::limit_headers::{LimitHeaderNames, LimitHeaders, ResetForm};

impl ContractReader<'_> {
    /// `headers: [ietf, { should_retry: Their-Field }, { limit: Their-Limit, remaining: Their-Remaining }]`
    pub(super) fn families(&mut self, fields: &mut Fields<'_>) -> Vec<LimitHeaders> {
        let mut families = Vec::new();
        for node in fields.list("headers", &mut self.found) {
            if node.as_map().is_some() {
                self.family(node, &mut families);
                continue;
            }
            let word = node.scalar_text().unwrap_or_default();
            match LimitHeaders::named(&word) {
                Some(family) => families.push(family),
                None => {
                    self.unknown_word(&word, node.span, "a family of header fields", &LimitHeaders::WORDS);
                }
            }
        }
        families
    }

    fn family(&mut self, node: &Node, families: &mut Vec<LimitHeaders>) {
        let source = self.source;
        let Some(mut fields) = Fields::of(node, source, "a family", &mut self.found) else { return };
        let mut named = |this: &mut Self, name: &'static str| {
            let node = fields.node(name)?;
            let field = node.scalar_text().unwrap_or_default();
            this.field_name(&field, node.span);
            Some(field.to_ascii_lowercase())
        };
        let should_retry = named(self, "should_retry");
        let millis = named(self, "retry_after_ms");
        let limits = LimitHeaderNames {
            limit: named(self, "limit"),
            remaining: named(self, "remaining"),
            reset: named(self, "reset"),
            reset_as: ResetForm::default(),
        };
        let reset_as = fields.node("reset_as").and_then(|node| {
            let word = node.scalar_text().unwrap_or_default();
            self.one_of(&word, node.span, "a form of a moment", &ResetForm::ALL)
        });
        families.extend(should_retry.map(LimitHeaders::ShouldRetry));
        families.extend(millis.map(LimitHeaders::RetryAfterMillis));
        if limits != LimitHeaderNames::default() {
            let reset_as = reset_as.unwrap_or_default();
            families.push(LimitHeaders::Limits(LimitHeaderNames { reset_as, ..limits }));
        }
        fields.finish(&mut self.found);
    }
}
