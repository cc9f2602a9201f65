//! `overload:` of an API: how much its upstream is asked for at once.

use demur_source::{Fields, Node};

use super::ConfigReader;
use super::plan::positive;

/// How much an upstream is asked for at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// Requests that may be with it, at the most.
    pub in_flight: u32,
    /// Whether fewer are let through while its answers show that they are too many.
    pub is_adaptive: bool,
}

impl Default for Overload {
    fn default() -> Self {
        Self { in_flight: 10_000, is_adaptive: true }
    }
}

/// Reads `overload:`.
pub(super) fn read_overload(node: &Node, reading: &mut ConfigReader<'_>) -> Overload {
    let mut overload = reading.overload;
    let Some(mut fields) = Fields::of(node, reading.source, "`overload`", reading.found) else {
        return overload;
    };
    if let Some(most) = positive(&mut fields, "in_flight", reading) {
        overload.in_flight = most.get();
    }
    if let Some(is_adaptive) = fields.boolean("adaptive", reading.found) {
        overload.is_adaptive = is_adaptive;
    }
    fields.finish(reading.found);
    overload
}
