//! What a project adds to its pages.

use std::collections::BTreeMap;

/// What a project adds to its pages.
#[derive(Debug, Clone, Default)]
pub struct Branding {
    /// The name above all pages, instead of that of the API.
    pub name: Option<String>,
    /// The name and the content of an image: `logo.svg` or `logo.png`.
    pub logo: Option<(String, Vec<u8>)>,
    /// A stylesheet after the usual one, for colours: `:root { --ink: … }`.
    pub style: Option<String>,
    /// Further pages in Markdown, by their names without `.md`. The first heading is the title.
    pub pages: Vec<(String, String)>,
    /// Templates that replace those of the same name: `page.html`, `head.html`, `blocks.html`, `apis.html`.
    pub templates: BTreeMap<String, String>,
}
