//! `idempotency:` what an `Idempotency-Key` means to an API or an operation.
//!
//! ```yaml
//! idempotency: replay                                    # or off, or upstream
//! idempotency: { mode: replay, ttl: 24h }
//! idempotency: { mode: upstream, max_repeats: 10 }
//! ```

use std::num::NonZeroU32;
use std::time::Duration;

use demur_engine::settings::{Idempotency, IdempotencyMode};
use demur_source::{Fields, Node};

use crate::reader::ConfigReader;

/// How often a repeat is forwarded in the mode `upstream` by default.
const DEFAULT_MAX_REPEATS: NonZeroU32 = NonZeroU32::new(10).unwrap();
const MAX_REPEATS: u32 = 100;
const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

/// Reads `idempotency:`. What is left out is as in `outer`.
pub(crate) fn read_idempotency(
    node: &Node,
    outer: Idempotency,
    reader: &mut ConfigReader<'_>,
) -> Idempotency {
    if node.as_map().is_none() {
        return Idempotency { mode: read_mode("idempotency", node, outer.mode, reader), ..outer };
    }
    let mut settings = outer;
    let Some(mut fields) = Fields::of(node, reader.source, "`idempotency`", reader.found) else {
        return settings;
    };
    if let Some(mode) = fields.node("mode") {
        settings.mode = read_mode("mode", mode, outer.mode, reader);
    }
    let ttl_span = fields.node("ttl").map(|node| node.span);
    if let (Some(ttl), Some(span)) = (reader.duration(&mut fields, "ttl"), ttl_span) {
        if ttl < Duration::from_secs(1) || ttl > MAX_TTL {
            reader.error(span, "duration", "`ttl` must be between 1s and 30d", None);
        }
        settings.ttl = ttl;
    }
    let repeats_span = fields.node("max_repeats").map(|node| node.span);
    if let (Some(most), Some(span)) = (reader.positive(&mut fields, "max_repeats"), repeats_span) {
        match settings.mode {
            IdempotencyMode::Upstream(_) if most.get() > MAX_REPEATS => {
                let message = format!("`max_repeats` must be between 1 and {MAX_REPEATS}");
                reader.error(span, "number", message, None);
            }
            IdempotencyMode::Upstream(_) => settings.mode = IdempotencyMode::Upstream(most),
            IdempotencyMode::Off | IdempotencyMode::Replay => {
                let message = "`max_repeats` has no effect: only `mode: upstream` forwards repeats";
                let help = "write `mode: upstream`, or remove `max_repeats`".to_owned();
                reader.error(span, "idempotency", message, help);
            }
        }
    }
    if let (IdempotencyMode::Off, Some(span)) = (settings.mode, ttl_span) {
        let help = "remove `ttl`, or choose another mode".to_owned();
        reader.error(span, "idempotency", "`ttl` has no effect with `mode: off`", help);
    }
    fields.finish(reader.found);
    settings
}

fn read_mode(
    name: &str,
    node: &Node,
    outer: IdempotencyMode,
    reader: &mut ConfigReader<'_>,
) -> IdempotencyMode {
    let upstream = match outer {
        IdempotencyMode::Upstream(_) => outer,
        IdempotencyMode::Off | IdempotencyMode::Replay => IdempotencyMode::Upstream(DEFAULT_MAX_REPEATS),
    };
    let modes = [("replay", IdempotencyMode::Replay), ("upstream", upstream), ("off", IdempotencyMode::Off)];
    reader.choice_of(name, node, &modes).unwrap_or(outer)
}
