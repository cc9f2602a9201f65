//! The entries of `errors:`.

use std::time::Duration;

use demur_source::{Fields, Key, Node, NodeKind, did_you_mean};
use http::StatusCode;

use super::reader::{ContractDefaults, ContractReader, Draft, WrittenClaim, in_backticks};
use crate::catalogue::{Docs, EntrySource, ErrorEntry, ErrorStatus, Retry, Show};
use crate::condition;
use crate::denial_params;
use crate::format::Slot;
use crate::template::{Template, TemplateParameter};
use crate::{Condition, RetryClass};

impl ContractReader<'_> {
    pub(super) fn entry(&mut self, key: &Key, node: &Node, defaults: &ContractDefaults) -> Option<Draft> {
        let source = self.source;
        let mut fields = Fields::of(node, source, "an error", &mut self.diagnostics)?;
        let status = self.status(&mut fields, key, defaults);
        let kind = fields.node("type").and_then(|node| {
            let kind = self.text(node)?;
            let known: Vec<&str> = defaults.types.iter().map(|(name, _)| name.as_str()).collect();
            if !known.is_empty() && !known.contains(&kind.as_str()) {
                let help = match did_you_mean(&kind, known.iter().copied()) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => format!("`types` lists {}", in_backticks(&known)),
                };
                self.error(node.span, "unknown-type", format!("`types` does not list `{kind}`"), help);
            }
            Some(kind)
        });
        let code = self.code(&mut fields, key, defaults);
        let title = fields.node("title").and_then(|node| self.template(node));
        let (message, open) = self.message(fields.node("message"));
        let user_message = fields.node("user_message").and_then(|node| self.template(node));
        let format = self.format(&mut fields, defaults);
        let show = fields.node("show").and_then(|node| {
            let word = node.scalar_text().unwrap_or_default();
            self.one_of(&word, node.span, "a valid value of `show`", &Show::ALL)
        });
        let collect = fields.node("collect").is_some_and(|node| {
            let word = node.scalar_text().unwrap_or_default();
            self.one_of(&word, node.span, "a valid value of `collect`", &[("values", true), ("none", false)])
                .unwrap_or(false)
        });
        let params = self.params(&mut fields);
        let claims: Vec<WrittenClaim> = fields
            .texts("on", &mut self.diagnostics)
            .into_iter()
            .map(|(name, span)| WrittenClaim { name, span })
            .collect();
        let retry = self.retry(fields.node("retry"), &claims, status);
        let docs = Docs {
            description: fields.text("description", &mut self.diagnostics),
            cause: fields.text("cause", &mut self.diagnostics),
            fix: fields.texts("fix", &mut self.diagnostics).into_iter().map(|(text, _)| text).collect(),
            links: fields.texts("links", &mut self.diagnostics).into_iter().map(|(text, _)| text).collect(),
            since: fields.text("since", &mut self.diagnostics),
            deprecated: fields.text("deprecated", &mut self.diagnostics),
            replaced_by: fields.text("replaced_by", &mut self.diagnostics),
        };
        let same_as = fields.texts("same_as", &mut self.diagnostics);
        let replaced_by = node.get("replaced_by").and_then(|node| Some((node.scalar_text()?, node.span)));
        let named = same_as.iter().cloned().chain(replaced_by).collect();
        fields.finish(&mut self.diagnostics);

        let title = title.unwrap_or_else(|| Template::literal(default_title(&claims, status)));
        let message = message.unwrap_or_else(|| title.clone());
        let doc_url = defaults.doc_url.as_ref().map(|url| doc_url(url, &key.name, code.as_deref()));
        let entry = ErrorEntry {
            name: key.name.clone(),
            // A missing status has been reported. The entry is kept, because its claims still count.
            status: status.unwrap_or(ErrorStatus::INTERNAL),
            kind,
            code,
            title,
            message,
            open,
            user_message,
            doc_url,
            retry,
            show: show.unwrap_or(defaults.show),
            collect,
            params,
            upstream_may_raise: may_upstream_raise(&claims),
            same_as: same_as.into_iter().map(|(name, _)| name).collect(),
            source: EntrySource::Declared,
            docs,
            format,
        };
        self.check_parameters(&entry, node, defaults);
        Some(Draft { entry, claims, named, span: key.span })
    }

    /// Reads `params:`, the names of the parameters that are set when the error is raised.
    fn params(&mut self, fields: &mut Fields<'_>) -> Vec<String> {
        let params = fields.texts("params", &mut self.diagnostics);
        for (name, span) in params.iter().filter(|(name, _)| !TemplateParameter::is_name(name)) {
            let help = "use letters, digits and `_`".to_owned();
            self.error(*span, "parameter-name", format!("`{name}` is not a valid parameter name"), help);
        }
        params.into_iter().map(|(name, _)| name).collect()
    }

    fn status(
        &mut self,
        fields: &mut Fields<'_>,
        key: &Key,
        defaults: &ContractDefaults,
    ) -> Option<ErrorStatus> {
        let Some(node) = fields.node("status") else {
            fields.missing("status", &mut self.diagnostics);
            return None;
        };
        let status = match node.kind {
            NodeKind::Int(status) => u16::try_from(status).ok().and_then(ErrorStatus::new),
            _ => None,
        };
        match status {
            None => {
                let message = format!("the `status` of `{}` must be between 400 and 599", key.name);
                self.error(node.span, "status", message, None);
            }
            Some(status) => {
                let listed = &defaults.statuses;
                let undocumented = !listed.iter().any(|(known, _)| *known == status.as_u16());
                if defaults.closed && !listed.is_empty() && undocumented {
                    let known: Vec<String> = listed.iter().map(|(known, _)| known.to_string()).collect();
                    let message = format!("`statuses` is closed and does not list `{status}`");
                    let help = format!("add it to `statuses`, or use one of {}", known.join(", "));
                    self.error(node.span, "undocumented-status", message, help);
                }
            }
        }
        status
    }

    /// Reads `code:`. Without it, the code is the name of the entry; `code: none` is no code.
    fn code(&mut self, fields: &mut Fields<'_>, key: &Key, defaults: &ContractDefaults) -> Option<String> {
        let node = fields.node("code");
        let code = node.map_or_else(|| Some(key.name.clone()), |node| self.text(node));
        let code = code.filter(|code| code != "none")?;
        if let Some(style) = defaults.code_style.filter(|style| !style.fits(&code)) {
            let help = format!("write `{}`", style.spell(&code));
            let span = node.map_or(key.span, |node| node.span);
            let message = format!("the code `{code}` does not match the `code_style` of the contract");
            self.error(span, "code-style", message, help);
        }
        Some(code)
    }

    /// Reads `message: text`, or `message: { default: text, open: true }`.
    fn message(&mut self, node: Option<&Node>) -> (Option<Template>, bool) {
        let source = self.source;
        let Some(node) = node else { return (None, false) };
        if node.as_map().is_none() {
            return (self.template(node), false);
        }
        let Some(mut fields) = Fields::of(node, source, "`message`", &mut self.diagnostics) else {
            return (None, false);
        };
        let default = fields.node("default").and_then(|node| self.template(node));
        let open = fields.boolean("open", &mut self.diagnostics).unwrap_or(false);
        fields.finish(&mut self.diagnostics);
        (default, open)
    }

    fn format(&mut self, fields: &mut Fields<'_>, defaults: &ContractDefaults) -> usize {
        let position = |name: &str| defaults.formats.iter().position(|format| format.name == name);
        let Some(node) = fields.node("format") else { return position("default").unwrap_or(0) };
        let name = node.scalar_text().unwrap_or_default();
        match position(&name) {
            Some(position) => position,
            None => {
                let known = defaults.formats.iter().map(|format| format.name.as_str());
                let help = did_you_mean(&name, known).map(|known| format!("did you mean `{known}`?"));
                self.error(node.span, "unknown-format", format!("unknown format `{name}`"), help);
                0
            }
        }
    }

    /// Reads `retry: after_delay`, or `retry: { class: after_delay, default_delay: 60s, attempts: 3 }`.
    ///
    /// The default is the retry class of the first claimed condition; without claims it depends on the status.
    fn retry(&mut self, node: Option<&Node>, claims: &[WrittenClaim], status: Option<ErrorStatus>) -> Retry {
        let by_claim = claims
            .iter()
            .find_map(|claim| Condition::all().find(|condition| condition.covered_by(&claim.name)))
            .map(|condition| condition.defaults().retry);
        let by_status = match status.map_or(500, ErrorStatus::as_u16) {
            429 => RetryClass::AfterDelay,
            404 | 409 | 410 | 403 => RetryClass::Never,
            status if status < 500 => RetryClass::AfterFix,
            _ => RetryClass::Backoff,
        };
        let mut retry = Retry { class: by_claim.unwrap_or(by_status), default_delay: None, attempts: None };
        let source = self.source;
        let Some(node) = node else { return retry };
        if let Some(word) = node.as_str() {
            retry.class =
                self.one_of(word, node.span, "a retry class", &RetryClass::ALL).unwrap_or(retry.class);
            return retry;
        }
        let Some(mut fields) = Fields::of(node, source, "`retry`", &mut self.diagnostics) else {
            return retry;
        };
        if let Some(node) = fields.node("class") {
            let word = node.scalar_text().unwrap_or_default();
            retry.class =
                self.one_of(&word, node.span, "a retry class", &RetryClass::ALL).unwrap_or(retry.class);
        }
        if let Some(node) = fields.node("default_delay") {
            let seconds = node
                .scalar_text()
                .and_then(|text| text.strip_suffix('s').unwrap_or(&text).parse::<u64>().ok());
            if seconds.is_none() {
                let message = "`retry.default_delay` must be a whole number of seconds";
                self.error(node.span, "duration", message, "write seconds, such as `60s`".to_owned());
            }
            retry.default_delay = seconds.map(Duration::from_secs);
        }
        if let Some(attempts) = fields.int("attempts", &mut self.diagnostics) {
            retry.attempts = u32::try_from(attempts).ok();
            if retry.attempts.is_none() {
                let span = fields.node("attempts").map_or(fields.span(), |node| node.span);
                let message = match attempts < 0 {
                    true => format!("`retry.attempts` must not be negative: `{attempts}`"),
                    false => format!("`retry.attempts` is too large: `{attempts}`"),
                };
                let help = "write the maximum number of attempts, such as `3`".to_owned();
                self.error(span, "retry-attempts", message, help);
            }
        }
        if retry.class == RetryClass::Never {
            self.reject_fields_of_retries(&mut fields);
        }
        fields.finish(&mut self.diagnostics);
        retry
    }

    /// Reports the settings of retries in an error that is never retried.
    fn reject_fields_of_retries(&mut self, fields: &mut Fields<'_>) {
        for name in ["default_delay", "attempts"] {
            let Some(node) = fields.node(name) else { continue };
            let message = format!("`retry.{name}` has no effect with the retry class `never`");
            let help = format!("remove `{name}`, or use another `class`, such as `after_delay`");
            self.error(node.span, "retry-never", message, help);
        }
    }

    /// Reports parameters in the texts that the error does not declare, and a missing `user_message`.
    fn check_parameters(&mut self, entry: &ErrorEntry, node: &Node, defaults: &ContractDefaults) {
        let texts = [Some((&entry.title, "title")), Some((&entry.message, "message"))];
        let texts = texts.into_iter().chain([entry.user_message.as_ref().map(|text| (text, "user_message"))]);
        for (template, member) in texts.flatten() {
            for parameter in template.parameters() {
                let TemplateParameter::Named(name) = parameter else { continue };
                if entry.params.contains(name)
                    || denial_params::DENIAL_PARAMS.iter().any(|param| param.name == name)
                {
                    continue;
                }
                let span = node.get(member).map_or(node.span, |node| node.span);
                let of_gateway = denial_params::DENIAL_PARAMS.iter().map(|param| param.name);
                let known: Vec<&str> = entry.params.iter().map(String::as_str).chain(of_gateway).collect();
                let help = match did_you_mean(
                    name,
                    known.into_iter().chain(["param", "value", "values", "limit", "allowed"]),
                ) {
                    Some(known) => format!("did you mean `{{{known}}}`?"),
                    None => format!("declare it: `params: [{name}]`"),
                };
                self.error(span, "unknown-parameter", format!("unknown parameter `{{{name}}}`"), help);
            }
        }
        let Some(format) = defaults.formats.get(entry.format) else { return };
        for slot in format.shape.slots() {
            if let (Slot::UserMessage, None) = (slot, &entry.user_message) {
                let message = format!("the format has `$user_message`, but `{}` has none", entry.name);
                let help = "add `user_message: …`, a text for end users".to_owned();
                self.diagnostics.warning(self.source, node.span, "no-user-message", message, help);
            }
        }
    }
}

