//! A loaded API document: its operations, and the questions that a request asks of them.
//!
//! `reader` (with `parameters` and `contents`) turns the text into raw declarations and reports mistakes,
//! [`crate::schema`] checks and compiles the schemas that those name, `routes` finds an operation, and what
//! is wrong with a request is found by [`crate::request`].

mod contents;
pub(crate) mod files;
mod operation;
mod parameters;
pub(crate) mod pointer;
mod reader;
mod routes;
mod saved_match;
mod security;
mod uri;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use demur_source::{Diagnostics, Node, Source, did_you_mean, parse};

pub(crate) use contents::{MediaKind, PartEncoding, essence};
pub use operation::Operation;
pub(crate) use reader::{unreadable, unresolved};
pub use routes::{Find, RouteMatch};
pub use saved_match::SavedMatch;
pub use security::{SecurityKind, SecurityScheme};

use crate::DocumentOptions;
use crate::request::{
    self, Aliases, ContentRule, MediaTypeRule, ParameterRule, RequestContent, RequestParameters,
    ResponseCheck, ResponseRule, Style,
};
use crate::schema::{Dialect, SchemaCompiler, SchemaLocations, Schemas, ValueShape};
use contents::RawMediaType;
use files::{Files, ReadFile};
use pointer::Located;
use reader::{DocumentReader, RawOperation};

/// An OpenAPI document, compiled.
pub struct ApiDocument {
    operations: Vec<Operation>,
    by_id: HashMap<String, usize>,
    routes: routes::Routes,
    security_schemes: Vec<SecurityScheme>,
    options: DocumentOptions,
}

impl ApiDocument {
    /// Reads and compiles an OpenAPI 3.0 or 3.1 document in one file, in YAML or JSON. `None` where it cannot
    /// be used; why is in `found`, every mistake at its place.
    pub fn load(source: &Arc<Source>, options: &DocumentOptions, found: &mut Diagnostics) -> Option<Self> {
        Self::load_files(source, &mut |_| Err("other files are not read here".to_owned()), options, found)
    }

    /// As [`ApiDocument::load`], for a document in several files. `read` is given the name of each that a
    /// `$ref` leads to: a path relative to the folder of the first (`schemas/pet.yaml`), or a URI as it is
    /// written. It must fetch nothing that the operator did not put there.
    pub fn load_files(
        source: &Arc<Source>,
        read: &mut ReadFile<'_>,
        options: &DocumentOptions,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        let mut root = match parse(source) {
            Ok(root) => root,
            Err(mistakes) => {
                found.extend(mistakes);
                return None;
            }
        };
        if root.as_map().is_none() {
            let message = format!("an OpenAPI document must be a mapping, not {}", root.kind_name());
            found.error(source, root.span, "wrong-kind", message, None);
            return None;
        }
        // The caller's list may hold errors of other files already; this document is judged by its own.
        let mut own = Diagnostics::new();
        let files = Files::gather(source, &mut root, read, &mut own);
        let document = Self::read(&files, source, &root, options, &mut own);
        let has_errors = own.has_errors();
        found.extend(own.sorted());
        document.filter(|_| !has_errors)
    }

    fn read(
        files: &Files,
        source: &Arc<Source>,
        root: &Node,
        options: &DocumentOptions,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        // With a version that is missing or unknown the rest is read all the same: a person wants to see
        // the other mistakes too.
        let dialect = dialect(source, root, found)?;
        let checks_answers = options.checks_answers;
        let root_place = Located::root(root);
        let said = HashSet::new();
        let mut reader =
            DocumentReader { files, root: root_place, found, is_idle: false, checks_answers, said };
        let security_schemes = reader.security_schemes();
        let raw = reader.operations();
        let security = reader.requirements(&Located::root(root));
        let routes = routes::Routes::build(&raw, &mut reader);
        let places = schema_places(&raw, checks_answers);
        let (requests, answers) = Schemas::check(files, root, dialect, &places, options, found)?;
        let mut raw = raw;
        let mut answers = compile_answers(&mut raw, answers.as_ref(), found);
        let mut operations = compile(raw, &requests, found);
        for operation in &mut operations {
            operation.answers = std::mem::take(&mut answers[operation.index]);
            if operation.security.is_none() {
                operation.security.clone_from(&security);
            }
        }
        let by_id = operations.iter().map(|operation| (operation.id.clone(), operation.index)).collect();
        Some(Self { operations, by_id, routes, security_schemes, options: *options })
    }

    /// The ways to be known that the document declares.
    pub fn security_schemes(&self) -> &[SecurityScheme] {
        &self.security_schemes
    }

