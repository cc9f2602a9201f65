//! The JSON Schemas of a document: checked, brought into one dialect, compiled.
//!
//! The whole document is one resource, and a schema is compiled as a reference to its pointer in it. So a
//! `$ref` means what it says, recursion costs nothing, and the place of a broken rule is its pointer in the
//! document. What a violation is made of is [`crate::request`]'s business.

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

/// The name of the document among its own schemas. No such host is ever asked: nothing is fetched.
const DOCUMENT: &str = "demur:///document";

/// A compiled regular expression may take this much memory, which a hundred letters of any script need;
/// `x{1000}{1000}` would take more.
const PATTERN_SIZE_LIMIT: usize = 10 * 1024 * 1024;

/// One schema, compiled.
pub(crate) struct Schema {
    validator: Validator,
    growth: Growth,
    document: Arc<Value>,
    /// Where it stands in the document.
    pointer: String,
}

impl Schema {
    pub(crate) fn is_valid(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// Whether [`Schema::errors`] stays within bounds for this value.
    pub(crate) fn within_budget(&self, value: &Value) -> bool {
        self.growth.within_budget(value)
    }

    pub(crate) fn errors<'v>(&'v self, value: &'v Value) -> impl Iterator<Item = ValidationError<'v>> {
        self.validator.iter_errors(value)
    }

    /// What it declares of values.
    pub(crate) fn declared(&self) -> Declared {
        Declared::at(&self.document, &self.pointer)
    }

    /// The types that what stands at `path` may have in a valid value.
    pub(crate) fn types(&self, path: &[ValueStep]) -> Types {
        inferred_types::types(&self.document, &self.pointer, path)
    }

    /// The document that it stands in.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// The value of the keyword at a pointer that an error names.
    pub(crate) fn keyword(&self, pointer: &str) -> Option<&Value> {
        self.document.pointer(pointer)
    }
}

/// Who sends what is held against a schema: `readOnly` and `writeOnly` are about that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaSide {
    /// Callers.
    Requests,
    /// The API behind.
    Responses,
}

/// The schemas of a document that were diagnostics sound, as one side sees them.
pub(crate) struct Schemas<'s> {
    document: Arc<Value>,
    files: &'s Files,
    root: &'s Node,
    options: &'s DocumentOptions,
}

/// Where a document's schemas stand.
pub(crate) struct SchemaLocations {
    pub(crate) requests: Vec<String>,
    /// `None` where responses are not held against the document.
    pub(crate) responses: Option<Vec<String>>,
}

impl<'s> Schemas<'s> {
    /// Checks the schemas at `locations`, and all that they refer to, and those below `components` that no
    /// message is held against (a mistake in one of these is a warning). `None` where one has a mistake.
    ///
    /// The two sides: of requests, and of responses where these are checked.
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

    /// How text becomes a value that the schema at `pointer` can judge.
    pub(crate) fn shape(&self, pointer: &str) -> ValueShape {
        ValueShape::of(&self.document, pointer)
    }

    pub(crate) fn compiler<'c>(&'c self, diagnostics: &'c mut Diagnostics) -> SchemaCompiler<'c> {
        let mut builder = Ok(Registry::new().draft(Draft::Draft202012));
        if self.files.is_dynamic() {
            // What a `$dynamicRef` means depends on the way to it: files stay what they are.
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
        // The registry takes the documents as they are: it only fails for a name that is no URI.
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

    /// The URI of a place, for the registry.
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

/// A file's name as a URI; one that is a URI already stays.
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
    /// The schema at `pointer`; `None` where it does not compile, which is then reported.
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
                "this schema is too expensive: one value could be checked against more than {MAX_COST} subschemas"
            );
            let help = format!(
                "several branches refer to the same schemas at `{excess}`: refer to each of them once, or move \
                 what they share into one schema"
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
                let message = format!("this schema does not compile: {error}");
                self.schemas.files.error(self.diagnostics, span, "schema", message, None);
                None
            }
        }
    }

    pub(crate) fn warning(&mut self, span: Span, message: String) {
        self.schemas.files.warning(self.diagnostics, span, "unsupported", message, None);
    }
}

/// What a URI's fragment cannot hold as it is: a path template's braces, above all.
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

/// Nothing is fetched, and every pattern is matched in linear time.
fn validator_options<'r>() -> ValidationOptions<'r> {
    jsonschema::draft202012::options()
        .offline()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_SIZE_LIMIT))
}
