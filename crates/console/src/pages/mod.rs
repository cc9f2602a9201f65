//! The pages, each as the values that its template shows.

pub(crate) mod accounts;
pub(crate) mod errors;
pub(crate) mod live;
pub(crate) mod request;

use minijinja::{Environment, Value, context};

const TEMPLATES: [(&str, &str); 8] = [
    ("layout.html", include_str!("../../templates/layout.html")),
    ("live.html", include_str!("../../templates/live.html")),
    ("rows.html", include_str!("../../templates/rows.html")),
    ("request.html", include_str!("../../templates/request.html")),
    ("errors.html", include_str!("../../templates/errors.html")),
    ("accounts.html", include_str!("../../templates/accounts.html")),
    ("login.html", include_str!("../../templates/login.html")),
    ("message.html", include_str!("../../templates/message.html")),
];

/// The templates.
pub(crate) struct Pages {
    environment: Environment<'static>,
}

/// A page: its template, and what it shows.
pub(crate) struct Page {
    template: &'static str,
    title: &'static str,
    values: Value,
}

impl Pages {
    pub(crate) fn new() -> Self {
        let mut environment = Environment::new();
        environment.add_filter("codes", codes);
        for (name, text) in TEMPLATES {
            // A mistake in one is found by the tests; the page says so at run time.
            let _ = environment.add_template(name, text);
        }
        Self { environment }
    }

    pub(crate) fn render(&self, page: &Page) -> Result<String, String> {
        let values = context! { title => page.title, current => page.template, page => page.values };
        self.fragment(page.template, &values)
    }

    pub(crate) fn fragment(&self, template: &str, values: &Value) -> Result<String, String> {
        let rendered = self.environment.get_template(template).and_then(|template| template.render(values));
        rendered.map_err(|error| format!("the page cannot be rendered: {error:#}"))
    }
}

impl Page {
    pub(crate) fn new(template: &'static str, title: &'static str, values: Value) -> Self {
        Self { template, title, values }
    }

    pub(crate) fn login(is_wrong: bool) -> Self {
        Self::new("login.html", "Log in", context! { is_wrong })
    }

    pub(crate) fn message(text: &str) -> Self {
        Self::new("message.html", "Console", context! { text })
    }
}

/// A value of a query.
fn parameter(query: &str, name: &str) -> Option<String> {
    let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
}

/// A text with its parts in backticks as code. Everything in it is escaped.
fn codes(text: &str) -> Value {
    let mut html = String::with_capacity(text.len() + 32);
    for (place, part) in text.split('`').enumerate() {
        let is_code = place % 2 == 1;
        html.push_str(if is_code { "<code class=\"m\">" } else { "" });
        for char in part.chars() {
            match char {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                _ => html.push(char),
            }
        }
        html.push_str(if is_code { "</code>" } else { "" });
    }
    Value::from_safe_string(html)
}

fn unreadable(error: impl std::fmt::Display) -> String {
    format!("The journal cannot be read. {error}")
}
