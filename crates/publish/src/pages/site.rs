//! All files of the reference pages, and the way from a request to one of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use demur_admission::Plan;
use demur_contract::Contract;
use demur_engine::Api;
use demur_matrix::{ContractMatrix, Matrix};
use minijinja::Error;

use super::api::ApiPages;
use super::branding::Branding;
use super::catalogue;
use super::error_page::summary;
use super::names::slug;
use super::navigation::{contents, navigation};
use super::render::{Renderer, Surroundings, as_markdown, words};
use super::texts::{Texts, language_name};

/// The reference pages of all APIs of a configuration.
#[derive(Debug, Default)]
pub struct Site {
    files: BTreeMap<String, SiteFile>,
    /// From the path of a `doc_url` to a file.
    aliases: BTreeMap<String, String>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFile {
    /// Its media type.
    pub content_type: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'s> {
    /// This file.
    File(&'s SiteFile),
    /// Another path of the site.
    Moved(&'s str),
    /// The same path with a slash.
    Folder,
}

/// The policy under which the pages work.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                                           form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const MARKDOWN: &str = "text/markdown; charset=utf-8";
const JSON: &str = "application/json";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

impl Site {
    /// Makes the pages of these APIs. `matrix` is theirs, and `advance` is called with the number of pages that are done.
    pub fn build(
        apis: &[Arc<Api>],
        plans: &[Plan],
        matrix: &Matrix,
        branding: &Branding,
        mut advance: impl FnMut(usize),
    ) -> Result<Self, Error> {
        let renderer = Renderer::new(&branding.templates)?;
        let mut site = Self::default();
        site.add("assets/demur.css", STYLE, include_bytes!("../../assets/demur.css").to_vec());
        site.add("assets/demur.js", SCRIPT, include_bytes!("../../assets/demur.js").to_vec());
        site.add("assets/icon.svg", "image/svg+xml", include_bytes!("../../assets/icon.svg").to_vec());
        if let Some(style) = &branding.style {
            site.add("assets/brand.css", STYLE, style.clone().into_bytes());
        }
        if let Some((name, bytes)) = &branding.logo {
            let content_type = if name.ends_with(".svg") { "image/svg+xml" } else { "image/png" };
            site.add(&format!("assets/{}", slug(name)), content_type, bytes.clone());
        }
        let mut listed = Vec::new();
        for (api, of_api) in apis.iter().zip(&matrix.apis) {
            let settings = api.settings();
            let contracts = settings.contracts().zip(&of_api.contracts);
            for (number, (contract, of_contract)) in contracts.enumerate() {
                let folder = match number {
                    0 => slug(&settings.name),
                    _ => format!("{}/contracts/{}", slug(&settings.name), slug(contract.name())),
                };
                let base = Base { folder: &folder, api, plans, contract, matrix: of_contract, branding };
                site.add_contract(&base, &renderer, &mut advance)?;
            }
            let title = settings.contract.about().title.clone().unwrap_or_else(|| settings.name.clone());
            listed.push((title, format!("{}/index.html", slug(&settings.name))));
        }
        site.add_start(&listed, branding, &renderer)?;
        Ok(site)
    }

    fn add(&mut self, path: &str, content_type: &'static str, bytes: Vec<u8>) {
        self.files.insert(path.to_owned(), SiteFile { content_type, bytes });
    }

    /// The pages of one contract, in all its languages.
    fn add_contract(
        &mut self,
        base: &Base<'_>,
        renderer: &Renderer,
        advance: &mut impl FnMut(usize),
    ) -> Result<(), Error> {
        let original = &**base.contract;
        let tags: Vec<&str> = original.locales().collect();
        for tag in &tags {
            let contract = original.in_locale(tag).unwrap_or(original);
            let api = ApiPages::new(base.api.settings(), base.plans, contract, base.matrix);
            let folder = folder_of(base.folder, tag, original);
            let pages = contents(&api, original, base.branding);
            let nav = navigation(&api, base.branding);
            let mut search = Vec::with_capacity(pages.len());
            for page in &pages {
                let languages: Vec<(String, String, String)> = tags
                    .iter()
                    .map(|other| {
                        let target = format!("{}/{}", folder_of(base.folder, other, original), page.path);
                        let up = "../".repeat(format!("{folder}/{}", page.path).matches('/').count());
                        ((*other).to_owned(), language_name(other).to_owned(), format!("{up}{target}"))
                    })
                    .collect();
                let depth = page.path.matches('/').count();
                let root = "../".repeat(depth);
                let assets = "../".repeat(depth + folder.matches('/').count() + 1);
                let description = summary(page);
                let around = Surroundings {
                    lang: contract.locale(),
                    root: &root,
                    assets: &assets,
                    title: &format!("{} · {}", page.title, api.title()),
                    description: &description,
                    brand: base.branding.name.as_deref().unwrap_or(api.title()),
                    logo: base.branding.logo.as_ref().map(|(name, _)| name.as_str()),
                    has_style: base.branding.style.is_some(),
                    api: api.title(),
                    nav: &nav,
                    current: &page.path,
                    languages: if languages.len() > 1 { &languages } else { &[] },
                    markdown: &page.path.rsplit('/').next().unwrap_or_default().replace(".html", ".md"),
                };
                let html = renderer.page(page, &around, api.texts.all())?;
                self.add(&format!("{folder}/{}", page.path), HTML, html.into_bytes());
                let markdown = as_markdown(page, &root);
                let file = page.path.replace(".html", ".md");
                self.add(&format!("{folder}/{file}"), MARKDOWN, markdown.into_bytes());
                if page.path != "search.html" {
                    let text = format!("{description} {}", words(page));
                    search.push(serde_json::json!([page.title, page.path, text]));
                }
                advance(self.files.len());
            }
            // A script instead of JSON, because pages on a disk cannot read other files.
            let index = serde_json::Value::from(search).to_string().replace("</", "<\\/");
            self.add(
                &format!("{folder}/search.js"),
                SCRIPT,
                format!("window.demurSearch = {index};\n").into_bytes(),
            );
            let json = serde_json::to_vec_pretty(&catalogue::errors_json(&api, original)).unwrap_or_default();
            self.add(&format!("{folder}/errors.json"), JSON, json);
            self.add(&format!("{folder}/llms.txt"), TEXT, catalogue::llms_txt(&api, &pages).into_bytes());
            if *tag == original.locale() {
                self.add_aliases(&api, &folder);
            }
        }
        Ok(())
    }

    /// The paths of all `doc_url`s, below the folder of the API.
    fn add_aliases(&mut self, api: &ApiPages<'_>, folder: &str) {
        for error in &api.errors {
            let Some(path) = error.entry.doc_url.as_deref().and_then(url_path) else { continue };
            let target = format!("{folder}/{}", api.error_page(&error.entry.name));
            for alias in [format!("{folder}/{path}"), path.to_owned()] {
                if !self.files.contains_key(&alias) {
                    self.aliases.entry(alias).or_insert_with(|| target.clone());
                }
            }
        }
    }

    /// The page at the root, which lists the APIs.
    fn add_start(
        &mut self,
        apis: &[(String, String)],
        branding: &Branding,
        renderer: &Renderer,
    ) -> Result<(), Error> {
        let texts = Texts::of("en");
        let brand = branding.name.clone().unwrap_or_else(|| texts.get("apis").to_owned());
        let around = Surroundings {
            lang: "en",
            root: "",
            assets: "",
            title: &brand,
            description: texts.get("apis.lede"),
            brand: &brand,
            logo: branding.logo.as_ref().map(|(name, _)| name.as_str()),
            has_style: branding.style.is_some(),
            api: &brand,
            nav: &[],
            current: "index.html",
            languages: &[],
            markdown: "index.md",
        };
        let html = renderer.apis(&around, apis, texts.all())?;
        self.add("index.html", HTML, html.into_bytes());
        let mut markdown = format!("# {brand}\n\n");
        for (title, file) in apis {
            markdown.push_str(&format!("- [{title}]({})\n", file.replace(".html", ".md")));
        }
        self.add("index.md", MARKDOWN, markdown.clone().into_bytes());
        self.add("llms.txt", TEXT, markdown.replace("index.md", "llms.txt").into_bytes());
        Ok(())
    }

    /// All files by their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &SiteFile)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// What a path within the site leads to, for a client with this `Accept`. A page is there with and without `.html`; a
    /// client that prefers Markdown gets it at the same path.
    pub fn find(&self, path: &str, accept: Option<&str>) -> Option<Found<'_>> {
        let path = path.trim_start_matches('/');
        let path = if path.is_empty() || path.ends_with('/') {
            format!("{path}index.html")
        } else {
            path.to_owned()
        };
        let page = if self.files.contains_key(&path) { path.clone() } else { format!("{path}.html") };
        if let Some(file) = self.files.get(&page) {
            let markdown = page.strip_suffix(".html").and_then(|name| self.files.get(&format!("{name}.md")));
            let prefers_markdown = accept.is_some_and(|accept| prefers(accept, "text/markdown", "text/html"));
            return Some(Found::File(markdown.filter(|_| prefers_markdown).unwrap_or(file)));
        }
        if let Some(target) = self.aliases.get(&path) {
            return Some(Found::Moved(target));
        }
        self.files.contains_key(&format!("{path}/index.html")).then_some(Found::Folder)
    }
}

/// What the pages of one contract are made from.
struct Base<'b> {
    folder: &'b str,
    api: &'b Api,
    plans: &'b [Plan],
    contract: &'b Arc<Contract>,
    matrix: &'b ContractMatrix,
    branding: &'b Branding,
}

/// The folder of a language: that of the contract's own has no name.
fn folder_of(folder: &str, tag: &str, original: &Contract) -> String {
    if tag == original.locale() { folder.to_owned() } else { format!("{folder}/{}", slug(tag)) }
}

/// The path of a URL, without query and fragment.
fn url_path(url: &str) -> Option<&str> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => url.strip_prefix('/')?,
    };
    let path = path.split(['?', '#']).next()?.trim_matches('/');
    (!path.is_empty()).then_some(path)
}

