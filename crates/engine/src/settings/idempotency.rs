//! `idempotency:` of an API or an operation: what an `Idempotency-Key` means.
//!
//! ```yaml
//! idempotency: replay                                    # or off, or upstream
//! idempotency: { mode: replay, ttl: 24h }
//! idempotency: { mode: upstream, max_repeats: 10 }
//! ```

use std::num::NonZeroU32;
use std::time::Duration;

use demur_source::{Fields, Node};

use super::ConfigReader;
use super::plan::{positive, read_duration};

/// What an `Idempotency-Key` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotency {
    /// What becomes of a repeat.
    pub mode: IdempotencyMode,
    /// How long a response is replayed.
    pub ttl: Duration,
}

/// What becomes of a request that comes again with its `Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdempotencyMode {
    /// The header means nothing to the gateway: each request is executed and charged.
    Off,
    /// It gets the stored response, or is rejected where there is none.
    Replay,
    /// It is forwarded without being charged, so many times at most: the service deduplicates.
    Upstream(NonZeroU32),
}

/// How often a repeat is forwarded in the mode `upstream` where nothing is said.
const MAX_REPEATS: NonZeroU32 = NonZeroU32::new(10).unwrap();
const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

impl Default for Idempotency {
    fn default() -> Self {
        Self { mode: IdempotencyMode::Replay, ttl: Duration::from_secs(24 * 3600) }
    }
}

/// Reads `idempotency:`. What it does not say is as in `outer`.
pub(super) fn read_idempotency(
    node: &Node,
    outer: Idempotency,
    reading: &mut ConfigReader<'_>,
) -> Idempotency {
    if node.as_map().is_none() {
        return Idempotency { mode: read_mode(node, outer.mode, reading), ..outer };
    }
    let mut settings = outer;
    let Some(mut fields) = Fields::of(node, reading.source, "`idempotency`", reading.found) else {
        return settings;
    };
    if let Some(mode) = fields.node("mode") {
        settings.mode = read_mode(mode, outer.mode, reading);
    }
    let ttl_span = fields.node("ttl").map(|node| node.span);
    if let (Some(ttl), Some(span)) = (read_duration(&mut fields, "ttl", reading), ttl_span) {
        if ttl < Duration::from_secs(1) || ttl > MAX_TTL {
            reading.error(span, "duration", "`ttl` must be between 1s and 30d", None);
        }
        settings.ttl = ttl;
    }
    let repeats_span = fields.node("max_repeats").map(|node| node.span);
    if let (Some(most), Some(span)) = (positive(&mut fields, "max_repeats", reading), repeats_span) {
        match settings.mode {
            IdempotencyMode::Upstream(_) if most.get() > 100 => {
                reading.error(span, "number", "`max_repeats` must be between 1 and 100", None);
            }
            IdempotencyMode::Upstream(_) => settings.mode = IdempotencyMode::Upstream(most),
            IdempotencyMode::Off | IdempotencyMode::Replay => {
                let help = "write `mode: upstream`, or leave out `max_repeats`".to_owned();
                let message = "`max_repeats` has no effect: only `mode: upstream` forwards repeats";
                reading.error(span, "idempotency", message, help);
            }
        }
    }
    if let (IdempotencyMode::Off, Some(span)) = (settings.mode, ttl_span) {
        let help = "leave out `ttl`, or choose another mode".to_owned();
        reading.error(span, "idempotency", "`ttl` has no effect with `mode: off`", help);
    }
    fields.finish(reading.found);
    settings
}

fn read_mode(node: &Node, outer: IdempotencyMode, reading: &mut ConfigReader<'_>) -> IdempotencyMode {
    let upstream = match outer {
        IdempotencyMode::Upstream(_) => outer,
        IdempotencyMode::Off | IdempotencyMode::Replay => IdempotencyMode::Upstream(MAX_REPEATS),
    };
    match node.as_str() {
        Some("off") => IdempotencyMode::Off,
        Some("replay") => IdempotencyMode::Replay,
        Some("upstream") => upstream,
        _ => {
            let help = "write `idempotency: replay`, or a mapping with `mode`".to_owned();
            reading.error(node.span, "unknown-word", "the mode is `replay`, `upstream` or `off`", help);
            outer
        }
    }
}
