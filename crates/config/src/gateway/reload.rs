//! `reload:` when the configuration is reloaded without a signal or a command.

use demur_gateway::ReloadSettings;
use demur_source::{Fields, Node};

use crate::reader::ConfigReader;

pub(super) fn read_reload(node: &Node, reader: &mut ConfigReader<'_>) -> ReloadSettings {
    let mut settings = ReloadSettings::default();
    let Some(mut fields) = Fields::of(node, reader.source, "`reload`", reader.found) else {
        return settings;
    };
    settings.watch = fields.boolean("watch", reader.found).unwrap_or(settings.watch);
    settings.settle = reader.duration(&mut fields, "settle").unwrap_or(settings.settle);
    fields.finish(reader.found);
    settings
}