/// Whether an `Accept` prefers one media type to another: a higher weight, and named at all.
fn prefers(accept: &str, wanted: &str, other: &str) -> bool {
    let weight = |name: &str| -> Option<f32> {
        accept.split(',').find_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_it = parts.next()?.eq_ignore_ascii_case(name);
            let weight = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(Some(1.0), |weight| weight.parse().ok());
            is_it.then_some(weight)?
        })
    };
    match (weight(wanted), weight(other)) {
        (Some(wanted), other) => wanted > 0.0 && wanted > other.unwrap_or(0.0),
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_preferred_only_by_name() {
        for (accept, is_preferred) in [
            ("text/markdown", true),
            ("text/markdown, text/html;q=0.9", true),
            ("text/html, text/markdown;q=0.5", false),
            ("text/html", false),
            ("*/*", false),
            ("text/*", false),
            ("Text/Markdown;q=0", false),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false),
        ] {
            assert_eq!(prefers(accept, "text/markdown", "text/html"), is_preferred, "{accept}");
        }
    }

    #[test]
    fn doc_urls_have_a_path() {
        for (url, path) in [
            ("https://a.example/errors/x", Some("errors/x")),
            ("https://a.example/errors/x?y#z", Some("errors/x")),
            ("/errors/x/", Some("errors/x")),
            ("https://a.example/", None),
            ("https://a.example", None),
            ("urn:error:x", None),
        ] {
            assert_eq!(url_path(url), path, "{url}");
        }
    }
}
