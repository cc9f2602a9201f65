//! JSON Schemas of a document, compiled.
