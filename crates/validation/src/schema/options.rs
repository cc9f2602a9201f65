//! The options for all validators.

use jsonschema::{PatternOptions, ValidationOptions, Validator};
use serde_json::{Map, Value};

use crate::Formats;

/// The memory limit of a compiled pattern. It allows a hundred letters of any script, but not `x{1000}{1000}`.
const PATTERN_SIZE_LIMIT: usize = 10 * 1024 * 1024;

/// Options for validation without network access and with patterns in linear time.
pub(super) fn validator_options<'r>() -> ValidationOptions<'r> {
    jsonschema::draft202012::options()
        .offline()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_SIZE_LIMIT))
}

/// A validator of keywords that refer to no other schema.
pub(crate) fn scalar_validator(keywords: Map<String, Value>, formats: Formats) -> Option<Validator> {
    let options = validator_options().should_validate_formats(formats == Formats::Assert);
    options.build(&Value::Object(keywords)).ok()
}
