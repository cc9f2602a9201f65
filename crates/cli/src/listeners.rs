//! `--listen`: other addresses than those in the file.

use demur_gateway::{Config, Listener};
use demur_source::did_you_mean;

use crate::args::Listen;
use crate::exit::CommandFailure;

/// Replaces the addresses of listeners with those of `--listen`.
pub(crate) fn override_listeners(config: &mut Config, wanted: &[Listen]) -> Result<(), CommandFailure> {
    wanted.iter().try_for_each(|wanted| override_listener(&mut config.listeners, wanted))
}

/// Replaces the address of a listener with that of `--listen`.
fn override_listener(listeners: &mut [Listener], wanted: &Listen) -> Result<(), CommandFailure> {
    let index = match (&wanted.name, listeners.len()) {
        (None, 1) => Some(0),
        (None, _) => None,
        (Some(name), _) => listeners.iter().position(|listener| listener.name.as_deref() == Some(name)),
    };
    if let Some(listener) = index.and_then(|index| listeners.get_mut(index)) {
        listener.address = wanted.address;
        return Ok(());
    }
    let message = match &wanted.name {
        Some(name) => format!("unknown listener `{name}`"),
        None => "`--listen` must name one of several listeners".to_owned(),
    };
    let known: Vec<&str> = listeners.iter().filter_map(|listener| listener.name.as_deref()).collect();
    let help = match wanted.name.as_deref().and_then(|name| did_you_mean(name, known.iter().copied())) {
        Some(known) => format!("did you mean `{known}`?"),
        None if known.is_empty() => "the only listener has no name: use `--listen ADDRESS`".to_owned(),
        None => format!("use `--listen NAME=ADDRESS` with one of: {}", known.join(", ")),
    };
    Err(CommandFailure::usage(message, help))
}
