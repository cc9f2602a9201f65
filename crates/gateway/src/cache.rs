//! How many keys are remembered and for how long, as `cache:` of the configuration says.

use demur_admission::CacheConfig;
use demur_engine::settings::{ConfigReader, read_duration};
use demur_source::{Fields, Node};

use crate::limits::read_count;

/// The table is made at the start, two cache lines for seven keys.
const MOST: usize = 1 << 24;

pub(crate) fn read_cache(node: &Node, reading: &mut ConfigReader<'_>) -> CacheConfig {
    let mut settings = CacheConfig::default();
    let Some(mut fields) = Fields::of(node, reading.source, "`cache`", reading.found) else {
        return settings;
    };
    let CacheConfig { present, absent } = &mut settings;
    for (name, into) in [("keys", &mut present.entries), ("unknown_keys", &mut absent.entries)] {
        let Some(count) = read_count(&mut fields, name, reading) else { continue };
        *into = count.get();
        if count.get() > MOST {
            let message = format!("`{name}` goes from 1 to {MOST}");
            let help = "keys that are not remembered are asked for in the store".to_owned();
            reading.error(
                fields.entry(name).map_or(node.span, |(_, node)| node.span),
                "number",
                message,
                help,
            );
        }
    }
    for (name, into) in [("kept_for", &mut present.kept_for), ("unknown_kept_for", &mut absent.kept_for)] {
        if let Some(time) = read_duration(&mut fields, name, reading) {
            *into = time;
        }
    }
    fields.finish(reading.found);
    settings
}
