//! `docs:` where reference pages are served.

use demur_gateway::{ApiConfig, DocsConfig};
use demur_source::{Fields, Node, Span};

use crate::reader::ConfigReader;

pub(super) fn read_docs(
    node: &Node,
    apis: &[ApiConfig],
    reader: &mut ConfigReader<'_>,
) -> Option<DocsConfig> {
    let mut fields = Fields::of(node, reader.source, "`docs`", reader.found)?;
    let path = reader.required(&mut fields, "path");
    let name = fields.text("name", reader.found);
    let branding = fields.text("branding", reader.found).map(|folder| reader.folder.join(folder));
    fields.finish(reader.found);
    let (path, span) = path?;
    let is_plain = |part: &str| {
        let is_char = |char: char| char.is_ascii_alphanumeric() || "-_.~".contains(char);
        !part.is_empty() && part != "." && part != ".." && part.chars().all(is_char)
    };
    let trimmed = path.trim_end_matches('/');
    let is_valid = trimmed.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_plain));
    if !is_valid {
        let help = "write a path of letters, digits, `-`, `_`, `.` and `~`: `/docs`".to_owned();
        reader.error(span, "docs-path", format!("`{path}` is not a path for pages"), help);
        return None;
    }
    for api in apis {
        check_shadowed(trimmed, span, api, reader);
    }
    Some(DocsConfig { path: trimmed.to_owned(), name, branding })
}

/// An operation at or below the path could never be called with GET.
fn check_shadowed(path: &str, span: Span, api: &ApiConfig, reader: &mut ConfigReader<'_>) {
    let settings = &api.settings;
    for operation in settings.document.operations() {
        let whole = format!("{}{}", settings.mount.path, operation.path());
        let mut segments = whole.split('/');
        let is_below =
            path.split('/').all(|wanted| segments.next().is_some_and(|at| at == wanted || at.contains('{')));
        if is_below {
            let message = format!(
                "the pages at `{path}` shadow the operation `{}` of `{}`",
                operation.id(),
                settings.name
            );
            let help = format!("choose a path that no operation has: `{whole}` begins with it");
            reader.error(span, "docs-path", message, help);
            return;
        }
    }
}
