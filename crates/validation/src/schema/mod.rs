//! The JSON Schemas of a document: checked, rewritten to one dialect, compiled.
//!
//! The whole document is one resource, and each schema is compiled as a reference to its pointer. So `$ref` needs no
//! inlining, recursion is free, and the location of a broken keyword is its pointer in the document.
//! [`crate::request`] turns errors into violations.

mod complexity;
mod cost;
mod cycles;
mod declared;
mod dialect;
mod inferred_types;
mod pattern;
mod shape;
mod vocabulary;
mod walk;

use std::collections::HashMap;
use std::sync::Arc;

use demur_source::{Diagnostics, Node, Span};
use jsonschema::{Draft, PatternOptions, Registry, ValidationError, ValidationOptions, Validator};
use serde_json::{Value, json};

pub(crate) use declared::Declared;
pub(crate) use dialect::Dialect;
pub(crate) use inferred_types::ValueStep;
pub(crate) use pattern::original as original_pattern;
pub(crate) use shape::{Types, ValueShape};

use crate::tree::Files;
use crate::{DocumentOptions, Formats};
use complexity::Growth;
use cost::{Costs, MAX_COST};

/// The URI of the document in the registry. Nothing is ever fetched from it.
const DOCUMENT: &str = "demur:///document";

/// The memory limit of a compiled pattern. It allows a hundred letters of any script, but not `x{1000}{1000}`.
const PATTERN_SIZE_LIMIT: usize = 10 * 1024 * 1024;

/// A compiled schema.
pub(crate) struct Schema {
    validator: Validator,
    growth: Growth,
    document: Arc<Value>,
    /// The pointer of the schema.
    pointer: String,
}

impl Schema {
    pub(crate) fn is_valid(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// Whether [`Schema::errors`] stays within its cost limit for this value.
    pub(crate) fn within_budget(&self, value: &Value) -> bool {
        self.growth.within_budget(value)
    }

    pub(crate) fn errors<'v>(&'v self, value: &'v Value) -> impl Iterator<Item = ValidationError<'v>> {
        self.validator.iter_errors(value)
    }

    /// What it declares for the members of values.
    pub(crate) fn declared(&self) -> Declared {
        Declared::at(&self.document, &self.pointer)
    }

    /// The types at `path` in a valid value.
    pub(crate) fn types(&self, path: &[ValueStep]) -> Types {
        inferred_types::types(&self.document, &self.pointer, path)
    }

    /// The document that contains the schema.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// The value of a keyword, by the pointer that an error has.
    pub(crate) fn keyword(&self, pointer: &str) -> Option<&Value> {
        self.document.pointer(pointer)
    }
}

/// Who sends the values of a schema: this decides between `readOnly` and `writeOnly`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaSide {
    /// Clients.
    Requests,
    /// The upstream.
    Responses,
}

/// The checked schemas of a document, rewritten for one side.
pub(crate) struct Schemas<'s> {
    document: Arc<Value>,
    files: &'s Files,
    root: &'s Node,
    options: &'s DocumentOptions,
}

/// The pointers of a document's schemas.
pub(crate) struct SchemaLocations {
    pub(crate) requests: Vec<String>,
    /// `None` if responses are not checked.
    pub(crate) responses: Option<Vec<String>>,
}

impl<'s> Schemas<'s> {
    /// Checks the schemas at `locations` and all they refer to, and unused schemas below `components`, whose mistakes
    /// are warnings. Returns the schemas of requests, and those of responses if they are checked; `None` if there are
    /// errors.
    pub(crate) fn check(
        files: &'s Files,
        root: &'s Node,
        dialect: Dialect,
        locations: &SchemaLocations,
        options: &'s DocumentOptions,
        diagnostics: &mut Diagnostics,
    ) -> Option<(Self, Option<Self>)> {
        let mut document = root.to_json();
        let mut walk = walk::Walk::new(files, root, dialect, options.formats);
        let mut is_valid =
            walk.check_used(SchemaSide::Requests, &locations.requests, &mut document, diagnostics);
        let responses = locations.responses.as_ref().map(|locations| {
            let mut document = root.to_json();
            is_valid &= walk.check_used(SchemaSide::Responses, locations, &mut document, diagnostics);
            document
        });
        walk.check_unused(&mut document, diagnostics);
        let schemas = |document| Self { document: Arc::new(document), files, root, options };
        is_valid.then(|| (schemas(document), responses.map(schemas)))
    }

    /// The shape for parsing text as a value of the schema at `pointer`.
    pub(crate) fn shape(&self, pointer: &str) -> ValueShape {
        ValueShape::of(&self.document, pointer)
    }

