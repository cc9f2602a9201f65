//! `overload:` how many requests an upstream gets at once.

use demur_engine::settings::Overload;
use demur_source::{Fields, Node};

use crate::reader::ConfigReader;

pub(crate) fn read_overload(node: &Node, reader: &mut ConfigReader<'_>) -> Overload {
    let mut overload = reader.overload;
    let Some(mut fields) = Fields::of(node, reader.source, "`overload`", reader.found) else {
        return overload;
    };
    if let Some(most) = reader.positive(&mut fields, "in_flight") {
        overload.in_flight = most.get();
    }
    if let Some(is_adaptive) = fields.boolean("adaptive", reader.found) {
        overload.is_adaptive = is_adaptive;
    }
    fields.finish(reader.found);
    overload
}
