//! `limits:` what connections and requests may cost.

use demur_gateway::ListenerLimits;
use demur_source::{Fields, Node, Span};

use super::count::read_count;
use crate::reader::ConfigReader;

/// The smallest request head that is of any use, in bytes.
const MIN_HEAD: usize = 256;
/// With less than this not even one small body could be buffered.
pub(super) const MIN_BODY_MEMORY: usize = 64 * 1024;
/// A longer target cannot be represented.
const MAX_URI: usize = 65_534;

/// Reads `limits:`. `max_body_bytes` is the default for APIs that are read afterwards.
pub(super) fn read_limits(node: &Node, reader: &mut ConfigReader<'_>) -> ListenerLimits {
    let mut limits = ListenerLimits::default();
    let Some(mut fields) = Fields::of(node, reader.source, "`limits`", reader.found) else { return limits };
    let ListenerLimits {
        connection,
        min_body_rate,
        max_connections,
        max_queue_delay,
        body_memory,
        shutdown_delay,
        shutdown_timeout,
    } = &mut limits;
    read_size(&mut fields, "max_header_bytes", &mut connection.http.head_bytes, reader);
    read_size(&mut fields, "max_uri_bytes", &mut connection.http.target_bytes, reader);
    read_size(&mut fields, "max_drain", &mut connection.drain_bytes, reader);
    read_size(&mut fields, "max_body_memory", body_memory, reader);
    for (name, into) in [
        ("header_timeout", &mut connection.head_timeout),
        ("idle_timeout", &mut connection.idle_timeout),
        ("write_timeout", &mut connection.write_timeout),
        ("drain_timeout", &mut connection.drain_timeout),
        ("max_queue_delay", max_queue_delay),
        ("shutdown_timeout", shutdown_timeout),
    ] {
        if let Some(time) = reader.duration(&mut fields, name) {
            *into = time;
        }
    }
    if let Some(time) = reader.duration_or_zero(&mut fields, "shutdown_delay") {
        *shutdown_delay = time;
    }
    for (name, into) in [("max_headers", &mut connection.http.headers), ("max_connections", max_connections)]
    {
        if let Some(count) = read_count(&mut fields, name, reader) {
            *into = count.get();
        }
    }
    if let Some(node) = fields.node("min_body_rate")
        && let Some(mut rate) = Fields::of(node, reader.source, "`min_body_rate`", reader.found)
    {
        read_size(&mut rate, "bytes", &mut min_body_rate.bytes, reader);
        if let Some(per) = reader.duration(&mut rate, "per") {
            min_body_rate.per = per;
        }
        rate.finish(reader.found);
    }
    let mut max_body_bytes = reader.max_body_bytes;
    read_size(&mut fields, "max_body_bytes", &mut max_body_bytes, reader);
    reader.max_body_bytes = max_body_bytes;
    let mut span = |name| fields.node(name).map_or(node.span, |node| node.span);
    let spans = [span("max_header_bytes"), span("max_uri_bytes"), span("max_body_memory")];
    fields.finish(reader.found);
    check(&limits, spans, reader);
    limits
}

fn check(limits: &ListenerLimits, spans: [Span; 3], reader: &mut ConfigReader<'_>) {
    let [header_span, uri_span, memory_span] = spans;
    let (header, uri) = (limits.connection.http.head_bytes, limits.connection.http.target_bytes);
    if header < MIN_HEAD {
        let message = format!("`max_header_bytes` must be at least {MIN_HEAD}");
        reader.error(header_span, "limits", message, None);
    } else if !(MIN_HEAD..=MAX_URI).contains(&uri) {
        let message = format!("`max_uri_bytes` must be between {MIN_HEAD} and {MAX_URI}");
        reader.error(uri_span, "limits", message, None);
    } else if uri > header {
        let message = "`limits.max_header_bytes` must not be less than `limits.max_uri_bytes`";
        let help = format!("raise `max_header_bytes` ({header}), or lower `max_uri_bytes` ({uri})");
        reader.error(header_span, "limits", message, help);
    }
    if limits.body_memory < MIN_BODY_MEMORY {
        let message = format!("`max_body_memory` must be at least {}KiB", MIN_BODY_MEMORY / 1024);
        reader.error(memory_span, "limits", message, None);
    }
}

fn read_size<T: TryFrom<u64>>(
    fields: &mut Fields<'_>,
    name: &'static str,
    into: &mut T,
    reader: &mut ConfigReader<'_>,
) {
    let Some(size) = reader.size(fields, name) else { return };
    match T::try_from(size) {
        Ok(size) => *into = size,
        Err(_) => {
            let span = fields.node(name).map_or(fields.span(), |node| node.span);
            reader.error(span, "size", format!("`{name}` is too large"), None);
        }
    }
}
