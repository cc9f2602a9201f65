//! `cache:` how many keys are cached, and for how long.

use demur_admission::CacheConfig;
use demur_source::{Fields, Node};

use super::count::read_count;
use crate::reader::ConfigReader;

/// The table is allocated at the start: two cache lines for seven keys.
const MAX_KEYS: usize = 1 << 24;

pub(super) fn read_cache(node: &Node, reader: &mut ConfigReader<'_>) -> CacheConfig {
    let mut settings = CacheConfig::default();
    let Some(mut fields) = Fields::of(node, reader.source, "`cache`", reader.found) else {
        return settings;
    };
    let CacheConfig { present, absent } = &mut settings;
    for (name, into) in [("keys", &mut present.entries), ("unknown_keys", &mut absent.entries)] {
        let Some(count) = read_count(&mut fields, name, reader) else { continue };
        *into = count.get();
        if count.get() > MAX_KEYS {
            let span = fields.node(name).map_or(node.span, |node| node.span);
            let message = format!("`{name}` must be at most {MAX_KEYS}");
            let help = "keys that are not cached are looked up in the store".to_owned();
            reader.error(span, "number", message, help);
        }
    }
    for (name, into) in [("ttl", &mut present.ttl), ("unknown_ttl", &mut absent.ttl)] {
        if let Some(time) = reader.duration(&mut fields, name) {
            *into = time;
        }
    }
    fields.finish(reader.found);
    settings
}
