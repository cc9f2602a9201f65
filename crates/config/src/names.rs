//! Names that a document or a contract must have: operations and errors.

use demur_contract::Contract;
use demur_source::{Span, did_you_mean};
use demur_validation::ApiDocument;

use crate::reader::{ConfigReader, suggestion};

/// Reports an operation that the document does not have.
pub(crate) fn unknown_operation(id: &str, span: Span, document: &ApiDocument, reader: &mut ConfigReader<'_>) {
    let known: Vec<&str> = document.operations().iter().map(|operation| operation.id()).collect();
    let help = suggestion(id, &known)
        .unwrap_or_else(|| format!("the document has: {}", known[..known.len().min(20)].join(", ")));
    reader.error(span, "unknown-operation", format!("the document has no operation `{id}`"), help);
}

/// An error that every contract of the API has. `others` are further names that could be meant.
pub(crate) fn named_error<'c>(
    name: String,
    span: Span,
    contracts: &[&'c Contract],
    others: impl IntoIterator<Item = &'c str>,
    reader: &mut ConfigReader<'_>,
) -> Option<String> {
    let missing = contracts.iter().find(|contract| contract.named(&name).is_none());
    let Some(contract) = missing else { return Some(name) };
    let known = contract.own_conditions().into_iter().chain(others);
    let help = match did_you_mean(&name, known) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("declare it under `errors:` of the contract `{}`", contract.name()),
    };
    reader.error(span, "unknown-error", format!("the contract has no error `{name}`"), help);
    None
}
