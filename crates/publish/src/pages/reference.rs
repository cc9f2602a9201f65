//! The API reference: all operations, and a page for each.

use std::collections::BTreeMap;

use demur_matrix::{Cell, OperationMatrix};
use demur_validation::Operation;

use super::api::ApiPages;
use super::block::{Block, Row, section, table, text};
use super::content::Content;
use super::declaration::{self, parameters};
use super::error_page::example_path;
use super::markdown::{code, code_link, escape};

/// Causes of one error at one operation.
const MAX_CAUSES: usize = 6;

pub(crate) fn list(api: &ApiPages<'_>) -> Content {
    let rows = api.operations().filter_map(|operation| {
        let declared = declaration::of(api.settings, api.settings.document.operation(&operation.id)?);
        Some(Row {
            id: None,
            cells: vec![
                code_link(&operation.id, &api.operation_page(&operation.id)),
                code(&format!("{} {}", operation.method, operation.path)),
                escape(declaration::text(declared, "summary")),
                errors(operation).len().to_string(),
            ],
        })
    });
    let head = ["operation", "request", "description", "errors"].map(|key| api.t(key));
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let info = api.settings.document.as_json().get("info");
    let description = info.map(|info| declaration::text(info, "description")).unwrap_or_default();
    let mut blocks = vec![section("operations", api.t("operations"), vec![table(&head, rows.collect())])];
    if !description.is_empty() {
        blocks.insert(0, Block::Prose { markdown: description.to_owned() });
    }
    Content {
        path: "reference.html".to_owned(),
        title: api.t("api"),
        is_code: false,
        method: None,
        pill: None,
        lede: api.t("api.lede"),
        crumbs: Vec::new(),
        blocks,
    }
}

/// The errors of an operation by status and name, each with its cells.
fn errors(operation: &OperationMatrix) -> BTreeMap<(u16, &str), Vec<&Cell>> {
    let mut errors: BTreeMap<(u16, &str), Vec<&Cell>> = BTreeMap::new();
    for cell in &operation.cells {
        errors.entry((cell.answer.status, &cell.error)).or_default().push(cell);
    }
    errors
}

pub(crate) fn page(api: &ApiPages<'_>, operation: &OperationMatrix, declared: &Operation) -> Content {
    let json = declaration::of(api.settings, declared);
    let errors = errors(operation);
    let summary = declaration::text(json, "summary");
    let can = api.texts.with("can", &[("n", &errors.len().to_string())]);
    let end = if summary.is_empty() || summary.ends_with('.') { "" } else { "." };
    let lede = format!("{}{end} **{can}**", escape(summary));
    let mut blocks = Vec::new();
    let description = declaration::text(json, "description");
    if !description.is_empty() {
        blocks.push(section(
            "about",
            api.t("description"),
            vec![Block::Prose { markdown: description.to_owned() }],
        ));
    }
    blocks.extend(parameter_table(api, operation, declared));
    if let Some(path) = example_path(api, &operation.id) {
        let (header, prefix) = api.key_header();
        let method =
            if operation.method == "GET" { String::new() } else { format!(" -X {}", operation.method) };
        let request = format!("curl{method} -H \"{header}: {prefix}$API_KEY\" \\\n  \"$API_URL{path}\"\n");
        let mut of = vec![Block::Code { caption: api.t("request"), text: request }];
        if let Some((status, Some(body))) = declaration::success(api.settings, declared) {
            of.push(Block::Code { caption: status, text: body });
        }
        blocks.push(section("example", api.t("example"), of));
    }
    let rows = errors.iter().map(|((status, name), cells)| {
        let error = api.error(name);
        let causes = api.causes(cells.iter().copied(), MAX_CAUSES);
        let when = match error {
            Some(error) if causes.is_empty() => api.meaning(error),
            _ => causes.join(" "),
        };
        let retry = error.map(|error| api.retry_text(error.entry.retry.class)).unwrap_or_default();
        Row::of([status.to_string(), api.error_link(name), when, retry])
    });
    let head = ["status", "error", "when", "retry"].map(|key| api.t(key));
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    blocks.push(section("errors", api.t("errors"), vec![table(&head, rows.collect())]));
    blocks.extend(cost(api, declared));
    Content {
        path: api.operation_page(&operation.id),
        title: operation.path.clone(),
        is_code: true,
        method: Some(operation.method.clone()),
        pill: None,
        lede,
        crumbs: vec![(api.t("api"), Some("reference.html".to_owned()))],
        blocks,
    }
}

fn parameter_table(api: &ApiPages<'_>, operation: &OperationMatrix, declared: &Operation) -> Option<Block> {
    let rows: Vec<Row> = parameters(api.settings, declared)
        .iter()
        .map(|parameter| {
            let is_it = |cause: &&demur_matrix::Cause| {
                let name = cause.parameter.as_deref().unwrap_or_default().trim_start_matches('/');
                cause.location == Some(parameter.location.as_str())
                    && name.split('/').next() == Some(&parameter.name)
            };
            let mut links: Vec<String> = operation
                .cells
                .iter()
                .filter(|cell| cell.causes.iter().any(|cause| is_it(&cause)))
                .map(|cell| api.error_link(&cell.error))
                .collect();
            links.sort();
            links.dedup();
            let required =
                if parameter.required { format!(" *{}*", api.t("required")) } else { String::new() };
            let description = if parameter.description.is_empty() {
                String::new()
            } else {
                format!(": {}", escape(&parameter.description))
            };
            Row::of([
                format!("{}{required}", code(&parameter.name)),
                if parameter.location == "body" { api.t("body") } else { parameter.location.clone() },
                format!("{}{description}", escape(&parameter.rule)),
                links.join(", "),
            ])
        })
        .collect();
    let head = ["name", "where", "rule", "ifinvalid"].map(|key| api.t(key));
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    (!rows.is_empty()).then(|| section("parameters", api.t("parameters"), vec![table(&head, rows)]))
}

/// What a call counts for and costs, and what it requires.
fn cost(api: &ApiPages<'_>, declared: &Operation) -> Option<Block> {
    let policy = api.settings.operations.get(declared.index())?;
    let count = policy.cost.map_or(1, |cost| cost.get());
    let requests = match count {
        1 => api.t("requests.1"),
        more => api.texts.with("requests.n", &[("n", &more.to_string())]),
    };
    let credits = if policy.credits == 0 { api.t("zero") } else { policy.credits.to_string() };
    let mut rows = vec![(api.t("counts"), requests), (api.t("creditcost"), credits)];
    rows.extend(policy.feature.as_deref().map(|name| (api.t("feature"), code(name))));
    rows.extend(policy.scope.as_deref().map(|name| (api.t("scope"), code(name))));
    let link = text(super::markdown::link(&api.t("limits"), "limits.html"));
    Some(section("cost", api.t("limits"), vec![Block::Spec { rows }, link]))
}