    pub(crate) fn compiler<'c>(&'c self, diagnostics: &'c mut Diagnostics) -> SchemaCompiler<'c> {
        let mut builder = Ok(Registry::new().draft(Draft::Draft202012));
        if self.files.is_dynamic() {
            // A `$dynamicRef` is resolved at validation time, so the files must stay separate resources.
            for (name, pointer) in self.files.all() {
                let Some(part) = self.document.pointer(&pointer) else { continue };
                builder = builder.and_then(|builder| builder.add(file_name(name), part));
            }
            for (name, pointer) in self.files.ids() {
                let Some(part) = self.document.pointer(pointer) else { continue };
                builder = builder.and_then(|builder| builder.add(file_name(name), part));
            }
        } else {
            builder = builder.and_then(|builder| builder.add(DOCUMENT, &*self.document));
        }
        // Only fails for a name that is not a URI.
        let registry = match builder.and_then(|builder| builder.prepare()) {
            Ok(registry) => Some(registry),
            Err(error) => {
                self.files.error(diagnostics, self.root.span, "schema", error.to_string(), None);
                None
            }
        };
        let costs = Costs::new(self.files, self.root);
        SchemaCompiler { schemas: self, diagnostics, registry, costs, done: HashMap::new() }
    }

    /// The URI of a pointer in the registry.
    fn uri(&self, pointer: &str) -> String {
        if !self.files.is_dynamic() {
            return format!("{DOCUMENT}#{}", fragment(pointer));
        }
        let of = |(name, at): (&str, String)| {
            let within = pointer.strip_prefix(at.as_str())?;
            Some((at.len(), format!("{}#{}", file_name(name), fragment(within))))
        };
        let longest = self.files.all().filter_map(of).max_by_key(|(length, _)| *length);
        longest.map(|(_, uri)| uri).unwrap_or_default()
    }
}

/// The URI of a file in the registry. A name that is a URI is used as it is.
pub(super) fn file_name(name: &str) -> String {
    if crate::tree::is_remote(name) {
        return name.to_owned();
    }
    format!("demur:///{}", percent_encoding::utf8_percent_encode(name, FRAGMENT))
}

/// A pointer as the fragment of a URI.
fn fragment(pointer: &str) -> String {
    percent_encoding::utf8_percent_encode(pointer, FRAGMENT).to_string()
}

/// Compiles schemas, each once.
pub(crate) struct SchemaCompiler<'c> {
    schemas: &'c Schemas<'c>,
    diagnostics: &'c mut Diagnostics,
    registry: Option<Registry<'c>>,
    costs: Costs<'c>,
    done: HashMap<String, Option<Arc<Schema>>>,
}

impl SchemaCompiler<'_> {
    /// The schema at `pointer`. `None` if it does not compile, which is reported.
    pub(crate) fn schema(&mut self, pointer: &str) -> Option<Arc<Schema>> {
        if let Some(done) = self.done.get(pointer) {
            return done.clone();
        }
        let schema = self.compile(pointer).map(Arc::new);
        self.done.insert(pointer.to_owned(), schema.clone());
        schema
    }

    fn compile(&mut self, pointer: &str) -> Option<Schema> {
        if let Some(excess) = self.costs.excess(pointer) {
            let span = self.schemas.root.nearest(&excess).span;
            let message = format!(
                "schema is too expensive: one value could be validated against more than {MAX_COST} subschemas"
            );
            let help = format!(
                "several branches at `{excess}` refer to the same schemas: refer to each schema once, or move the \
                 shared parts into one schema"
            );
            self.schemas.files.error(self.diagnostics, span, "schema-cost", message, Some(help));
            return None;
        }
        let registry = self.registry.as_ref()?;
        let reference = json!({ "$ref": self.schemas.uri(pointer) });
        let options = validator_options()
            .with_registry(registry)
            .should_validate_formats(self.schemas.options.formats == Formats::Assert);
        match options.build(&reference) {
            Ok(validator) => {
                let document = self.schemas.document.clone();
                let growth = Growth::of(&document, pointer);
                Some(Schema { validator, growth, document, pointer: pointer.to_owned() })
            }
            Err(error) => {
                let span = self.schemas.root.nearest(pointer).span;
                let message = format!("schema cannot be compiled: {error}");
                self.schemas.files.error(self.diagnostics, span, "schema", message, None);
                None
            }
        }
    }

    pub(crate) fn warning(&mut self, span: Span, message: String) {
        self.schemas.files.warning(self.diagnostics, span, "unsupported", message, None);
    }
}

/// The characters to encode in a fragment, such as the braces of path templates.
const FRAGMENT: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Options for validation without network access and with patterns in linear time.
fn validator_options<'r>() -> ValidationOptions<'r> {
    jsonschema::draft202012::options()
        .offline()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_SIZE_LIMIT))
}
