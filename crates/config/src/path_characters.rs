//! `path_characters:` of an API or an operation.

use demur_source::Fields;
use demur_validation::PathCharacters;

use crate::reader::{ConfigReader, suggestion};

/// The names of [`PathCharacters`].
pub(crate) fn read_path_characters(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> PathCharacters {
    let mut characters = PathCharacters::NONE;
    for (name, span) in fields.texts("path_characters", reader.found) {
        match PathCharacters::from_name(&name) {
            Some(more) => characters = characters.with(more),
            None => {
                let known: Vec<&str> = PathCharacters::names().collect();
                let help = suggestion(&name, &known).unwrap_or_else(|| format!("use: {}", known.join(", ")));
                reader.error(span, "path-characters", format!("unknown character name `{name}`"), help);
            }
        }
    }
    characters
}
