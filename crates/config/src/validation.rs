//! `validation:` how strictly requests and responses are validated, and where the document's files are.

use demur_engine::settings::{AmbiguousPath, RequestValidation, ResponseMode, ValidationSettings};
use demur_source::{Fields, Node};
use demur_validation::{
    Discriminators, DocumentOptions, Formats, ServerPaths, UnknownPaths, UnknownQuery, Unsupported,
};

use crate::reader::ConfigReader;
use crate::references::References;

const FORMATS: &[(&str, Formats)] = &[("assert", Formats::Assert), ("annotate", Formats::Annotate)];
const UNKNOWN_QUERY: &[(&str, UnknownQuery)] =
    &[("ignore", UnknownQuery::Ignore), ("warn", UnknownQuery::Warn), ("reject", UnknownQuery::Reject)];
const UNSUPPORTED: &[(&str, Unsupported)] = &[("warn", Unsupported::Warn), ("reject", Unsupported::Reject)];
const DISCRIMINATOR: &[(&str, Discriminators)] =
    &[("reports", Discriminators::Report), ("decides", Discriminators::Decide)];
const UNKNOWN_PATHS: &[(&str, UnknownPaths)] =
    &[("reject", UnknownPaths::Reject), ("forward", UnknownPaths::Forward)];
const SERVER_PATHS: &[(&str, ServerPaths)] = &[("ignore", ServerPaths::Ignore), ("use", ServerPaths::Use)];
pub(crate) const REQUESTS: &[(&str, RequestValidation)] =
    &[("on", RequestValidation::On), ("shadow", RequestValidation::Shadow), ("off", RequestValidation::Off)];
const DECODES_BODIES: &[(&str, bool)] = &[("reject", false), ("decode", true)];
const REJECTS_UNACCEPTABLE: &[(&str, bool)] = &[("ignore", false), ("reject", true)];
const RESPONSES: &[(&str, ResponseMode)] =
    &[("ignore", ResponseMode::Ignore), ("report", ResponseMode::Report), ("reject", ResponseMode::Refuse)];
const AMBIGUOUS_PATH: &[(&str, AmbiguousPath)] =
    &[("reject", AmbiguousPath::Reject), ("ignore", AmbiguousPath::Ignore)];

pub(crate) fn read_validation(
    node: &Node,
    reader: &mut ConfigReader<'_>,
) -> (DocumentOptions, ValidationSettings, References) {
    let mut options = DocumentOptions::default();
    let mut settings = ValidationSettings::default();
    let Some(mut fields) = Fields::of(node, reader.source, "`validation`", reader.found) else {
        return (options, settings, References::default());
    };
    if let Some(formats) = reader.choice(&mut fields, "formats", FORMATS) {
        options.formats = formats;
    }
    if let Some(unknown_query) = reader.choice(&mut fields, "unknown_query", UNKNOWN_QUERY) {
        options.unknown_query = unknown_query;
    }
    if let Some(unsupported) = reader.choice(&mut fields, "unsupported", UNSUPPORTED) {
        options.unsupported = unsupported;
    }
    if let Some(discriminators) = reader.choice(&mut fields, "discriminator", DISCRIMINATOR) {
        options.discriminators = discriminators;
    }
    if let Some(unknown_paths) = reader.choice(&mut fields, "unknown_paths", UNKNOWN_PATHS) {
        options.unknown_paths = unknown_paths;
    }
    if let Some(server_paths) = reader.choice(&mut fields, "server_paths", SERVER_PATHS) {
        options.server_paths = server_paths;
    }
    if let Some(requests) = reader.choice(&mut fields, "requests", REQUESTS) {
        settings.requests = requests;
    }
    if let Some(decodes) = reader.choice(&mut fields, "compressed_bodies", DECODES_BODIES) {
        settings.decodes_bodies = decodes;
    }
    if let Some(rejects) = reader.choice(&mut fields, "accept", REJECTS_UNACCEPTABLE) {
        settings.rejects_unacceptable = rejects;
    }
    if let Some(responses) = reader.choice(&mut fields, "responses", RESPONSES) {
        settings.responses = responses;
    }
    if let Some(ambiguous_path) = reader.choice(&mut fields, "ambiguous_path", AMBIGUOUS_PATH) {
        settings.ambiguous_path = ambiguous_path;
    }
    if let Some(most) = reader.positive(&mut fields, "max_violations") {
        options.max_violations = most.get() as usize;
    }
    let depth_span = fields.node("max_depth").map_or(node.span, |node| node.span);
    if let Some(most) = reader.positive(&mut fields, "max_depth") {
        options.max_depth = (most.get() as usize).min(DocumentOptions::MAX_DEPTH);
        if most.get() as usize > DocumentOptions::MAX_DEPTH {
            let message = format!("`max_depth` must be at most {}", DocumentOptions::MAX_DEPTH);
            reader.error(depth_span, "number", message, None);
        }
    }
    options.checks_responses = settings.responses != ResponseMode::Ignore;
    let root = fields.node("reference_root").map(|node| node.span);
    let root = fields.text("reference_root", reader.found).zip(root);
    let references = References::read(fields.map("references", reader.found), root, reader);
    fields.finish(reader.found);
    (options, settings, references)
}
