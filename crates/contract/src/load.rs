//! The file → a contract. Reads everything, collects every mistake, and only then decides.
//!
//! What the keys mean stands in `docs/contract.md`; how the answers are distributed in [`crate::answers`].

use std::sync::Arc;
use std::time::Duration;

use demur_source::{Diagnostics, Fields, Key, Node, Source, Span, did_you_mean};

use crate::answers::{self, Answers};
use crate::catalogue::{Docs, EntrySource, ErrorEntry, ErrorStatus, Retry, Show};
use crate::compile::compile;
use crate::contract::{About, Contract, FieldFamily, Format, RequestIdField};
use crate::format::{Shape, Slot};
use crate::template::{Parameter, Template};
use crate::violations::{FieldStyle, Texts, rule_claim};
use crate::{Condition, RetryClass, claimable};

/// A contract, and what a person should know about it.
#[derive(Debug)]
pub struct Loaded {
    /// The contract.
    pub contract: Contract,
    /// Warnings only.
    pub warnings: Diagnostics,
}

/// A claim as it was written.
pub(crate) struct Claim {
    pub(crate) name: String,
    pub(crate) span: Span,
}

/// An entry before it is known that the file is sound.
pub(crate) struct Draft {
    pub(crate) entry: ErrorEntry,
    pub(crate) claims: Vec<Claim>,
    pub(crate) span: Span,
}

/// What a contract says once for all its errors.
pub(crate) struct Defaults {
    pub(crate) formats: Vec<Format>,
    pub(crate) types: Vec<(String, String)>,
    pub(crate) statuses: Vec<(u16, String)>,
    pub(crate) closed: bool,
    pub(crate) doc_url: Option<Template>,
    pub(crate) code_style: Option<CodeStyle>,
    pub(crate) show: Show,
}

/// How the codes of a contract are spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeStyle {
    Snake,
    Kebab,
    Screaming,
    Pascal,
}

impl CodeStyle {
    const ALL: [(&'static str, CodeStyle); 4] = [
        ("snake_case", CodeStyle::Snake),
        ("kebab-case", CodeStyle::Kebab),
        ("SCREAMING_SNAKE_CASE", CodeStyle::Screaming),
        ("PascalCase", CodeStyle::Pascal),
    ];

    fn fits(self, code: &str) -> bool {
        let all = |allowed: fn(&u8) -> bool| code.bytes().all(|byte| allowed(&byte));
        match self {
            CodeStyle::Snake => all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_'),
            CodeStyle::Kebab => all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-'),
            CodeStyle::Screaming => all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_'),
            CodeStyle::Pascal => {
                all(u8::is_ascii_alphanumeric) && code.starts_with(|c: char| c.is_ascii_uppercase())
            }
        }
    }

    /// A name of ours (`rate.exceeded`) as a code in this style.
    pub(crate) fn spell(self, name: &str) -> String {
        let words = name.split(['.', '_', '-']);
        match self {
            CodeStyle::Snake => words.collect::<Vec<_>>().join("_"),
            CodeStyle::Kebab => words.collect::<Vec<_>>().join("-"),
            CodeStyle::Screaming => words.collect::<Vec<_>>().join("_").to_ascii_uppercase(),
            CodeStyle::Pascal => words.map(capitalise).collect(),
        }
    }
}

fn capitalise(word: &str) -> String {
    let mut characters = word.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
}

impl Contract {
    /// Reads a contract file.
    ///
    /// `Err` holds every mistake that could be found, each with its place and a mend.
    pub fn load(source: &Arc<Source>) -> Result<Loaded, Diagnostics> {
        let root = demur_source::parse(source)?;
        let mut reader = Reader { source, found: Diagnostics::new() };
        let contract = reader.contract(&root);
        match contract {
            Some(contract) if !reader.found.has_errors() => {
                Ok(Loaded { contract, warnings: reader.found.sorted() })
            }
            _ => Err(reader.found.sorted()),
        }
    }
}

pub(crate) struct Reader<'s> {
    pub(crate) source: &'s Arc<Source>,
    pub(crate) found: Diagnostics,
}

