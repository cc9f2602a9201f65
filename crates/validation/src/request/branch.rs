//! `oneOf` and `anyOf` that no branch satisfied → the branch that was branch.
//!
//! "Does not fit any of five schemas" helps nobody. The document's `discriminator` says which branch a value
//! means; where there is none, the branch is taken that the value comes nearest to, and what is wrong with
//! the value in that branch is what the caller is told.

use jsonschema::JsonType;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind as Kind};
use serde_json::Value;

use super::excerpt;
use crate::schema::Schema;
use crate::tree::tokens;

/// What is to be said instead of "fits no branch".
pub(super) enum BestBranch<'e> {
    /// What is wrong in the branch that was branch.
    Branch(&'e [ValidationError<'static>]),
    /// The value has none of the types.
    Types(Vec<JsonType>),
    /// The value is none of those that the branches allow.
    Values(Vec<String>),
    /// The member that says which branch is branch is missing.
    NoDiscriminator(String),
    /// That member says something else than these.
    UnknownDiscriminator(String, Vec<String>),
}

/// `None` where nothing better can be said.
pub(super) fn best_branch<'e>(
    schema: &Schema,
    error: &ValidationError<'_>,
    branches: &'e [Vec<ValidationError<'static>>],
) -> Option<BestBranch<'e>> {
    let place = error.instance_path().as_str();
    let instance = error.instance();
    if let Some(branch) = discriminated(schema, error.schema_path().as_str(), instance, branches) {
        return Some(branch);
    }
    let is_whole = |error: &ValidationError<'_>| error.instance_path().as_str() == place;
    let mut types = Vec::new();
    let mut values = Vec::new();
    for branch in branches {
        for error in branch.iter().filter(|error| is_whole(error)) {
            match error.kind() {
                Kind::Type { kind: TypeKind::Single(single) } => types.push(*single),
                Kind::Type { kind: TypeKind::Multiple(several) } => types.extend(several.iter()),
                Kind::Enum { options } => {
                    values.extend(options.as_array().into_iter().flatten().map(excerpt::uncut))
                }
                Kind::Constant { expected_value } => values.push(excerpt::uncut(expected_value)),
                _ => {}
            }
        }
    }
    let of_kind = |is_kind: fn(&Kind) -> bool| {
        branches.iter().all(|branch| branch.iter().any(|error| is_whole(error) && is_kind(error.kind())))
    };
    if of_kind(|kind| matches!(kind, Kind::Type { .. })) {
        types.sort_by_key(ToString::to_string);
        types.dedup();
        return Some(BestBranch::Types(types));
    }
    if of_kind(|kind| matches!(kind, Kind::Type { .. } | Kind::Enum { .. } | Kind::Constant { .. })) {
        values.dedup();
        return Some(BestBranch::Values(values));
    }
    let distance = |branch: &&Vec<ValidationError<'static>>| {
        let wrong = |is: fn(&Kind) -> bool| branch.iter().filter(|error| is(error.kind())).count();
        // Another kind of value altogether; then one that says of itself that it is something else; then the
        // one of which the most is missing or unknown; then the one with the most mistakes.
        let has_other_type =
            branch.iter().any(|error| is_whole(error) && matches!(error.kind(), Kind::Type { .. }));
        let wrong_constants = wrong(|kind| matches!(kind, Kind::Constant { .. } | Kind::Enum { .. }));
        let missing_or_unknown =
            wrong(|kind| matches!(kind, Kind::Required { .. } | Kind::AdditionalProperties { .. }));
        (has_other_type, wrong_constants, missing_or_unknown, branch.len())
    };
    // The first of several that are equally near, as they are declared.
    branches
        .iter()
        .min_by_key(distance)
        .filter(|branch| !branch.is_empty())
        .map(|branch| BestBranch::Branch(branch))
}

/// The branch that the document's `discriminator` names.
fn discriminated<'e>(
    schema: &Schema,
    keyword: &str,
    instance: &Value,
    branches: &'e [Vec<ValidationError<'static>>],
) -> Option<BestBranch<'e>> {
    let (owner, _) = keyword.rsplit_once('/')?;
    let discriminator = schema.keyword(&format!("{owner}/discriminator"))?;
    let property = discriminator.get("propertyName")?.as_str()?;
    let members = instance.as_object()?;
    let references = schema.keyword(keyword)?.as_array()?;
    let names: Vec<String> =
        references.iter().map(|branch| branch["$ref"].as_str().map_or_else(String::new, last_name)).collect();
    let mapping = discriminator.get("mapping").and_then(Value::as_object);
    let Some(value) = members.get(property) else {
        return Some(BestBranch::NoDiscriminator(property.to_owned()));
    };
    let mapped = value.as_str().and_then(|value| {
        // A name that is not mapped is that of a schema.
        let mapped = mapping
            .and_then(|mapping| mapping.get(value)?.as_str())
            .map_or_else(|| value.to_owned(), last_name);
        names.iter().position(|name| *name == mapped)
    });
    match mapped.and_then(|position| branches.get(position)) {
        Some(branch) => Some(BestBranch::Branch(branch)),
        None => {
            let allowed = match mapping {
                Some(mapping) => mapping.keys().cloned().collect(),
                None => names.into_iter().filter(|name| !name.is_empty()).collect(),
            };
            Some(BestBranch::UnknownDiscriminator(property.to_owned(), allowed))
        }
    }
}

/// `Cat` of `#/components/schemas/Cat` and of `cat.yaml#/Cat`.
fn last_name(reference: &str) -> String {
    let fragment = reference.split_once('#').map_or(reference, |(_, fragment)| fragment);
    tokens(fragment).last().map_or_else(|| fragment.to_owned(), |name| name.into_owned())
}
