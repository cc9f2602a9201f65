//! Checks the schemas of a document, and compiles each once.

use std::collections::HashMap;
use std::sync::Arc;

use demur_source::{Diagnostics, Node, Span};
use jsonschema::{Draft, Registry};
use serde_json::{Value, json};

use super::compiled::Schema;
use super::complexity::GrowthFactor;
use super::cost::{Costs, MAX_COST};
use super::dialect::Dialect;
use super::losses::Losses;
use super::options::validator_options;
use super::rewrite::SchemaSide;
use super::shape::ValueShape;
use super::uri::{file_name, fragment};
use super::walk::SchemaWalk;
use crate::acceptor::{Acceptor, AcceptorCompiler};
use crate::tree::Files;
use crate::{DocumentOptions, Formats, Unsupported};

/// The URI of the document in the registry. Nothing is ever fetched from it.
const DOCUMENT: &str = "demur:///document";

/// The checked schemas of a document, rewritten for one side.
pub(crate) struct Schemas<'s> {
    document: Arc<Value>,
    files: &'s Files,
    root: &'s Node,
    options: &'s DocumentOptions,
    losses: Losses,
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
        let mut walk = SchemaWalk::new(files, root, dialect, options);
        let (losses, mut is_valid) =
            walk.check_used(SchemaSide::Requests, &locations.requests, &mut document, diagnostics);
        let responses = locations.responses.as_ref().map(|locations| {
            let mut document = root.to_json();
            let (losses, is_side_valid) =
                walk.check_used(SchemaSide::Responses, locations, &mut document, diagnostics);
            is_valid &= is_side_valid;
            (document, losses)
        });
        walk.check_unused(&mut document, diagnostics);
        let schemas =
            |(document, losses)| Self { document: Arc::new(document), files, root, options, losses };
        is_valid.then(|| (schemas((document, losses)), responses.map(schemas)))
    }

    /// The document with its schemas rewritten.
    pub(crate) fn document(&self) -> Arc<Value> {
        Arc::clone(&self.document)
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
        SchemaCompiler {
            schemas: self,
            diagnostics,
            registry,
            costs,
            done: HashMap::new(),
            unsupported: HashMap::new(),
        }
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

/// Compiles schemas, each once.
pub(crate) struct SchemaCompiler<'c> {
    schemas: &'c Schemas<'c>,
    diagnostics: &'c mut Diagnostics,
    registry: Option<Registry<'c>>,
    costs: Costs<'c>,
    done: HashMap<String, Option<Arc<Schema>>>,
    unsupported: HashMap<String, usize>,
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

    /// The acceptor for bodies with the schema at `pointer`. `None` if they must be read into trees in any case.
    pub(crate) fn acceptor(&mut self, pointer: &str) -> Option<Acceptor> {
        // References are resolved at validation time.
        if self.schemas.files.is_dynamic() {
            return None;
        }
        let (document, formats) = (self.schemas.document(), self.schemas.options.formats);
        AcceptorCompiler::compile(&document, pointer, formats, &mut |pointer| self.schema(pointer))
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
            self.fault(span, "schema-cost", message, Some(help));
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
                let growth = GrowthFactor::of(&document, pointer);
                Some(Schema { validator, growth, document, pointer: pointer.to_owned() })
            }
            Err(error) => {
                let span = self.schemas.root.nearest(pointer).span;
                let message = format!("schema cannot be compiled: {error}");
                self.fault(span, "schema", message, None);
                None
            }
        }
    }

    /// Reports a schema that cannot be used.
    fn fault(&mut self, span: Span, check: &'static str, message: String, help: Option<String>) {
        match self.schemas.options.unsupported {
            Unsupported::Reject => self.schemas.files.error(self.diagnostics, span, check, message, help),
            Unsupported::Warn => {
                let message = format!("{message}: values are not checked against it");
                self.schemas.files.warning(self.diagnostics, span, check, message, help);
            }
        }
    }

    /// The number of keywords of the schema at `pointer` that are not checked.
    pub(crate) fn unsupported(&mut self, pointer: &str) -> usize {
        if let Some(known) = self.unsupported.get(pointer) {
            return *known;
        }
        let is_lost = self.schema(pointer).is_none();
        let count = self.schemas.losses.count(&self.schemas.document, pointer).max(usize::from(is_lost));
        self.unsupported.insert(pointer.to_owned(), count);
        count
    }

    /// Warns that no value can be read for the schema at `pointer`.
    pub(crate) fn unread(&mut self, pointer: &str, message: String) {
        self.warning(self.schemas.root.nearest(pointer).span, message);
    }

    pub(crate) fn warning(&mut self, span: Span, message: String) {
        self.schemas.files.warning(self.diagnostics, span, "unsupported", message, None);
    }
}