impl Reader<'_> {
    pub(crate) fn error(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.found.error(self.source, span, check, message, help);
    }

    fn contract(&mut self, root: &Node) -> Option<Contract> {
        let source = self.source;
        let mut fields = Fields::of(root, source, "a contract", &mut self.found)?;
        match fields.node("demur").map(|node| (node.scalar_text(), node.span)) {
            Some((Some(version), _)) if version == "1" => {}
            Some((_, span)) => {
                self.error(
                    span,
                    "version",
                    "this version of the file is not known",
                    "write `demur: 1`".to_owned(),
                );
            }
            None => fields.missing("demur", &mut self.found),
        }
        let name = fields.text("name", &mut self.found);
        if name.is_none() {
            fields.missing("name", &mut self.found);
        }
        let about = self.about(&mut fields);
        let content_type = fields.text("content_type", &mut self.found);
        let request_id = self.request_id(fields.node("request_id"));
        let families = self.families(&mut fields);
        let defaults = self.defaults(&mut fields, &about);
        let (field_style, texts, show) = self.violations(fields.node("violations"));
        let defaults = Defaults { show, ..defaults };

        let mut drafts = Vec::new();
        if fields.node("errors").is_none() {
            fields.missing("errors", &mut self.found);
        }
        for (key, node) in fields.map("errors", &mut self.found) {
            drafts.extend(self.entry(key, node, &defaults));
        }
        let span = fields.span();
        fields.finish(&mut self.found);

        let Answers { entries, answers, by_name, violation_errors } =
            answers::distribute(self, drafts, &defaults, span);
        let programs = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                let shape = defaults.formats.get(entry.format).map(|format| &format.shape);
                shape.map_or_else(Vec::new, |shape| compile(shape, entry, violation_errors.contains(&index)))
            })
            .collect();
        Some(Contract {
            name: name?,
            about,
            content_type: content_type.unwrap_or_else(|| "application/json".to_owned()),
            request_id,
            families,
            formats: defaults.formats,
            entries,
            programs,
            answers,
            by_name,
            texts,
            field_style,
        })
    }

    fn about(&mut self, fields: &mut Fields<'_>) -> About {
        let mut about = About {
            title: fields.text("title", &mut self.found),
            description: fields.text("description", &mut self.found),
            support: fields.text("support", &mut self.found),
            source: fields.text("source", &mut self.found),
            ..About::default()
        };
        about.types = self.described(fields, "types");
        about.members = self.described(fields, "members");
        if let Some(node) = fields.node("statuses") {
            match node.as_str() {
                Some("closed") => about.statuses_closed = true,
                Some("open") => {}
                _ => self.statuses(node, &mut about),
            }
        }
        about
    }

    /// `statuses: { closed: true, 200: "…", 400: "…" }`
    fn statuses(&mut self, node: &Node, about: &mut About) {
        let Some(entries) = node.as_map() else {
            let help = "write `closed`, `open`, or a mapping of statuses to descriptions".to_owned();
            return self.error(node.span, "wrong-kind", "`statuses` cannot be read", help);
        };
        for (key, value) in entries {
            match (key.name.parse::<u16>(), &value.kind) {
                (Ok(status), _) if (100..=599).contains(&status) => {
                    about.statuses.push((status, value.scalar_text().unwrap_or_default()));
                }
                (_, demur_source::Kind::Bool(closed)) if key.name == "closed" => {
                    about.statuses_closed = *closed;
                }
                _ => {
                    let message = format!("`{}` is no HTTP status", key.name);
                    self.error(key.span, "status", message, "100 to 599, or `closed: true`".to_owned());
                }
            }
        }
    }

    fn described(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Vec<(String, String)> {
        let entries = fields.map(name, &mut self.found);
        entries.iter().map(|(key, node)| (key.name.clone(), node.scalar_text().unwrap_or_default())).collect()
    }

    fn request_id(&mut self, node: Option<&Node>) -> RequestIdField {
        let mut read = RequestIdField { field: "x-request-id".to_owned(), prefix: "req_".to_owned() };
        let source = self.source;
        let Some(mut fields) =
            node.and_then(|node| Fields::of(node, source, "`request_id`", &mut self.found))
        else {
            return read;
        };
        if let Some(field) = fields.text("field", &mut self.found) {
            let is_token =
                !field.is_empty() && field.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
            if !is_token {
                self.error(fields.span(), "field-name", format!("`{field}` is no header field's name"), None);
            }
            read.field = field.to_ascii_lowercase();
        }
        if let Some(prefix) = fields.text("prefix", &mut self.found) {
            read.prefix = prefix;
        }
        fields.finish(&mut self.found);
        read
    }

    fn families(&mut self, fields: &mut Fields<'_>) -> Vec<FieldFamily> {
        let mut families = Vec::new();
        for (name, span) in fields.texts("headers", &mut self.found) {
            families.extend(self.one_of(&name, span, "a family of header fields", &FieldFamily::ALL));
        }
        families
    }

    /// The value of a closed set of words.
    fn one_of<T: Copy>(
        &mut self,
        word: &str,
        span: Span,
        what: &str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        if let Some((_, value)) = words.iter().find(|(known, _)| *known == word) {
            return Some(*value);
        }
        let known = words.iter().map(|(known, _)| *known);
        let help = match did_you_mean(word, known.clone()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.error(span, "unknown-word", format!("`{word}` is not {what}"), help);
        None
    }

    fn defaults(&mut self, fields: &mut Fields<'_>, about: &About) -> Defaults {
        let source = self.source;
        let mut formats = Vec::new();
        for (key, node) in fields.map("formats", &mut self.found) {
            let shape = Shape::read(node, source, &mut self.found);
            formats.push(Format { name: key.name.clone(), shape });
        }
        if !formats.iter().any(|format| format.name == "default") {
            let help = "add `formats: { default: … }`, the shape of an answer".to_owned();
            self.error(fields.span(), "missing-format", "a contract needs a format called `default`", help);
        }
        let doc_url = fields.node("doc_url").and_then(|node| {
            let template = self.template(node)?;
            let leads = template.parameters().any(
                |parameter| matches!(parameter, Parameter::Named(name) if name == "name" || name == "code"),
            );
            if !leads {
                let help = "put `{name}` or `{code}` where the error's own page differs".to_owned();
                let message = "this leads every error to the same page";
                self.found.warning(source, node.span, "doc-url", message, help);
            }
            Some(template)
        });
        let code_style = fields.node("code_style").and_then(|node| {
            let word = node.scalar_text().unwrap_or_default();
            self.one_of(&word, node.span, "a style of codes", &CodeStyle::ALL)
        });
        Defaults {
            formats,
            types: about.types.clone(),
            statuses: about.statuses.clone(),
            closed: about.statuses_closed,
            doc_url,
            code_style,
            show: Show::default(),
        }
    }

    fn violations(&mut self, node: Option<&Node>) -> (FieldStyle, Texts, Show) {
        let mut style = FieldStyle::default();
        let mut show = Show::default();
        let mut texts = Vec::new();
        let source = self.source;
        if let Some(mut fields) =
            node.and_then(|node| Fields::of(node, source, "`violations`", &mut self.found))
        {
            if let Some(node) = fields.node("field") {
                let word = node.scalar_text().unwrap_or_default();
                style =
                    self.one_of(&word, node.span, "a style of names", &FieldStyle::ALL).unwrap_or_default();
            }
            if let Some(node) = fields.node("show") {
                let word = node.scalar_text().unwrap_or_default();
                show =
                    self.one_of(&word, node.span, "a choice of violations", &Show::ALL).unwrap_or_default();
            }
            for (key, node) in fields.map("messages", &mut self.found) {
                let claim = rule_claim(&key.name);
                if !claimable().contains(&claim.as_str()) {
                    self.unknown_condition(&key.name, key.span);
                }
                if let Some(template) = self.template(node) {
                    texts.push((claim, template));
                }
            }
            fields.finish(&mut self.found);
        }
        (style, Texts::new(&texts), show)
    }

    pub(crate) fn unknown_condition(&mut self, name: &str, span: Span) {
        let known = claimable();
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "the conditions are listed in docs/conditions.md".to_owned(),
        };
        self.error(span, "unknown-condition", format!("there is no condition `{name}`"), help);
    }

    fn template(&mut self, node: &Node) -> Option<Template> {
        let Some(text) = node.scalar_text() else {
            self.error(node.span, "wrong-kind", format!("this must be text, not {}", node.kind_name()), None);
            return None;
        };
        match Template::parse(&text) {
            Ok(template) => Some(template),
            Err(error) => {
                self.error(node.span, "template", error.to_string(), None);
                None
            }
        }
    }

    fn entry(&mut self, key: &Key, node: &Node, defaults: &Defaults) -> Option<Draft> {
        let source = self.source;
        let mut fields = Fields::of(node, source, "an error", &mut self.found)?;
        let status = self.status(&mut fields, key, defaults);
        let kind = fields.node("type").map(|node| {
            let kind = node.scalar_text().unwrap_or_default();
            let known: Vec<&str> = defaults.types.iter().map(|(name, _)| name.as_str()).collect();
            if !known.is_empty() && !known.contains(&kind.as_str()) {
                let help = did_you_mean(&kind, known.iter().copied()).map_or_else(
                    || format!("`types` has: {}", known.join(", ")),
                    |k| format!("did you mean `{k}`?"),
                );
                self.error(node.span, "unknown-type", format!("`types` has no `{kind}`"), help);
            }
            kind
        });
        let code = self.code(&mut fields, key, defaults);
        let title = fields.node("title").and_then(|node| self.template(node));
        let (message, open) = self.message(fields.node("message"));
        let user_message = fields.node("user_message").and_then(|node| self.template(node));
        let format = self.format(&mut fields, defaults);
        let show = fields.node("show").and_then(|node| {
            let word = node.scalar_text().unwrap_or_default();
            self.one_of(&word, node.span, "a choice of violations", &Show::ALL)
        });
        let collect = fields.node("collect").is_some_and(|node| {
            let word = node.scalar_text().unwrap_or_default();
            self.one_of(&word, node.span, "something to collect", &[("values", true), ("none", false)])
                .unwrap_or(false)
        });
        let params: Vec<String> =
            fields.texts("params", &mut self.found).into_iter().map(|(name, _)| name).collect();
        let claims: Vec<Claim> = fields
            .texts("on", &mut self.found)
            .into_iter()
            .map(|(name, span)| Claim { name, span })
            .collect();
        let retry = self.retry(fields.node("retry"), &claims, status);
        let docs = Docs {
            description: fields.text("description", &mut self.found),
            cause: fields.text("cause", &mut self.found),
            fix: fields.texts("fix", &mut self.found).into_iter().map(|(text, _)| text).collect(),
            links: fields.texts("links", &mut self.found).into_iter().map(|(text, _)| text).collect(),
            since: fields.text("since", &mut self.found),
            deprecated: fields.text("deprecated", &mut self.found),
            replaced_by: fields.text("replaced_by", &mut self.found),
        };
        fields.finish(&mut self.found);

        let usual_title = || {
            let claimed = claims
                .iter()
                .find_map(|claim| Condition::all().find(|condition| condition.covered_by(&claim.name)));
            Template::literal(claimed.map_or("The request failed", |condition| condition.usual().title))
        };
        let title = title.unwrap_or_else(usual_title);
        let message = message.unwrap_or_else(|| title.clone());
        let doc_url = defaults.doc_url.as_ref().map(|url| doc_url(url, &key.name, code.as_deref()));
        let entry = ErrorEntry {
            name: key.name.clone(),
            status: status?,
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
            upstream_may_raise: claims.is_empty()
                || claims.iter().any(|claim| may_come_from_upstream(&claim.name)),
            source: EntrySource::Declared,
            docs,
            format,
        };
        self.check_parameters(&entry, node, defaults);
        Some(Draft { entry, claims, span: key.span })
    }

    fn status(&mut self, fields: &mut Fields<'_>, key: &Key, defaults: &Defaults) -> Option<ErrorStatus> {
        let Some(node) = fields.node("status") else {
            fields.missing("status", &mut self.found);
            return None;
        };
        let status = match node.kind {
            demur_source::Kind::Int(status) => u16::try_from(status).ok().and_then(ErrorStatus::new),
            _ => None,
        };
        match status {
            None => {
                let message = format!("`{}` needs a status from 400 to 599", key.name);
                self.error(node.span, "status", message, "an error is a 4xx or a 5xx".to_owned());
            }
            Some(status) => {
                let listed = &defaults.statuses;
                let undocumented = !listed.iter().any(|(known, _)| *known == status.as_u16());
                if defaults.closed && !listed.is_empty() && undocumented {
                    let known: Vec<String> = listed.iter().map(|(known, _)| known.to_string()).collect();
                    let message = format!("`statuses` is closed and does not list {status}");
                    self.error(
                        node.span,
                        "undocumented-status",
                        message,
                        format!("it lists {}", known.join(", ")),
                    );
                }
            }
        }
        status
    }

    /// Without `code:` the code is the entry's name; `code: none` shows none.
    fn code(&mut self, fields: &mut Fields<'_>, key: &Key, defaults: &Defaults) -> Option<String> {
        let node = fields.node("code");
        let code = node.map_or_else(|| Some(key.name.clone()), Node::scalar_text);
        let code = code.filter(|code| code != "none")?;
        if let Some(style) = defaults.code_style.filter(|style| !style.fits(&code)) {
            let help = format!("`{}` would fit", style.spell(&code.to_ascii_lowercase()));
            let span = node.map_or(key.span, |node| node.span);
            self.error(span, "code-style", format!("`{code}` is not in the contract's `code_style`"), help);
        }
        Some(code)
    }

    /// `message: text`, or `message: { default: text, open: true }`
    fn message(&mut self, node: Option<&Node>) -> (Option<Template>, bool) {
        let source = self.source;
        let Some(node) = node else { return (None, false) };
        if node.as_map().is_none() {
            return (self.template(node), false);
        }
        let Some(mut fields) = Fields::of(node, source, "`message`", &mut self.found) else {
            return (None, false);
        };
        let default = fields.node("default").and_then(|node| self.template(node));
        let open = fields.boolean("open", &mut self.found).unwrap_or(false);
        fields.finish(&mut self.found);
        (default, open)
    }

    fn format(&mut self, fields: &mut Fields<'_>, defaults: &Defaults) -> usize {
        let position = |name: &str| defaults.formats.iter().position(|format| format.name == name);
        let Some(node) = fields.node("format") else { return position("default").unwrap_or(0) };
        let name = node.scalar_text().unwrap_or_default();
        match position(&name) {
            Some(position) => position,
            None => {
                let known = defaults.formats.iter().map(|format| format.name.as_str());
                let help = did_you_mean(&name, known).map(|known| format!("did you mean `{known}`?"));
                self.error(node.span, "unknown-format", format!("there is no format `{name}`"), help);
                0
            }
        }
    }

    /// `retry: after_delay`, or `retry: { class: after_delay, default_delay: 60s, attempts: 3 }`. Without it
    /// the first claimed condition's usual class, else the status' own.
    fn retry(&mut self, node: Option<&Node>, claims: &[Claim], status: Option<ErrorStatus>) -> Retry {
        let usual = claims
            .iter()
            .find_map(|claim| Condition::all().find(|condition| condition.covered_by(&claim.name)))
            .map(|condition| condition.usual().retry);
        let by_status = match status.map_or(500, ErrorStatus::as_u16) {
            429 => RetryClass::AfterDelay,
            404 | 409 | 410 | 403 => RetryClass::Never,
            status if status < 500 => RetryClass::AfterFix,
            _ => RetryClass::Backoff,
        };
        let mut retry = Retry { class: usual.unwrap_or(by_status), default_delay: None, attempts: None };
        let source = self.source;
        let Some(node) = node else { return retry };
        if let Some(word) = node.as_str() {
            retry.class =
                self.one_of(word, node.span, "a retry class", &RetryClass::ALL).unwrap_or(retry.class);
            return retry;
        }
        let Some(mut fields) = Fields::of(node, source, "`retry`", &mut self.found) else { return retry };
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
                self.error(node.span, "duration", "this is no number of seconds", "write `60s`".to_owned());
            }
            retry.default_delay = seconds.map(Duration::from_secs);
        }
        retry.attempts =
            fields.int("attempts", &mut self.found).and_then(|attempts| u32::try_from(attempts).ok());
        fields.finish(&mut self.found);
        retry
    }

    /// Texts and formats may speak of the parameters that everyone knows, and of those that are declared.
    fn check_parameters(&mut self, entry: &ErrorEntry, node: &Node, defaults: &Defaults) {
        let texts = [Some((&entry.title, "title")), Some((&entry.message, "message"))];
        let texts = texts.into_iter().chain([entry.user_message.as_ref().map(|text| (text, "user_message"))]);
        for (template, member) in texts.flatten() {
            for parameter in template.parameters() {
                let Parameter::Named(name) = parameter else { continue };
                if entry.params.contains(name) || answers::DENIAL_PARAMS.contains(&name.as_str()) {
                    continue;
                }
                let span = node.get(member).map_or(node.span, |node| node.span);
                let known =
                    entry.params.iter().map(String::as_str).chain(answers::DENIAL_PARAMS.iter().copied());
                let help =
                    match did_you_mean(name, known.chain(["param", "value", "values", "limit", "allowed"])) {
                        Some(known) => format!("did you mean `{{{known}}}`?"),
                        None => format!("declare it: `params: [{name}]`"),
                    };
                self.error(span, "unknown-parameter", format!("no one gives `{{{name}}}`"), help);
            }
        }
        let Some(format) = defaults.formats.get(entry.format) else { return };
        for slot in format.shape.slots() {
            if let (Slot::UserMessage, None) = (slot, &entry.user_message) {
                let message = format!("the format shows $user_message, and `{}` has none", entry.name);
                self.found.warning(self.source, node.span, "no-user-message", message, None);
            }
        }
    }
}

/// Whether a claim is the API's own condition, or covers one that an upstream may raise.
fn may_come_from_upstream(claim: &str) -> bool {
    let mut covered = Condition::all().filter(|condition| condition.covered_by(claim)).peekable();
    covered.peek().is_none() || covered.any(Condition::upstream_may_raise)
}

/// Where an error is documented.
pub(crate) fn doc_url(template: &Template, name: &str, code: Option<&str>) -> String {
    let mut url = template.to_string();
    url = url.replace("{name}", name).replace("{code}", code.unwrap_or(name));
    url
}
