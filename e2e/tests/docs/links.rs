//! Links: to files that are there, and to headings that they have.

use std::path::Path;

use regex::Regex;

use crate::pages::{Page, docs};

/// The links of a page that lead nowhere, and those by which a page of the book leaves the book.
pub(crate) fn broken(page: &Page) -> Vec<String> {
    let is_of_book = page.path.starts_with(docs());
    let complaint = |line: usize, target: &str| -> Option<String> {
        let place = || format!("{}:{line}: `{target}`", page.name());
        if target.contains("://") || target.starts_with("mailto:") {
            return None;
        }
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let folder = page.path.parent().unwrap();
        let file = if path.is_empty() { page.path.clone() } else { folder.join(path) };
        let Ok(file) = file.canonicalize() else { return Some(format!("{}: no such file", place())) };
        if is_of_book && !file.starts_with(docs().canonicalize().unwrap()) {
            return Some(format!("{}: leads out of the book", place()));
        }
        if !anchor.is_empty() && !anchors(&file).contains(&anchor.to_owned()) {
            return Some(format!("{}: no such heading", place()));
        }
        None
    };
    targets(page).iter().filter_map(|(line, target)| complaint(*line, target)).collect()
}

/// Where the links of a page lead, with their lines.
pub(crate) fn targets(page: &Page) -> Vec<(usize, String)> {
    let code = Regex::new("`[^`]*`").unwrap();
    let link = Regex::new(r"\]\(([^()\s]+)\)").unwrap();
    let definition = Regex::new(r"^\[[^\]]+\]:\s+(\S+)").unwrap();
    let (_, prose) = page.split();
    let mut targets = Vec::new();
    for (line, text) in prose {
        let text = code.replace_all(text, "``");
        let found = link.captures_iter(&text).chain(definition.captures_iter(&text));
        targets.extend(found.map(|found| (line, found[1].to_owned())));
    }
    targets
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(file: &Path) -> Vec<String> {
    if file.extension().is_none_or(|extension| extension != "md") {
        return Vec::new();
    }
    let page = Page::read(file);
    let (_, prose) = page.split();
    let headings = prose.iter().filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| slug(line.trim_start_matches('#').trim())).collect()
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}
