//! URIs of files and schemas in the registry.

use crate::tree::is_remote;

/// The URI of a file in the registry. A name that is a URI is used as it is.
pub(super) fn file_name(name: &str) -> String {
    if is_remote(name) {
        return name.to_owned();
    }
    format!("demur:///{}", percent_encoding::utf8_percent_encode(name, FRAGMENT))
}

/// A pointer as the fragment of a URI.
pub(super) fn fragment(pointer: &str) -> String {
    percent_encoding::utf8_percent_encode(pointer, FRAGMENT).to_string()
}

/// The characters to encode in a fragment, such as the braces of path templates.
const FRAGMENT: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
