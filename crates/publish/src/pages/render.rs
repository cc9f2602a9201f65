//! Pages as HTML and as Markdown.

use std::collections::BTreeMap;

use minijinja::value::Kwargs;
use minijinja::{AutoEscape, Environment, Error, Value, context};
use serde::Serialize;

use super::block::Block;
use super::content::Content;
use super::overview::status_class;
use super::{highlight, markdown};

/// The templates, which a project can override by name.
const TEMPLATES: [(&str, &str); 4] = [
    ("head.html", include_str!("../../templates/head.html")),
    ("page.html", include_str!("../../templates/page.html")),
    ("blocks.html", include_str!("../../templates/blocks.html")),
    ("apis.html", include_str!("../../templates/apis.html")),
];

/// Renders pages with the templates.
pub(crate) struct Renderer {
    environment: Environment<'static>,
}

/// What surrounds the content of a page.
#[derive(Debug, Serialize)]
pub(crate) struct Surroundings<'s> {
    /// The language of the page.
    pub(crate) lang: &'s str,
    /// From the page to the folder of the language: `../`.
    pub(crate) root: &'s str,
    /// From the page to the root of the site.
    pub(crate) assets: &'s str,
    pub(crate) title: &'s str,
    pub(crate) description: &'s str,
    pub(crate) brand: &'s str,
    pub(crate) logo: Option<&'s str>,
    pub(crate) has_style: bool,
    pub(crate) api: &'s str,
    pub(crate) nav: &'s [NavGroup],
    pub(crate) current: &'s str,
    /// The same page in all languages: tag, name, link.
    pub(crate) languages: &'s [(String, String, String)],
    pub(crate) markdown: &'s str,
}

/// A group of the navigation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NavGroup {
    pub(crate) title: String,
    pub(crate) class: Option<&'static str>,
    pub(crate) links: Vec<NavLink>,
}

/// A link of the navigation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NavLink {
    pub(crate) text: String,
    pub(crate) note: String,
    pub(crate) file: String,
    pub(crate) is_code: bool,
}

impl Renderer {
    /// `overrides` replaces templates by their names.
    pub(crate) fn new(overrides: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        // Without this, every slash of a link would be escaped too.
        environment.set_formatter(|out, state, value| match state.auto_escape() {
            AutoEscape::Html if !value.is_safe() && !value.is_undefined() && !value.is_none() => {
                Ok(std::fmt::Write::write_str(out, &highlight::escaped(&value.to_string()))?)
            }
            _ => minijinja::escape_formatter(out, state, value),
        });
        // The templates of this crate are valid, and those of a project are checked here.
        for (name, text) in TEMPLATES {
            environment.add_template(name, text)?;
        }
        for (name, text) in overrides {
            environment.add_template_owned(name.clone(), text.clone())?;
        }
        let relative = |root: String| move |page: &str| format!("{root}{page}");
        environment.add_filter("inline", move |text: &str, root: String| {
            Value::from_safe_string(markdown::inline(text, &relative(root)))
        });
        environment.add_filter("prose", move |text: &str, root: String| {
            Value::from_safe_string(markdown::blocks(text, &relative(root)))
        });
        environment.add_filter("code", |text: &str| Value::from_safe_string(highlight::code(text)));
        environment.add_filter("json_line", |text: &str| Value::from_safe_string(highlight::json(text)));
        environment.add_filter("status_class", |text: &str| status_class(text).unwrap_or_default());
        environment.add_filter("breakable", |text: &str| {
            Value::from_safe_string(highlight::escaped(text).replace('_', "_<wbr>"))
        });
        environment.add_function("slug", |text: &str, _: Kwargs| super::names::slug(text));
        Ok(Self { environment })
    }

    pub(crate) fn page(
        &self,
        content: &Content,
        around: &Surroundings<'_>,
        texts: &std::collections::HashMap<String, String>,
    ) -> Result<String, Error> {
        let page = context! {
            title => content.title,
            is_code => content.is_code,
            method => content.method,
            pill => content.pill,
            lede => content.lede,
            crumbs => content.crumbs,
            blocks => content.blocks,
        };
        self.environment.get_template("page.html")?.render(context! { page, around, t => texts })
    }

