//! Checks the parameters and the body of a request, and responses.
//!
//! The results are data. The contract decides which error and message a violation becomes.

mod accept;
mod aliases;
mod body;
mod branch;
mod excerpt;
mod form;
mod header_value;
mod json;
mod keyword;
mod multipart;
mod ordering;
mod parameters;
mod possible;
mod query_pairs;
mod response;
mod results;
mod style;
mod style_decode;
mod text;
mod violations;

pub(crate) use accept::accepts;
pub(crate) use aliases::Aliases;
pub(crate) use body::{BodyRule, MediaTypeRule, accepts_body, check_body};
pub(crate) use json::read_value as read_json;
pub(crate) use parameters::{ParameterContext, ParameterRule, check_parameters};
pub use possible::PossibleViolation;
pub(crate) use possible::possible_violations;
pub use response::{ResponseCheck, ResponseFault};
pub(crate) use response::{ResponseRule, StatusRange, check_response, rule_for};
pub use results::{BodyProblem, CheckedBody, RequestParameters};
pub(crate) use style::{PartEncoding, Style};
