//! Which pages there are, and the navigation to them.

use demur_contract::Contract;

use super::api::{ApiPages, class, shown_name};
use super::block::Block;
use super::branding::Branding;
use super::content::Content;
use super::names::slug;
use super::render::{NavGroup, NavLink};
use super::{access, changes, error_page, overview, reference};

/// All pages of one contract in one language.
pub(crate) fn contents(api: &ApiPages<'_>, original: &Contract, branding: &Branding) -> Vec<Content> {
    let mut pages = vec![
        overview::introduction(api, original),
        overview::index(api, original),
        access::authentication(api),
        access::limits(api),
        access::plans(api),
        reference::list(api),
        overview::search(api),
    ];
    pages.extend(changes::page(api, original));
    pages.extend(api.errors.iter().map(|error| error_page::page(api, error, original)));
    for operation in api.operations() {
        let declared = api.settings.document.operation(&operation.id);
        pages.extend(declared.map(|declared| reference::page(api, operation, declared)));
    }
    pages.extend(branding.pages.iter().map(|(name, markdown)| own_page(name, markdown)));
    pages
}

/// A page of the project's own.
fn own_page(name: &str, markdown: &str) -> Content {
    let (title, rest) = match markdown.trim_start().strip_prefix("# ") {
        Some(rest) => rest.split_once('\n').unwrap_or((rest, "")),
        None => (name, markdown),
    };
    let (lede, rest) = rest.trim_start().split_once("\n\n").unwrap_or((rest, ""));
    Content {
        path: format!("{}.html", slug(name)),
        title: title.trim().to_owned(),
        is_code: false,
        method: None,
        pill: None,
        lede: lede.to_owned(),
        crumbs: Vec::new(),
        blocks: vec![Block::Prose { markdown: rest.to_owned() }],
    }
}

pub(crate) fn navigation(api: &ApiPages<'_>, branding: &Branding) -> Vec<NavGroup> {
    let link = |text: String, file: &str| NavLink {
        text,
        note: String::new(),
        file: file.to_owned(),
        is_code: false,
    };
    let mut first = vec![
        link(api.t("overview"), "index.html"),
        NavLink { note: api.errors.len().to_string(), ..link(api.t("all"), "errors.html") },
        link(api.t("auth"), "authentication.html"),
        link(api.t("limits"), "limits.html"),
        link(api.t("plans"), "plans.html"),
        link(api.t("api"), "reference.html"),
    ];
    if !api.settings.versions.is_empty() {
        first.push(link(api.t("changes"), "changes.html"));
    }
    for (name, markdown) in &branding.pages {
        let page = own_page(name, markdown);
        first.push(link(page.title.clone(), &page.path));
    }
    let mut groups = vec![NavGroup { title: String::new(), class: None, links: first }];
    for error in &api.errors {
        let title = error.entry.kind.clone().unwrap_or_else(|| api.t("errors"));
        let link = NavLink {
            text: shown_name(error.entry).to_owned(),
            note: error.entry.status.to_string(),
            file: api.error_page(&error.entry.name),
            is_code: true,
        };
        match groups.iter_mut().find(|group| group.title == title) {
            Some(group) => group.links.push(link),
            None => {
                let class = error.entry.kind.as_ref().map(|_| class(error.entry));
                groups.push(NavGroup { title, class, links: vec![link] });
            }
        }
    }
    // A document with a thousand operations has a list of its own.
    const MAX_LINKS: usize = 60;
    let operations: Vec<NavLink> = api
        .operations()
        .take(MAX_LINKS)
        .map(|operation| NavLink {
            text: operation.id.clone(),
            note: operation.method.clone(),
            file: api.operation_page(&operation.id),
            is_code: true,
        })
        .collect();
    groups.push(NavGroup { title: api.t("operations"), class: None, links: operations });
    groups
}
