//! Compiles the declarations of operations into rules.

use std::sync::Arc;

use demur_source::Diagnostics;

use super::bodies::RawMediaType;
use super::operation::Operation;
use super::operations::RawOperation;
use super::parameters::RawParameter;
use crate::acceptor::Acceptor;
use crate::media_type::MediaKind;
use crate::request::{Aliases, BodyRule, MediaTypeRule, ParameterRule, ResponseRule, Style};
use crate::schema::{Schema, SchemaLocations, Schemas, Types, ValueShape};

/// The pointers of all schemas that requests, and responses if they are checked, are validated against.
pub(super) fn schema_locations(operations: &[RawOperation], checks_responses: bool) -> SchemaLocations {
    let mut locations = SchemaLocations { requests: Vec::new(), responses: checks_responses.then(Vec::new) };
    for operation in operations {
        let parameters = operation.parameters.iter();
        locations.requests.extend(parameters.filter_map(|parameter| parameter.schema.clone()));
        let media_types = operation.body.iter().flat_map(|body| &body.media_types);
        locations.requests.extend(media_types.filter_map(|media_type| media_type.schema.clone()));
        if let Some(locations) = &mut locations.responses {
            let media_types = operation.responses.iter().flat_map(|response| &response.media_types);
            let json = media_types.filter(|media_type| media_type.kind == MediaKind::Json);
            locations.extend(json.filter_map(|media_type| media_type.schema.clone()));
        }
    }
    locations
}

/// The responses of each operation, by the operation's index.
///
/// Without `schemas` only their media types are kept, for `Accept`.
pub(super) fn compile_responses(
    operations: &mut [RawOperation],
    schemas: Option<&Schemas<'_>>,
    diagnostics: &mut Diagnostics,
) -> Vec<Vec<ResponseRule>> {
    let mut compiler = schemas.map(|schemas| schemas.compiler(diagnostics));
    let mut compile = |pointer: &str, kind: MediaKind| {
        let compiler = compiler.as_mut().filter(|_| kind == MediaKind::Json);
        CompiledSchema {
            schema: compiler.and_then(|compiler| compiler.schema(pointer)),
            ..Default::default()
        }
    };
    let mut all = Vec::with_capacity(operations.len());
    for operation in operations {
        let responses = std::mem::take(&mut operation.responses).into_iter();
        let rules = responses.map(|response| ResponseRule {
            status: response.status,
            media_types: media_types(response.media_types, &mut compile).into(),
        });
        all.push(rules.collect());
    }
    all
}