    /// Holds an answer against what the operation declares; `None` where the document was not loaded with
    /// [`checks_answers`](DocumentOptions::checks_answers).
    pub fn check_answer(
        &self,
        operation: &Operation,
        status: http::StatusCode,
        content_type: Option<&str>,
        bytes: &[u8],
    ) -> Option<ResponseCheck> {
        let options = &self.options;
        let check =
            || request::check_answer(options, &operation.answers, status.as_u16(), content_type, bytes);
        options.checks_answers.then(check)
    }

    /// Whether the content of such an answer must be read to know whether it is as declared.
    pub fn needs_response_body(&self, operation: &Operation, status: http::StatusCode) -> bool {
        let rule = request::rule_for(&operation.answers, status.as_u16());
        self.options.checks_answers
            && rule.is_some_and(|rule| rule.media_types.iter().any(|media_type| media_type.schema.is_some()))
    }

    /// Every operation, in the order of the document: an operation's index is its position here.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operation of that id.
    pub fn operation(&self, id: &str) -> Option<&Operation> {
        self.operations.get(*self.by_id.get(id)?)
    }

    /// The id that `id` was probably meant to be, for whoever names operations in a configuration.
    pub fn similar_operation(&self, id: &str) -> Option<&str> {
        did_you_mean(id, self.operations.iter().map(Operation::id))
    }

    /// The operation that a method and a path mean. The path is the target's, still percent-encoded,
    /// without query, and without the prefix under which the API is mounted. HEAD means GET's operation
    /// where the document does not declare it by itself.
    pub fn find<'d, 'p>(&'d self, method: &http::Method, path: &'p str) -> Find<'d, 'p> {
        self.routes.find(&self.operations, method, path)
    }

    /// A match that was saved, for the same path. `None` if it is not of this document.
    pub fn restore<'d, 'p>(&'d self, saved: &SavedMatch, path: &'p str) -> Option<RouteMatch<'d, 'p>> {
        saved.restore(&self.operations, path)
    }

    /// Checks path, query, header and cookie parameters.
    ///
    /// `values` of the answer holds every declared parameter that is present, by its name, for rules.
    pub fn check_parameters(
        &self,
        found: &RouteMatch<'_, '_>,
        query: Option<&str>,
        headers: &http::HeaderMap,
    ) -> RequestParameters {
        request::check_parameters(&self.options, &found.operation.parameters, found, query, headers)
    }

    /// Checks the content against what the operation declares.
    ///
    /// Content that the operation does not declare is not looked at. Required JSON content that is absent
    /// is `body.invalid_json`, since nothing is not JSON; other required content that is absent is a
    /// `param.missing` without a name.
    pub fn check_content(
        &self,
        operation: &Operation,
        content_type: Option<&str>,
        bytes: &[u8],
    ) -> RequestContent {
        match &operation.content {
            Some(rule) => request::check_content(&self.options, rule, content_type, bytes),
            None => RequestContent::Checked { value: None, violations: Vec::new() },
        }
    }
}

impl fmt::Debug for ApiDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiDocument").field("operations", &self.operations.len()).finish_non_exhaustive()
    }
}

/// The version decides how schemas are read. `None` for Swagger 2, in which everything else differs too.
fn dialect(source: &Arc<Source>, root: &Node, found: &mut Diagnostics) -> Option<Dialect> {
    let Some(version) = root.get("openapi") else {
        if let Some(version) = root.get("swagger") {
            let message = "this is a Swagger 2 document: OpenAPI 3.0 and 3.1 are read";
            found.error(source, version.span, "version", message, "convert it to OpenAPI 3".to_owned());
            return None;
        }
        let message = "the document does not say its version";
        found.error(source, root.span, "version", message, "add `openapi: 3.1.0`".to_owned());
        return Some(Dialect::OpenApi31);
    };
    let text = version.scalar_text().unwrap_or_default();
    let is = |line: &str| text == line || text.strip_prefix(line).is_some_and(|rest| rest.starts_with('.'));
    if is("3.0") {
        return Some(Dialect::OpenApi30);
    }
    if !is("3.1") {
        let message = format!("OpenAPI `{text}` is not supported: 3.0 and 3.1 are read");
        found.error(source, version.span, "version", message, "write `openapi: 3.1.0`".to_owned());
    }
    Some(Dialect::OpenApi31)
}

