//! Compiled regular expressions as values of CEL.

use cel::common::types::Type;
use cel::common::value::{StaticVal, Val};

/// The same limit as for patterns of schemas.
const PATTERN_SIZE_LIMIT: usize = 2 * 1024 * 1024;

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub(super) struct RulePattern(regex::Regex);

static PATTERN_TYPE_STATIC: Type = PATTERN_TYPE;
pub(super) const PATTERN_TYPE: Type = Type::new_unspecified_type("pattern");

impl RulePattern {
    /// Compiles a pattern. The error is the reason why it is rejected.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        let compiled = regex::RegexBuilder::new(text).size_limit(PATTERN_SIZE_LIMIT).build();
        compiled.map(RulePattern).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "too large when compiled".to_owned(),
            // The last line has the reason; the others draw its position.
            other => {
                let text = other.to_string();
                text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
        })
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl Val for RulePattern {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &PATTERN_TYPE_STATIC
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

impl StaticVal for RulePattern {}
