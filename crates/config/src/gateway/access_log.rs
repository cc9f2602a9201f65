//! `access_log:` which requests are logged, where and how.

use demur_gateway::{LogFilter, LogFormat, LogSettings, LogTarget};
use demur_source::{Fields, Node};

use crate::reader::ConfigReader;

const REQUESTS: &[(&str, LogFilter)] =
    &[("all", LogFilter::All), ("rejected", LogFilter::Refused), ("none", LogFilter::None)];
const FORMATS: &[(&str, LogFormat)] = &[("json", LogFormat::Json), ("text", LogFormat::Text)];

/// Which requests, or a mapping with more.
pub(super) fn read_access_log(node: &Node, reader: &mut ConfigReader<'_>) -> LogSettings {
    let mut settings = LogSettings::default();
    if node.as_str().is_some() {
        settings.requests = reader.choice_of("access_log", node, REQUESTS).unwrap_or_default();
        return settings;
    }
    let Some(mut fields) = Fields::of(node, reader.source, "`access_log`", reader.found) else {
        return settings;
    };
    settings.requests = reader.choice(&mut fields, "requests", REQUESTS).unwrap_or_default();
    settings.format = reader.choice(&mut fields, "format", FORMATS);
    if let Some(text) = fields.text("output", reader.found) {
        settings.target = match text.as_str() {
            "stderr" => LogTarget::Stderr,
            "stdout" => LogTarget::Stdout,
            path => LogTarget::File(reader.folder.join(path)),
        };
    }
    fields.finish(reader.found);
    settings
}
