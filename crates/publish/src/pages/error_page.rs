//! The page of one error.

use std::collections::BTreeSet;

use demur_contract::{Contract, ErrorOrigin, Problem, RetryClass};

use super::api::{ApiPages, ErrorView, class, origin, shown_name};
use super::block::{Block, Question, Row, section, table, text};
use super::content::Content;
use super::markdown::{code, code_link, escape, is_safe, plain};
use super::names::reason;
use super::samples::{Sample, tabs};

/// Causes and operations that one section lists.
const MAX_LISTED: usize = 40;

pub(crate) fn page(api: &ApiPages<'_>, error: &ErrorView<'_>, original: &Contract) -> Content {
    let entry = error.entry;
    let status = entry.status.as_u16();
    let name = shown_name(entry);
    let mut blocks = vec![answers(api, error)];
    blocks.extend(response(api, error, original));
    blocks.extend(schedule(api, error));
    blocks.extend(causes(api, error));
    if !entry.docs.fix.is_empty() {
        let items = entry.docs.fix.iter().map(|step| linked(api, step)).collect();
        blocks.push(section("fix", api.t("fix"), vec![Block::Steps { items }]));
    }
    blocks.extend(samples(api, error));
    blocks.extend(user_message(api, error));
    blocks.extend(operations(api, error));
    blocks.extend(similar(api, error));
    blocks.push(facts(api, error));
    let status_text = format!("{status} {}", reason(status));
    Content {
        path: api.error_page(&entry.name),
        title: name.to_owned(),
        is_code: true,
        method: None,
        pill: Some((class(entry), status_text)),
        lede: lede(api, error),
        crumbs: vec![(api.t("errors"), Some("errors.html".to_owned()))],
        blocks,
    }
}

/// One diagnosis, and one instruction in bold.
fn lede(api: &ApiPages<'_>, error: &ErrorView<'_>) -> String {
    let diagnosis = error.entry.docs.description.clone().unwrap_or_else(|| api.meaning(error));
    let end = if diagnosis.ends_with(['.', '!', '?']) { "" } else { "." };
    let class = error.entry.retry.class.as_str();
    format!(
        "{diagnosis}{end} **{}.** {}",
        api.t(&format!("now.{class}")),
        api.t(&format!("now.{class}.text"))
    )
}

fn answers(api: &ApiPages<'_>, error: &ErrorView<'_>) -> Block {
    let entry = error.entry;
    let retry = entry.retry;
    let class_name = retry.class.as_str();
    let (what, fault) = match origin(error) {
        ErrorOrigin::Client => ("what.client", class(entry)),
        ErrorOrigin::Gateway | ErrorOrigin::Upstream => ("what.server", "server"),
    };
    let title = api.contract.entry(error.id).title.to_string();
    let question = |question: &str, answer: String, text: String, class| Question {
        question: api.t(question),
        answer,
        text,
        class,
    };
    let mut may = api.t(&format!("may.{class_name}.text"));
    if let Some(delay) = retry.default_delay {
        may = format!("{may} {}", api.texts.with("may.delay", &[("n", &delay.as_secs().to_string())]));
    }
    if let Some(attempts) = retry.attempts {
        may = format!("{may} {}", api.texts.with("may.attempts", &[("n", &attempts.to_string())]));
    }
    let first = entry
        .docs
        .fix
        .first()
        .map_or_else(|| api.t(&format!("now.{class_name}.text")), |fix| linked(api, fix));
    Block::Answers {
        answers: vec![
            question("q.what", escape(&title), api.t(what), None),
            question(
                "q.fault",
                api.t(&format!("fault.{fault}")),
                api.t(&format!("fault.{fault}.text")),
                None,
            ),
            question("q.now", api.t(&format!("now.{class_name}")), first, None),
            question("q.retry", api.t(&format!("may.{class_name}")), may, Some(class(entry))),
        ],
    }
}

/// The status line, headers and body of the example.
pub(crate) fn response_text(
    api: &ApiPages<'_>,
    error: &ErrorView<'_>,
    original: &Contract,
) -> Option<String> {
    let answer = &error.example?.answer;
    let body = api.body(error, original)?;
    let pretty = serde_json::from_str::<serde_json::Value>(&body)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or(body);
    let mut text = format!("HTTP/1.1 {} {}", answer.status, reason(answer.status));
    for (name, value) in &answer.headers {
        let value = match name.as_str() {
            "content-language" => api.contract.locale(),
            _ => value,
        };
        text.push_str(&format!("\n{name}: {value}"));
    }
    Some(format!("{text}\n\n{pretty}"))
}

