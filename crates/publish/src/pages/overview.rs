//! The pages about the API as a whole: introduction and format, the index of errors, the search.

use std::collections::BTreeMap;

use demur_contract::{Contract, ErrorOrigin};

use super::api::{ApiPages, class, origin, shown_name};
use super::block::{Block, Facet, Group, IndexRow, Line, Row, section, table, text};
use super::content::Content;
use super::error_page::{example_path, linked};
use super::markdown::{code, code_link, escape, link};
use super::names::{class_of, reason, slug};
use super::samples::{Sample, tabs};

/// The introduction: the format with its members, types, statuses, and the contract's own sections.
pub(crate) fn introduction(api: &ApiPages<'_>, original: &Contract) -> Content {
    let about = original.about();
    let lede = about
        .description
        .clone()
        .unwrap_or_else(|| api.texts.with("intro", &[("title", &escape(api.title()))]));
    let mut blocks = Vec::new();
    blocks.extend(format(api, original));
    let id = code(&api.id_header());
    let steps = ["handle.1", "handle.2", "handle.3", "handle.4"];
    let items = steps.iter().map(|key| api.texts.with(key, &[("id", &id)])).collect();
    blocks.push(section("handle", api.t("handle.steps"), vec![Block::Steps { items }]));
    if !about.types.is_empty() {
        let rows = about.types.iter().map(|(name, meaning)| {
            let errors = api.errors.iter().filter(|error| error.entry.kind.as_ref() == Some(name)).count();
            let link = code_link(name, &format!("errors.html#{}", slug(name)));
            Row::of([link, meaning.clone(), api.texts.with("errors.n", &[("n", &errors.to_string())])])
        });
        let head = [api.t("type"), api.t("meaning"), api.t("errors")];
        blocks.push(section(
            "types",
            api.t("types"),
            vec![table(&[&head[0], &head[1], &head[2]], rows.collect())],
        ));
    }
    blocks.push(statuses(api, original));
    for (heading, markdown) in &about.guide {
        let blocks_of = vec![Block::Prose { markdown: linked(api, markdown) }];
        blocks.push(section(&slug(&heading.to_lowercase()), escape(heading), blocks_of));
    }
    blocks.extend(handling(api));
    let mut next = vec![
        link(&api.t("all"), "errors.html"),
        link(&api.t("auth"), "authentication.html"),
        link(&api.t("limits"), "limits.html"),
        link(&api.t("plans"), "plans.html"),
        link(&api.t("api"), "reference.html"),
    ];
    if let Some(source) = &about.source {
        next.push(api.texts.with("source", &[("source", &escape(source))]));
    }
    if let Some(support) = &about.support {
        let contact = if support.contains('@') || support.contains("://") {
            format!("<{support}>")
        } else {
            escape(support)
        };
        let said = api.texts.with("support.text", &[("support", &contact)]);
        blocks.push(section("support", api.t("support"), vec![text(said)]));
    }
    blocks.push(section("next", api.t("next"), vec![Block::List { items: next }]));
    Content::plain("index.html", api.t("errors"), lede, blocks)
}

/// The body of an error, each line beside the meaning of its member.
fn format(api: &ApiPages<'_>, original: &Contract) -> Option<Block> {
    let about = original.about();
    // The example that shows the most of the members.
    let bodies = api.errors.iter().filter_map(|error| {
        let body = api.body(error, original)?;
        serde_json::from_str::<serde_json::Value>(&body).ok()
    });
    let body = bodies.max_by_key(|body| body.to_string().len().min(600))?;
    let mut lines = Vec::new();
    annotate(&body, "", "", 0, true, &about.members, &mut lines);
    let id = code(&api.id_header());
    let mut notes = vec![api.texts.with("format.text", &[("id", &id)])];
    if original.as_problem().is_some() {
        notes.push(api.t("format.problem"));
    }
    let languages: Vec<&str> = original.locales().collect();
    if languages.len() > 1 {
        let listed: Vec<String> = languages.iter().map(|tag| code(tag)).collect();
        notes.push(api.texts.with("format.languages", &[("languages", &listed.join(", "))]));
    }
    let mut blocks = vec![Block::Members { lines }, text(notes.join(" "))];
    if !about.members.is_empty() {
        let rows = about.members.iter().map(|(path, meaning)| Row::of([code(path), linked(api, meaning)]));
        let head = [api.t("member"), api.t("meaning")];
        blocks.push(table(&[&head[0], &head[1]], rows.collect()));
    }
    Some(Block::Section { id: "format".to_owned(), heading: api.t("format"), full: true, blocks })
}

