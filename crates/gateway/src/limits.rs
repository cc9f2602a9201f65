//! What connections and requests may cost, as `bounds:` of the configuration says.

use std::num::NonZeroUsize;
use std::time::Duration;

use demur_engine::DEFAULT_BODY_MEMORY;
use demur_engine::settings::{ConfigReader, bytes, read_duration};
use demur_guard::HeadLimits;
use demur_source::{Fields, Node};

use crate::listener::request_body::BodyLimits;

/// Bounds of the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Heads, answers, and the time they take.
    pub head: HeadLimits,
    /// Content that arrives.
    pub content: BodyLimits,
    /// Connections at once.
    pub connections: usize,
    /// How long a request may have waited for its worker's turn while the worker is overloaded. Longer is
    /// `overloaded`.
    pub backlog: Duration,
    /// Memory for bodies that are collected, of all requests and responses together, in bytes. More is
    /// `overloaded`.
    pub body_memory: usize,
    /// How long requests under way may go on when the gateway ends.
    pub shutdown: Duration,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            head: HeadLimits::default(),
            content: BodyLimits::default(),
            connections: 10_000,
            backlog: Duration::from_millis(5),
            body_memory: DEFAULT_BODY_MEMORY,
            shutdown: Duration::from_secs(10),
        }
    }
}

/// The shortest head that is any use, in bytes.
const LEAST_HEAD: usize = 256;
/// With less than this not even one small body could be collected.
pub(crate) const LEAST_BODY_MEMORY: usize = 64 * 1024;
/// No longer target can be represented.
const MOST_TARGET: usize = 65_534;

/// Reads `bounds:`. What they say of content by default, APIs read afterwards find in `reading`.
pub(crate) fn read_bounds(node: &Node, reading: &mut ConfigReader<'_>) -> ListenerLimits {
    let mut bounds = ListenerLimits::default();
    let Some(mut fields) = Fields::of(node, reading.source, "`bounds`", reading.found) else { return bounds };
    let ListenerLimits { head, content, connections, backlog, body_memory, shutdown } = &mut bounds;
    read_size(&mut fields, "head", &mut head.head_bytes, reading);
    read_size(&mut fields, "target", &mut head.target_bytes, reading);
    read_size(&mut fields, "content_per_window", &mut content.bytes_per_window, reading);
    read_size(&mut fields, "drain", &mut content.drain_bytes, reading);
    read_size(&mut fields, "body_memory", body_memory, reading);
    for (name, into) in [
        ("head_timeout", &mut head.head_timeout),
        ("idle_timeout", &mut head.idle_timeout),
        ("write_timeout", &mut head.write_timeout),
        ("content_window", &mut content.window),
        ("drain_timeout", &mut content.drain_timeout),
        ("backlog", backlog),
        ("shutdown", shutdown),
    ] {
        if let Some(time) = read_duration(&mut fields, name, reading) {
            *into = time;
        }
    }
    for (name, into) in [("fields", &mut head.fields), ("connections", connections)] {
        if let Some(count) = read_count(&mut fields, name, reading) {
            *into = count.get();
        }
    }
    let too_small = head.head_bytes < LEAST_HEAD || head.target_bytes < LEAST_HEAD;
    if too_small || head.target_bytes > MOST_TARGET || head.target_bytes > head.head_bytes {
        let help = format!("`target` goes from {LEAST_HEAD} to {MOST_TARGET} and is not above `head`");
        reading.error(node.span, "bounds", "no request could have such a head", help);
    }
    if *body_memory < LEAST_BODY_MEMORY {
        let help = format!("`body_memory` is at least {LEAST_BODY_MEMORY} bytes");
        reading.error(node.span, "bounds", "no body could be collected", help);
    }
    let mut max_content = reading.max_content;
    read_size(&mut fields, "content", &mut max_content, reading);
    reading.max_content = max_content;
    fields.finish(reading.found);
    bounds
}

fn read_size<T: TryFrom<u64>>(
    fields: &mut Fields<'_>,
    name: &'static str,
    into: &mut T,
    reading: &mut ConfigReader<'_>,
) {
    let Some(node) = fields.node(name) else { return };
    match node.scalar_text().and_then(|text| bytes(&text)).and_then(|size| T::try_from(size).ok()) {
        Some(size) => *into = size,
        None => reading.error(node.span, "size", format!("`{name}` must be a size, such as `16KiB`"), None),
    }
}

/// A whole number from 1 on.
pub(crate) fn read_count(
    fields: &mut Fields<'_>,
    name: &'static str,
    reading: &mut ConfigReader<'_>,
) -> Option<NonZeroUsize> {
    let (_, node) = fields.entry(name)?;
    let count = fields.int(name, reading.found)?;
    let read = usize::try_from(count).ok().and_then(NonZeroUsize::new);
    if read.is_none() {
        reading.error(node.span, "number", format!("`{name}` must be a whole number from 1 on"), None);
    }
    read
}