fn response(api: &ApiPages<'_>, error: &ErrorView<'_>, original: &Contract) -> Option<Block> {
    let text = response_text(api, error, original)?;
    let code = Block::Code { caption: api.t("response"), text };
    Some(section("example", api.t("exact"), vec![code]))
}

/// When to retry, attempt by attempt.
fn schedule(api: &ApiPages<'_>, error: &ErrorView<'_>) -> Option<Block> {
    let retry = error.entry.retry;
    if !matches!(retry.class, RetryClass::AfterDelay | RetryClass::Backoff) {
        return None;
    }
    let attempts = retry.attempts.unwrap_or(4).clamp(2, 10);
    let delay = |attempt: u32| match retry.default_delay {
        Some(delay) => api.texts.with("upto", &[("n", &delay.as_secs().to_string())]),
        None => api.texts.with("upto", &[("n", &(1_u64 << (attempt - 2)).min(60).to_string())]),
    };
    let rows = (1..=attempts).map(|attempt| {
        let delay = if attempt == 1 { api.t("first") } else { delay(attempt) };
        Row::of([attempt.to_string(), delay])
    });
    let head = [api.t("attempt"), api.t("delay")];
    let table = table(&[&head[0], &head[1]], rows.collect());
    Some(section("schedule", api.t("schedule"), vec![text(api.t("schedule.text")), table]))
}

fn causes(api: &ApiPages<'_>, error: &ErrorView<'_>) -> Option<Block> {
    let mut items: Vec<String> = error.entry.docs.cause.iter().map(|cause| linked(api, cause)).collect();
    items.extend(api.causes(error.cells.iter().map(|(_, cell)| *cell), MAX_LISTED));
    (!items.is_empty()).then(|| section("causes", api.t("causes"), vec![Block::List { items }]))
}

/// A text of the contract, with the names of pages that it mentions as links.
pub(crate) fn linked(api: &ApiPages<'_>, text: &str) -> String {
    let pages = [
        ("API Reference", "reference.html"),
        ("Authentication page", "authentication.html"),
        ("authentication guide", "authentication.html"),
        ("Rate limits page", "limits.html"),
        ("Rate Limits & Credits", "limits.html"),
    ];
    let mut text = text.to_owned();
    for (name, page) in pages {
        if text.contains(name) && !text.contains(&format!("[{name}]")) {
            text = text.replacen(name, &format!("[{name}](@/{page})"), 1);
        }
    }
    let _ = api;
    text
}

fn samples(api: &ApiPages<'_>, error: &ErrorView<'_>) -> Option<Block> {
    let (operation, _) = error.cells.first()?;
    let path = example_path(api, &operation.id)?;
    let retry = error.entry.retry;
    let is_retried = matches!(retry.class, RetryClass::AfterDelay | RetryClass::Backoff);
    let (header, prefix) = api.key_header();
    let status = [error.entry.status.as_u16()];
    let sample = Sample {
        url: &path,
        method: &operation.method,
        header: &header,
        prefix: &prefix,
        code: &api.code_path(error),
        id_header: &api.id_header(),
        attempts: if is_retried { retry.attempts.unwrap_or(4) } else { 1 },
        retried: if is_retried { &status } else { &[429, 503] },
    };
    let tabs = Block::Tabs { label: api.t("language"), tabs: tabs(&sample) };
    Some(section("code", api.t("code"), vec![tabs]))
}

/// The path of an operation with example values, and the query parameters that are required.
pub(crate) fn example_path(api: &ApiPages<'_>, id: &str) -> Option<String> {
    let operation = api.settings.document.operation(id)?;
    let shown = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let plain = |text: String| -> String {
        text.chars()
            .map(|char| if char.is_ascii_alphanumeric() || "-_.~".contains(char) { char } else { '-' })
            .collect()
    };
    let mut path = operation.path().to_owned();
    let mut query = Vec::new();
    for parameter in super::declaration::parameters(api.settings, operation) {
        let value = plain(parameter.example.as_ref().map_or_else(|| parameter.name.clone(), shown));
        match parameter.location.as_str() {
            "path" => path = path.replace(&format!("{{{}}}", parameter.name), &value),
            "query" if parameter.required => query.push(format!("{}={value}", parameter.name)),
            _ => {}
        }
    }
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let url = format!("{path}{query}");
    url.bytes().all(|byte| byte.is_ascii_graphic() && !b"'\"`\\$".contains(&byte)).then_some(url)
}