fn annotate(
    value: &serde_json::Value,
    name: &str,
    path: &str,
    indent: usize,
    is_last: bool,
    meanings: &[(String, String)],
    lines: &mut Vec<Line>,
) {
    let meaning = meanings.iter().find(|(known, _)| known == path).map(|(_, meaning)| meaning.clone());
    let comma = if is_last { "" } else { "," };
    let label = if name.is_empty() { String::new() } else { format!("\"{name}\": ") };
    let mut push = |json: String, meaning: Option<String>| {
        lines.push(Line { indent, json, meaning: meaning.unwrap_or_default() });
    };
    match value {
        serde_json::Value::Object(members) if !members.is_empty() => {
            push(format!("{label}{{"), meaning);
            for (position, (name, member)) in members.iter().enumerate() {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                annotate(member, name, &path, indent + 1, position + 1 == members.len(), meanings, lines);
            }
            lines.push(Line { indent, json: format!("}}{comma}"), meaning: String::new() });
        }
        serde_json::Value::Array(items) if items.iter().any(|item| item.is_object()) => {
            push(format!("{label}["), meaning);
            for (position, item) in items.iter().enumerate() {
                annotate(
                    item,
                    "",
                    &format!("{path}[]"),
                    indent + 1,
                    position + 1 == items.len(),
                    meanings,
                    lines,
                );
            }
            lines.push(Line { indent, json: format!("]{comma}"), meaning: String::new() });
        }
        other => push(format!("{label}{other}{comma}"), meaning),
    }
}

/// All statuses: those that the contract describes, and those of its errors.
fn statuses(api: &ApiPages<'_>, original: &Contract) -> Block {
    let about = original.about();
    let mut all: BTreeMap<u16, String> =
        about.statuses.iter().map(|(status, text)| (*status, text.clone())).collect();
    for error in &api.errors {
        all.entry(error.entry.status.as_u16())
            .or_insert_with(|| reason(error.entry.status.as_u16()).to_owned());
    }
    let rows = all.iter().map(|(status, text)| {
        let of: Vec<_> = api.errors.iter().filter(|error| error.entry.status.as_u16() == *status).collect();
        let links: Vec<String> = of.iter().take(8).map(|error| api.error_link(&error.entry.name)).collect();
        let mut retries: Vec<String> =
            of.iter().map(|error| api.retry_text(error.entry.retry.class)).collect();
        retries.dedup();
        Row {
            id: Some(format!("s{status}")),
            cells: vec![status.to_string(), text.clone(), retries.join(", "), links.join(", ")],
        }
    });
    let head = [api.t("status"), api.t("meaning"), api.t("retry"), api.t("errors")];
    let mut blocks = vec![table(&[&head[0], &head[1], &head[2], &head[3]], rows.collect())];
    if about.statuses_closed {
        blocks.push(text(api.t("closed")));
    }
    section("statuses", api.t("statuses"), blocks)
}

/// Code that handles all errors.
fn handling(api: &ApiPages<'_>) -> Option<Block> {
    let operation =
        api.operations().find(|operation| operation.method == "GET").or(api.operations().next())?;
    let path = example_path(api, &operation.id)?;
    let with_code = api.errors.iter().map(|error| api.code_path(error)).find(|path| !path.is_empty());
    let (header, prefix) = api.key_header();
    let mut retried: Vec<u16> = api
        .errors
        .iter()
        .filter(|error| matches!(error.entry.retry.class.as_str(), "after_delay" | "backoff"))
        .map(|error| error.entry.status.as_u16())
        .collect();
    retried.sort_unstable();
    retried.dedup();
    let sample = Sample {
        url: &path,
        method: &operation.method,
        header: &header,
        prefix: &prefix,
        code: &with_code.unwrap_or_default(),
        id_header: &api.id_header(),
        attempts: 3,
        retried: &retried,
    };
    let tabs = Block::Tabs { label: api.t("language"), tabs: tabs(&sample) };
    Some(section("code", api.t("code"), vec![text(api.t("handle.lede")), tabs]))
}

