//! Reference pages: a page per error and operation, and the pages around them, as files that need no server.
//!
//! [`Site::build`] makes all files from the answer matrix, the contracts, the documents and the plans. `overview.rs`,
//! `access.rs`, `error_page.rs` and `reference.rs` say what is on a page, as blocks of inline Markdown; `render.rs` makes HTML and
//! Markdown of it. [`Site::find`] is what a server needs: from a path and an `Accept` to a file.

mod access;
mod api;
mod block;
mod branding;
mod catalogue;
mod changes;
mod content;
mod declaration;
mod error_page;
mod highlight;
mod markdown;
mod names;
mod navigation;
mod overview;
mod reference;
mod render;
mod samples;
mod site;
mod texts;

pub(crate) use api::public_cause;
pub use branding::Branding;
pub(crate) use names::{reason, slug};
pub use site::{CONTENT_SECURITY_POLICY, Found, Site, SiteFile};