fn user_message(api: &ApiPages<'_>, error: &ErrorView<'_>) -> Option<Block> {
    let problem = Problem::new(error.id, "");
    let message = api.contract.user_message(&problem)?;
    let blocks = vec![Block::Quote { text: escape(&message) }, text(api.t("users.text"))];
    Some(section("users", api.t("users"), blocks))
}

fn operations(api: &ApiPages<'_>, error: &ErrorView<'_>) -> Option<Block> {
    let mut rows: Vec<Row> = Vec::new();
    let mut cells = error.cells.iter().peekable();
    while let Some((operation, first)) = cells.next() {
        let mut of_operation = vec![*first];
        while let Some((_, cell)) = cells.next_if(|(other, _)| other.id == operation.id) {
            of_operation.push(cell);
        }
        if rows.len() < MAX_LISTED {
            let causes = api.causes(of_operation.into_iter(), 4);
            let when = if causes.is_empty() { api.meaning(error) } else { causes.join(" ") };
            let link = code_link(&operation.id, &api.operation_page(&operation.id));
            rows.push(Row::of([link, code(&format!("{} {}", operation.method, operation.path)), when]));
        }
    }
    if rows.is_empty() {
        return None;
    }
    let head = [api.t("operation"), api.t("request"), api.t("when")];
    Some(section("operations", api.t("returned"), vec![table(&[&head[0], &head[1], &head[2]], rows)]))
}

fn similar(api: &ApiPages<'_>, error: &ErrorView<'_>) -> Option<Block> {
    let entry = error.entry;
    let is_similar = |other: &&ErrorView<'_>| {
        other.entry.name != entry.name
            && (entry.same_as.contains(&other.entry.name)
                || other.entry.status == entry.status
                || entry.kind.is_some() && other.entry.kind == entry.kind)
    };
    let rows: Vec<Row> = api
        .errors
        .iter()
        .filter(is_similar)
        .take(8)
        .map(|other| {
            Row::of([api.error_link(&other.entry.name), other.entry.status.to_string(), api.meaning(other)])
        })
        .collect();
    let head = [api.t("error"), api.t("status"), api.t("meaning")];
    (!rows.is_empty())
        .then(|| section("similar", api.t("similar"), vec![table(&[&head[0], &head[1], &head[2]], rows)]))
}

fn facts(api: &ApiPages<'_>, error: &ErrorView<'_>) -> Block {
    let entry = error.entry;
    let mut rows = vec![(api.t("codename"), entry.code.as_deref().map_or_else(|| api.t("nocode"), code))];
    rows.extend(entry.kind.as_deref().map(|kind| (api.t("type"), code(kind))));
    let own = api.contract.entry(error.id);
    rows.push((api.t("message"), escape(&own.message.to_string())));
    rows.push((api.t("retryclass"), code(entry.retry.class.as_str())));
    let conditions: BTreeSet<&str> = error.cells.iter().map(|(_, cell)| cell.condition.as_str()).collect();
    if !conditions.is_empty() {
        let listed: Vec<String> = conditions.into_iter().take(MAX_LISTED).map(code).collect();
        rows.push((api.t("conditions"), listed.join(" ")));
    }
    rows.extend(entry.docs.since.as_deref().map(|version| (api.t("since"), escape(version))));
    rows.extend(entry.docs.deprecated.as_deref().map(|version| (api.t("deprecated"), escape(version))));
    rows.extend(entry.docs.replaced_by.as_deref().map(|name| (api.t("replaced"), api.error_link(name))));
    let links: Vec<String> = entry
        .docs
        .links
        .iter()
        .filter(|link| is_safe(link))
        .map(|link| if link.contains("](") { link.clone() } else { format!("<{link}>") })
        .collect();
    if !links.is_empty() {
        rows.push((api.t("links"), links.join(" ")));
    }
    section("facts", api.t("facts"), vec![Block::Spec { rows }])
}

/// A one-line summary for the index and for search engines.
pub(crate) fn summary(content: &Content) -> String {
    plain(&content.lede)
}