/// The pointers of every schema that a request, or an answer, is held against.
fn schema_places(operations: &[RawOperation], checks_answers: bool) -> SchemaLocations {
    let mut places = SchemaLocations { requests: Vec::new(), answers: checks_answers.then(Vec::new) };
    for operation in operations {
        places.requests.extend(operation.parameters.iter().filter_map(|parameter| parameter.schema.clone()));
        let media_types = operation.content.iter().flat_map(|content| &content.media_types);
        places.requests.extend(media_types.filter_map(|media_type| media_type.schema.clone()));
        if let Some(places) = &mut places.answers {
            let media_types = operation.answers.iter().flat_map(|answer| &answer.media_types);
            let json = media_types.filter(|media_type| media_type.kind == MediaKind::Json);
            places.extend(json.filter_map(|media_type| media_type.schema.clone()));
        }
    }
    places
}

/// Media types, their schemas compiled where they are needed.
fn media_types(
    raw: Vec<RawMediaType>,
    mut schema: impl FnMut(&str, MediaKind) -> (Option<Arc<crate::schema::Schema>>, ValueShape),
) -> Vec<MediaTypeRule> {
    let rule = |media_type: RawMediaType| {
        let compiled = media_type.schema.map(|pointer| schema(&pointer, media_type.kind));
        let (schema, shape) = compiled.unwrap_or_default();
        let RawMediaType { range, kind, encodings, .. } = media_type;
        let names = Aliases::of(shape.members.iter().map(|(name, of)| (name.as_str(), of.is_nested())));
        MediaTypeRule { range, kind, schema, shape, names, encodings }
    };
    raw.into_iter().map(rule).collect()
}

/// The answers of each operation. Where nobody holds answers against them, only their media types matter.
fn compile_answers(
    raw: &mut [RawOperation],
    schemas: Option<&Schemas<'_>>,
    found: &mut Diagnostics,
) -> Vec<Vec<ResponseRule>> {
    let mut compiler = schemas.map(|schemas| schemas.compiler(found));
    let mut compile = |pointer: &str, kind: MediaKind| {
        let compiler = compiler.as_mut().filter(|_| kind == MediaKind::Json);
        (compiler.and_then(|compiler| compiler.schema(pointer)), ValueShape::default())
    };
    let mut all = Vec::with_capacity(raw.len());
    for operation in raw {
        let answers = std::mem::take(&mut operation.answers).into_iter();
        let rules = answers.map(|answer| ResponseRule {
            status: answer.status,
            media_types: media_types(answer.media_types, &mut compile).into(),
        });
        all.push(rules.collect());
    }
    all
}

fn compile(raw: Vec<RawOperation>, schemas: &Schemas<'_>, found: &mut Diagnostics) -> Vec<Operation> {
    let mut compiler = schemas.compiler(found);
    let mut operations = Vec::with_capacity(raw.len());
    for (index, operation) in raw.into_iter().enumerate() {
        let mut parameters: Vec<ParameterRule> = Vec::new();
        for parameter in operation.parameters {
            let pointer = parameter.schema.as_deref();
            let shape = pointer.map(|pointer| schemas.shape(pointer)).unwrap_or_default();
            nested(&parameter, &shape, &mut compiler);
            parameters.push(ParameterRule {
                schema: pointer.and_then(|pointer| compiler.schema(pointer)),
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
        let content = operation.content.map(|content| {
            let media_types = media_types(content.media_types, |pointer, kind| {
                let is_form = matches!(kind, MediaKind::Form | MediaKind::Multipart);
                let shape = if is_form { schemas.shape(pointer) } else { ValueShape::default() };
                (compiler.schema(pointer), shape)
            });
            Arc::new(ContentRule { required: content.required, media_types })
        });
        let RawOperation { id, method, path, security, .. } = operation;
        let answers = Vec::new();
        let query_names = Aliases::of(parameters.iter().flat_map(ParameterRule::query_names));
        operations.push(Operation {
            index,
            id,
            method,
            path,
            parameters,
            query_names,
            content,
            answers,
            security,
        });
    }
    operations
}

/// OpenAPI says of no style but `deepObject` how what is nested in lists and objects is written.
fn nested(parameter: &parameters::RawParameter, shape: &ValueShape, compiler: &mut SchemaCompiler<'_>) {
    let inner = shape.items.iter().map(AsRef::as_ref).chain(shape.members.values());
    let is_nested = inner
        .into_iter()
        .any(|part| part.is_object() || part.is_list() && !part.types.contains(crate::schema::Types::STRING));
    let has_style = matches!(parameter.style, Style::Deep | Style::Json);
    // Members that stand in the query by themselves may be lists, as parameters may.
    let is_spread = parameter.style == Style::Form && parameter.explode && shape.is_object();
    let is_plain = is_spread && !shape.members.values().any(ValueShape::is_object);
    if is_nested && !has_style && !is_plain {
        let message = format!(
            "OpenAPI does not say how the parts of `{}` are written in this style: they are read as text",
            parameter.name
        );
        compiler.warning(parameter.span, message);
    }
}
