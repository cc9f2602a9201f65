//! The prefixes of keys: those of an API, and the one of a new key.

use demur_gateway::{Config, Prefixes};

use crate::exit::CommandFailure;

/// The key prefixes of an API.
pub(super) fn prefixes<'c>(config: &'c Config, api: &str) -> Result<&'c Prefixes, CommandFailure> {
    let names = || config.apis.iter().map(|api| api.settings.name.as_str());
    match config.apis.iter().find(|known| known.settings.name == api) {
        Some(known) => Ok(&known.settings.authentication.prefixes),
        None => {
            let help = match demur_source::did_you_mean(api, names()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("configured APIs: {}", names().collect::<Vec<_>>().join(", ")),
            };
            Err(CommandFailure::usage(format!("unknown API `{api}`"), help))
        }
    }
}

/// The prefix of a new key. An API with environments has one prefix for each.
pub(super) fn prefix(prefixes: &Prefixes, environment: Option<&str>) -> Result<String, CommandFailure> {
    if let Some(prefix) = prefixes.of(environment) {
        return Ok(prefix.to_owned());
    }
    let known: Vec<&str> = prefixes.environments().collect();
    let message = match environment {
        Some(environment) => format!("unknown environment `{environment}`"),
        None => "`--environment` is required: the API has environments".to_owned(),
    };
    let near = environment.and_then(|name| demur_source::did_you_mean(name, known.iter().copied()));
    let help = match near {
        Some(known) => format!("did you mean `{known}`?"),
        None if known.is_empty() => "the API has no environments: omit `--environment`".to_owned(),
        None => format!("use `--environment NAME` with one of: {}", known.join(", ")),
    };
    Err(CommandFailure::usage(message, help))
}
