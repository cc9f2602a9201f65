//! Selects the branch of a failed `oneOf` or `anyOf` whose errors are reported.
//!
//! "Matches none of five schemas" does not help the caller. The `discriminator` selects the branch; without one, it
//! is the branch that the value resembles most.

use jsonschema::JsonType;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind as Kind};
use serde_json::Value;

use super::excerpt;
use crate::schema::{Schema, last_name};

/// What is reported instead of "no branch matches".
pub(super) enum BestBranch<'e> {
    /// The errors of the selected branch.
    Branch(&'e [ValidationError<'static>]),
    /// No branch allows the value's type.
    Types(Vec<JsonType>),
    /// No branch allows the value.
    Values(Vec<String>),
    /// The discriminator property is missing.
    NoDiscriminator(String),
    /// The discriminator property has none of these values.
    UnknownDiscriminator(String, Vec<String>),
}

/// Returns `None` if no branch is better than the others.
pub(super) fn best_branch<'e>(
    schema: &Schema,
    error: &ValidationError<'_>,
    branches: &'e [Vec<ValidationError<'static>>],
) -> Option<BestBranch<'e>> {
    let pointer = error.instance_path().as_str();
    let instance = error.instance();
    if let Some(branch) = discriminated(schema, error.schema_path().as_str(), instance, branches) {
        return Some(branch);
    }
    let is_whole = |error: &ValidationError<'_>| error.instance_path().as_str() == pointer;
    let mut types = Vec::new();
    let mut values = Vec::new();
    for branch in branches {
        for error in branch.iter().filter(|error| is_whole(error)) {
            match error.kind() {
                Kind::Type { kind: TypeKind::Single(single) } => types.push(*single),
                Kind::Type { kind: TypeKind::Multiple(several) } => types.extend(several.iter()),
                Kind::Enum { options } => {
                    values.extend(options.as_array().into_iter().flatten().map(excerpt::uncut));
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
        // Prefer the right type, then matching constants, then the fewest missing or unknown members, then the fewest
        // errors.
        let has_other_type =
            branch.iter().any(|error| is_whole(error) && matches!(error.kind(), Kind::Type { .. }));
        let wrong_constants = wrong(|kind| matches!(kind, Kind::Constant { .. } | Kind::Enum { .. }));
        let missing_or_unknown =
            wrong(|kind| matches!(kind, Kind::Required { .. } | Kind::AdditionalProperties { .. }));
        (has_other_type, wrong_constants, missing_or_unknown, branch.len())
    };
    // The first of several with the same distance.
    branches
        .iter()
        .min_by_key(distance)
        .filter(|branch| !branch.is_empty())
        .map(|branch| BestBranch::Branch(branch))
}

/// Selects the branch by the document's `discriminator`.
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
        // A value without mapping is the name of a schema.
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
