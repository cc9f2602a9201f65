//! Secrets: values that the file does not contain, but refers to.
//!
//! ```yaml
//! set: { Authorization: { file: /run/secrets/upstream } }   # or
//! set: { Authorization: { env: UPSTREAM_TOKEN } }
//! ```

use std::fs::File;
use std::io::Read;
use std::path::Path;

use demur_source::{Fields, Node, Span};

use crate::reader::ConfigReader;

/// The most bytes of a secret.
const MAX_BYTES: u64 = 64 * 1024;

/// The text that a mapping with `file` or `env` refers to, without the line break at its end.
pub(crate) fn read_secret(node: &Node, reader: &mut ConfigReader<'_>) -> Option<String> {
    let mut fields = Fields::of(node, reader.source, "a secret", reader.found)?;
    let file = fields.text("file", reader.found);
    let variable = fields.text("env", reader.found);
    let span = |name| node.get(name).map_or(node.span, |node| node.span);
    let spans = (span("file"), span("env"));
    fields.finish(reader.found);
    match (file, variable) {
        (Some(file), None) => read_file(&file, spans.0, reader),
        (None, Some(variable)) => read_variable(&variable, spans.1, reader),
        _ => {
            let help = "write `{ file: PATH }` or `{ env: NAME }`".to_owned();
            reader.error(node.span, "secret", "a secret has either `file` or `env`", help);
            None
        }
    }
}

fn read_file(name: &str, span: Span, reader: &mut ConfigReader<'_>) -> Option<String> {
    let path = reader.folder.join(name);
    match read_small(&path) {
        Ok(text) => {
            reader.inputs.read(&path, text.as_bytes());
            non_empty(text, span, reader)
        }
        Err(error) => {
            reader.inputs.missing(&path);
            let message = format!("cannot read the secret `{}`: {error}", path.display());
            reader.error(span, "secret", message, "paths are relative to this file".to_owned());
            None
        }
    }
}

/// Reads a regular file: a device or a pipe may never end.
fn read_small(path: &Path) -> Result<String, String> {
    let is_regular = std::fs::metadata(path).map_err(|error| error.to_string())?.is_file();
    if !is_regular {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("it has more than {} KiB", MAX_BYTES >> 10));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

fn read_variable(name: &str, span: Span, reader: &mut ConfigReader<'_>) -> Option<String> {
    match std::env::var(name) {
        Ok(text) => non_empty(text, span, reader),
        Err(_) => {
            let message = format!("the environment variable `{name}` is not set, or not UTF-8");
            let help = "set it, or write `{ file: PATH }`: a reload does not see other variables".to_owned();
            reader.error(span, "secret", message, help);
            None
        }
    }
}

fn non_empty(text: String, span: Span, reader: &mut ConfigReader<'_>) -> Option<String> {
    let trimmed = text.trim_end_matches(['\r', '\n']);
    if trimmed.is_empty() {
        reader.error(span, "secret", "the secret is empty", None);
        return None;
    }
    Some(trimmed.to_owned())
}
