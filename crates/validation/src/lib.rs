//! OpenAPI documents, JSON Schema and CEL rules: what is wrong with a request.