/// The title of an error without a `title:`. It is that of its claims; if they have different ones, the reason phrase of
/// the status (RFC 9457, section 4.2.1).
fn default_title(claims: &[WrittenClaim], status: Option<ErrorStatus>) -> &'static str {
    const UNKNOWN: &str = "The request failed";
    let mut titles = claims.iter().filter_map(|claim| condition::default_title(&claim.name));
    let Some(title) = titles.next() else { return UNKNOWN };
    if titles.all(|other| other == title) {
        return title;
    }
    let status = status.and_then(|status| StatusCode::from_u16(status.as_u16()).ok());
    status.and_then(|status| status.canonical_reason()).unwrap_or(UNKNOWN)
}

/// Whether an upstream may raise an error with these claims. A claim on a status of the upstream, beside others, says how
/// that status is answered: it does not let the upstream raise what the gateway alone decides, such as a rate limit.
fn may_upstream_raise(claims: &[WrittenClaim]) -> bool {
    let is_status = |claim: &&WrittenClaim| claim.name.starts_with("upstream.refused");
    if claims.iter().all(|claim| is_status(&claim)) {
        return true;
    }
    claims.iter().filter(|claim| !is_status(claim)).any(|claim| may_come_from_upstream(&claim.name))
}

/// Whether a claim is a condition of the API, or covers one that an upstream may raise.
fn may_come_from_upstream(claim: &str) -> bool {
    let mut covered = Condition::all().filter(|condition| condition.covered_by(claim)).peekable();
    covered.peek().is_none() || covered.any(Condition::upstream_may_raise)
}

/// The documentation URL of an error.
pub(crate) fn doc_url(template: &Template, name: &str, code: Option<&str>) -> String {
    let mut url = template.to_string();
    url = url.replace("{name}", name).replace("{code}", code.unwrap_or(name));
    url
}