    /// The page that lists several APIs.
    pub(crate) fn apis(
        &self,
        around: &Surroundings<'_>,
        apis: &[(String, String)],
        texts: &std::collections::HashMap<String, String>,
    ) -> Result<String, Error> {
        self.environment.get_template("apis.html")?.render(context! { around, apis, t => texts })
    }
}

/// A page as Markdown. Its links lead to other pages as Markdown.
pub(crate) fn as_markdown(content: &Content, root: &str) -> String {
    let mut out = String::new();
    let method = content.method.as_ref().map(|method| format!("{method} ")).unwrap_or_default();
    out.push_str(&format!("# {method}{}\n\n", markdown::escape(&content.title)));
    if let Some((_, text)) = &content.pill {
        out.push_str(&format!("{text}\n\n"));
    }
    out.push_str(&format!("{}\n\n", content.lede));
    write_blocks(&content.blocks, &mut out);
    let mut text = String::with_capacity(out.len());
    let mut rest = out.as_str();
    while let Some((before, after)) = rest.split_once("](@/") {
        let (target, after) = after.split_once(')').unwrap_or((after, ""));
        text.push_str(before);
        text.push_str(&format!("]({root}{})", target.replace(".html", ".md")));
        rest = after;
    }
    text.push_str(rest);
    text
}

fn write_blocks(blocks: &[Block], out: &mut String) {
    for block in blocks {
        match block {
            Block::Answers { answers } => {
                for answer in answers {
                    out.push_str(&format!("- **{}** {}. {}\n", answer.question, answer.answer, answer.text));
                }
                out.push('\n');
            }
            Block::Section { heading, blocks, .. } => {
                out.push_str(&format!("## {heading}\n\n"));
                write_blocks(blocks, out);
            }
            Block::Text { text } => out.push_str(&format!("{text}\n\n")),
            Block::Prose { markdown } => out.push_str(&format!("{}\n\n", markdown.trim())),
            Block::List { items } => {
                items.iter().for_each(|item| out.push_str(&format!("- {item}\n")));
                out.push('\n');
            }
            Block::Steps { items } => {
                (1..).zip(items).for_each(|(number, item)| out.push_str(&format!("{number}. {item}\n")));
                out.push('\n');
            }
            Block::Table { head, rows } => {
                out.push_str(&format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len())));
                for row in rows {
                    out.push_str(&format!("| {} |\n", row.cells.join(" | ").replace('\n', " ")));
                }
                out.push('\n');
            }
            Block::Code { caption, text } => {
                out.push_str(&format!("{caption}:\n\n```text\n{}\n```\n\n", text.trim_end()));
            }
            Block::Tabs { tabs, .. } => {
                for tab in tabs {
                    out.push_str(&format!(
                        "{}:\n\n```{}\n{}\n```\n\n",
                        tab.name,
                        tab.id,
                        tab.code.trim_end()
                    ));
                }
            }
            Block::Spec { rows } => {
                rows.iter().for_each(|(name, value)| out.push_str(&format!("- {name}: {value}\n")));
                out.push('\n');
            }
            Block::Quote { text } => out.push_str(&format!("> {text}\n\n")),
            Block::Members { lines } => {
                out.push_str("```json\n");
                lines
                    .iter()
                    .for_each(|line| out.push_str(&format!("{}{}\n", "  ".repeat(line.indent), line.json)));
                out.push_str("```\n\n");
            }
            Block::Index { groups, .. } => {
                for group in groups {
                    out.push_str(&format!("## {}\n\n{}\n\n", markdown::escape(&group.name), group.text));
                    for row in &group.errors {
                        let link = markdown::code_link(&row.code, &row.link);
                        let message = markdown::escape(&row.message);
                        out.push_str(&format!("- {} {link}: {message} ({})\n", row.status, row.retry_text));
                    }
                    out.push('\n');
                }
            }
            Block::Search => {}
        }
    }
}

/// The words of a page, for the search.
pub(crate) fn words(content: &Content) -> String {
    let mut out = String::new();
    write_blocks(&content.blocks, &mut out);
    let plain = markdown::plain(&out);
    plain.chars().take(4_000).collect()
}