/// All errors by their types, or by their statuses.
pub(crate) fn index(api: &ApiPages<'_>, original: &Contract) -> Content {
    let types = &original.about().types;
    let mut groups: Vec<Group> = types
        .iter()
        .map(|(name, meaning)| Group {
            id: slug(name),
            name: name.clone(),
            text: meaning.clone(),
            class: "request",
            errors: Vec::new(),
        })
        .collect();
    for error in &api.errors {
        let entry = error.entry;
        let status = entry.status.as_u16();
        let name = match &entry.kind {
            Some(kind) if !types.is_empty() => kind.clone(),
            _ => format!("{status} {}", reason(status)),
        };
        let position = groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
            let (id, text) = (format!("s{status}"), String::new());
            groups.push(Group { id, name, text, class: class(entry), errors: Vec::new() });
            groups.len() - 1
        });
        let causes = api.causes(error.cells.iter().map(|(_, cell)| *cell), 30);
        let whose = if origin(error) == ErrorOrigin::Client { "whose.client" } else { "whose.server" };
        let Some(group) = groups.get_mut(position) else { continue };
        group.class = class(entry);
        group.errors.push(IndexRow {
            id: slug(&entry.name),
            name: entry.name.clone(),
            code: shown_name(entry).to_owned(),
            status,
            class: class(entry),
            kind: entry.kind.clone().unwrap_or_default(),
            message: api.contract.entry(error.id).message.to_string(),
            retry: entry.retry.class.as_str(),
            retry_text: api.retry_text(entry.retry.class),
            fault: api.t(whose),
            causes: causes.join(" "),
            link: api.error_page(&entry.name),
        });
    }
    groups.retain(|group| !group.errors.is_empty());
    if types.is_empty() {
        groups.sort_by(|one, other| one.name.cmp(&other.name));
    }
    let total = api.errors.len();
    let facets = facets(api, &groups);
    let lede = api.texts.with("index.lede", &[("n", &total.to_string())]);
    Content::plain("errors.html", api.t("all"), lede, vec![Block::Index { groups, facets, total }])
}

fn facets(api: &ApiPages<'_>, groups: &[Group]) -> Vec<Facet> {
    let rows = || groups.iter().flat_map(|group| &group.errors);
    let mut statuses: Vec<u16> = rows().map(|row| row.status).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let statuses = statuses.into_iter().map(|status| (status.to_string(), status.to_string())).collect();
    let mut facets = vec![Facet { name: "status", label: api.t("status"), values: statuses }];
    let mut kinds: Vec<(String, String)> = Vec::new();
    let mut retries: Vec<(String, String)> = Vec::new();
    for row in rows() {
        if !row.kind.is_empty() && !kinds.iter().any(|(known, _)| *known == row.kind) {
            kinds.push((row.kind.clone(), row.kind.trim_end_matches("_error").replace('_', " ")));
        }
        if !retries.iter().any(|(known, _)| known == row.retry) {
            retries.push((row.retry.to_owned(), row.retry_text.clone()));
        }
    }
    if kinds.len() > 1 {
        facets.push(Facet { name: "type", label: api.t("type"), values: kinds });
    }
    facets.push(Facet { name: "retry", label: api.t("retry"), values: retries });
    facets
}

/// The page of the full-text search.
pub(crate) fn search(api: &ApiPages<'_>) -> Content {
    Content::plain("search.html", api.t("search"), api.t("search.script"), vec![Block::Search])
}

/// The class of a status in a table.
pub(crate) fn status_class(text: &str) -> Option<&'static str> {
    text.parse().ok().map(class_of)
}
