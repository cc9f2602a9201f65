//! `websocket:` of an API or an operation: whether it serves WebSocket, and within which bounds.
//!
//! ```yaml
//! websocket: true                                        # or false
//! websocket: { idle_timeout: 5m, max_lifetime: 1h, origins: ["https://app.example"] }
//! ```

use demur_engine::settings::{Origins, WebSocket};
use demur_source::{Fields, Node};

use crate::cors::read_origin;
use crate::reader::ConfigReader;

/// Reads `websocket:`. What is left out is as in `outer`.
pub(crate) fn read_websocket(
    node: &Node,
    outer: Option<&WebSocket>,
    reader: &mut ConfigReader<'_>,
) -> Option<WebSocket> {
    let outer = outer.cloned().unwrap_or_default();
    match node.scalar_text().as_deref() {
        Some("true") => return Some(outer),
        Some("false") => return None,
        _ => {}
    }
    let mut fields = Fields::of(node, reader.source, "`websocket`", reader.found)?;
    let idle_timeout = reader.duration(&mut fields, "idle_timeout").unwrap_or(outer.idle_timeout);
    let max_lifetime = reader.duration(&mut fields, "max_lifetime").or(outer.max_lifetime);
    let origins = fields.node("origins").map(|node| read_origins(node, &mut fields, reader));
    fields.finish(reader.found);
    Some(WebSocket { idle_timeout, max_lifetime, origins: origins.unwrap_or(outer.origins) })
}

fn read_origins(node: &Node, fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> Origins {
    let origins = fields.texts("origins", reader.found);
    if origins.len() == 1 && origins.iter().all(|(origin, _)| origin == "*") {
        return Origins::Any;
    }
    if let Some((_, span)) = origins.iter().find(|(origin, _)| origin == "*") {
        let help = "list the origins, or write `*` alone".to_owned();
        reader.error(*span, "websocket", "the origin `*` cannot be combined with others", help);
    }
    let listed = origins.iter().filter(|(origin, _)| origin != "*");
    let listed: Vec<_> =
        listed.filter_map(|(origin, span)| read_origin(origin, *span, "websocket", reader)).collect();
    if origins.is_empty() {
        let help = "list the origins, or write `*` for any".to_owned();
        reader.error(node.span, "websocket", "`origins` is empty: no browser could connect", help);
    }
    Origins::These(listed)
}