/// The operations without their responses.
pub(super) fn compile_operations(
    declared: Vec<RawOperation>,
    schemas: &Schemas<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<Operation> {
    let mut compiler = schemas.compiler(diagnostics);
    let mut operations = Vec::with_capacity(declared.len());
    for (index, operation) in declared.into_iter().enumerate() {
        let mut unsupported = operation.unsupported;
        let media_types_of_body = operation.body.iter().flat_map(|body| &body.media_types);
        let pointers = operation.parameters.iter().map(|parameter| &parameter.schema);
        let pointers = pointers.chain(media_types_of_body.map(|media_type| &media_type.schema));
        for pointer in pointers.flatten() {
            unsupported += compiler.unsupported(pointer);
        }
        let mut parameters: Vec<ParameterRule> = Vec::new();
        for parameter in operation.parameters {
            let pointer = parameter.schema.as_deref();
            let shape = pointer.map(|pointer| schemas.shape(pointer)).unwrap_or_default();
            let is_readable = !has_unreadable_parts(&parameter, &shape);
            if !is_readable {
                unsupported += 1;
                let message = format!(
                    "OpenAPI does not define how nested values of `{}` are serialized in this style: the parameter is not checked",
                    parameter.name
                );
                compiler.warning(parameter.span, message);
            }
            parameters.push(ParameterRule {
                schema: pointer.filter(|_| is_readable).and_then(|pointer| compiler.schema(pointer)),
                alternatives: shape.alternatives(),
                shape,
                name: parameter.name,
                location: parameter.location,
                required: parameter.required,
                style: parameter.style,
                explode: parameter.explode,
                allow_empty: parameter.allow_empty,
            });
        }
        parameters.sort_by_key(|parameter| parameter.location);
        let body = operation.body.map(|body| {
            let mut media_types = media_types(body.media_types, |pointer, kind| {
                let is_text = matches!(kind, MediaKind::Form | MediaKind::Multipart | MediaKind::Text);
                let shape = if is_text { schemas.shape(pointer) } else { ValueShape::default() };
                let is_form = kind != MediaKind::Text;
                let is_readable = match is_form {
                    true => shape.types == Types::default() || shape.types.contains(Types::OBJECT),
                    false => shape.is_text(),
                };
                if is_text && !is_readable {
                    unsupported += 1;
                    let what = if is_form { "a form is an object" } else { "a text is no object or list" };
                    compiler.unread(pointer, format!("{what}: bodies are not checked against this schema"));
                    return CompiledSchema::default();
                }
                let schema = compiler.schema(pointer);
                let is_checked = kind == MediaKind::Json && schema.is_some();
                let acceptor = is_checked.then(|| compiler.acceptor(pointer)).flatten();
                CompiledSchema { schema, shape, acceptor }
            });
            for media_type in &mut media_types {
                if media_type.kind == MediaKind::Json && media_type.schema.is_none() {
                    media_type.acceptor = Some(Acceptor::of_anything());
                }
            }
            Arc::new(BodyRule { required: body.required, media_types })
        });
        let RawOperation { id, method, path, pointer, security, .. } = operation;
        let query_names = Aliases::of(parameters.iter().flat_map(ParameterRule::query_names));
        let responses = Vec::new();
        operations.push(Operation {
            index,
            id,
            method,
            path,
            pointer,
            parameters,
            query_names,
            body,
            responses,
            security,
            unsupported,
        });
    }
    operations
}

/// What the schema of a media type is compiled into.
#[derive(Default)]
struct CompiledSchema {
    schema: Option<Arc<Schema>>,
    shape: ValueShape,
    acceptor: Option<Acceptor>,
}

fn media_types(
    declared: Vec<RawMediaType>,
    mut schema: impl FnMut(&str, MediaKind) -> CompiledSchema,
) -> Vec<MediaTypeRule> {
    let rule = |media_type: RawMediaType| {
        let compiled = media_type.schema.map(|pointer| schema(&pointer, media_type.kind));
        let CompiledSchema { schema, shape, acceptor } = compiled.unwrap_or_default();
        let RawMediaType { range, kind, encodings, .. } = media_type;
        let names = Aliases::of(shape.members.iter().map(|(name, of)| (name.as_str(), of.is_nested())));
        let alternatives = shape.alternatives();
        MediaTypeRule { range, kind, schema, shape, alternatives, names, encodings, acceptor }
    };
    declared.into_iter().map(rule).collect()
}

/// Whether a parameter has nested lists or objects in a style for which OpenAPI does not define their serialization: all
/// but `deepObject`. Every value would be rejected.
fn has_unreadable_parts(parameter: &RawParameter, shape: &ValueShape) -> bool {
    let inner = shape.items.iter().map(AsRef::as_ref).chain(shape.members.values());
    let is_nested = inner
        .into_iter()
        .any(|part| part.is_object() || part.is_list() && !part.types.contains(Types::STRING));
    let has_style = matches!(parameter.style, Style::DeepObject | Style::Json);
    // The members of an exploded object are query parameters themselves, which may be lists.
    let is_exploded = parameter.style == Style::Form && parameter.explode && shape.is_object();
    let is_plain = is_exploded && !shape.members.values().any(ValueShape::is_object);
    is_nested && !has_style && !is_plain
}
