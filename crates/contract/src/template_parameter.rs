//! What a template consists of besides text: parameters and their styles, and why a text is not a template.

use std::fmt;

/// The maximum number of texts that the plural forms of one template can make, because the parser tries each of them. Three
/// plurals of five forms make 125.
pub(crate) const MAX_SEQUENCES: usize = 128;

/// The style in which several values are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListStyle {
    /// `a, b`
    #[default]
    Comma,
    /// `['a', 'b']`
    Quoted,
}

/// A parameter of a template. The predefined ones are data of the violation or of the request; all others are parameters of
/// the problem, which the error must declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TemplateParameter {
    /// The name of the invalid parameter, in the style of the contract.
    Param,
    /// The invalid value.
    Value,
    /// The invalid values of one list, collected by `collect: values`.
    Values,
    /// The value of the rule, such as the maximum.
    Limit,
    /// The allowed values.
    Allowed,
    /// The JSON Pointer to the invalid value.
    Pointer,
    /// The part of the request with the invalid value.
    Location,
    /// The request ID.
    RequestId,
    /// The number of whole seconds to wait before a retry.
    RetryAfter,
    /// A parameter of the problem.
    Named(String),
}

impl TemplateParameter {
    pub(crate) fn is_name(name: &str) -> bool {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "param" | "field" => TemplateParameter::Param,
            "value" => TemplateParameter::Value,
            "values" => TemplateParameter::Values,
            "limit" => TemplateParameter::Limit,
            "allowed" => TemplateParameter::Allowed,
            "pointer" => TemplateParameter::Pointer,
            "location" => TemplateParameter::Location,
            "request_id" => TemplateParameter::RequestId,
            "retry_after" => TemplateParameter::RetryAfter,
            other => TemplateParameter::Named(other.to_owned()),
        }
    }

    /// The name in braces.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            TemplateParameter::Param => "param",
            TemplateParameter::Value => "value",
            TemplateParameter::Values => "values",
            TemplateParameter::Limit => "limit",
            TemplateParameter::Allowed => "allowed",
            TemplateParameter::Pointer => "pointer",
            TemplateParameter::Location => "location",
            TemplateParameter::RequestId => "request_id",
            TemplateParameter::RetryAfter => "retry_after",
            TemplateParameter::Named(name) => name,
        }
    }

    /// The name of the problem's parameter that replaces this one if there is no violation; `None` if nothing does.
    pub(crate) fn of_violation(&self) -> Option<&'static str> {
        match self {
            TemplateParameter::Param => Some("param"),
            TemplateParameter::Value => Some("value"),
            TemplateParameter::Values => Some("values"),
            TemplateParameter::Limit => Some("limit"),
            TemplateParameter::Allowed => Some("allowed"),
            TemplateParameter::Pointer
            | TemplateParameter::Location
            | TemplateParameter::RequestId
            | TemplateParameter::RetryAfter
            | TemplateParameter::Named(_) => None,
        }
    }

    /// Whether the value comes from a violation.
    pub(crate) fn is_of_violation(&self) -> bool {
        !matches!(
            self,
            TemplateParameter::RequestId | TemplateParameter::RetryAfter | TemplateParameter::Named(_)
        )
    }
}

/// The reason why a text is not a valid template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// A `{` or `}` without its counterpart.
    Unbalanced,
    /// The text in braces is not the name of a parameter.
    BadName(String),
    /// An unknown list style.
    UnknownStyle(String),
    /// Invalid plural forms, with the reason.
    BadPlural(String),
    /// The plural forms make this many texts, which is too many.
    TooManyForms(usize),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::Unbalanced => f.write_str("unmatched `{` or `}`"),
            TemplateError::BadName(name) => {
                write!(f, "`{{{name}}}` is not a valid parameter")
            }
            TemplateError::UnknownStyle(style) => {
                write!(f, "unknown list style `{style}`")
            }
            TemplateError::BadPlural(why) => write!(f, "invalid plural forms: {why}"),
            TemplateError::TooManyForms(texts) => write!(
                f,
                "the plural forms make {texts} different texts, but at most {MAX_SEQUENCES} are allowed"
            ),
        }
    }
}

impl std::error::Error for TemplateError {}

impl TemplateError {
    /// How to fix the template, for diagnostics.
    pub(crate) fn help(&self) -> &'static str {
        match self {
            TemplateError::Unbalanced => "write `{{` or `}}` for a literal brace",
            TemplateError::BadName(_) => "use letters, digits and `_`, as in `{item}`",
            TemplateError::UnknownStyle(_) => "use `comma` or `quoted`",
            TemplateError::BadPlural(_) => {
                "write `{name, plural, one {…} other {…}}` with forms `zero`, `one`, `two`, `few`, `many`, `other` \
                 or `=NUMBER`"
            }
            TemplateError::TooManyForms(_) => {
                "remove forms with the same text as `other`, or use fewer plurals in one text"
            }
        }
    }
}
