//! Writes the configuration: the API with its document, how keys are sent, and a first plan.

use std::fmt::Write;

use serde_json::Value;

use super::responses::resolve;
use super::text::{one_line, quoted};

pub(crate) fn write(document: &Value, name: &str, title: &str, (contract, openapi): (&str, &str)) -> String {
    let mut out = format!(
        "# {}. Check it with `demur check FILE`.\n# Reference: docs/reference/configuration.md.\n\
         demur: 2\nlisten: 127.0.0.1:8080\nstore: sqlite:demur.db\n\n\
         # A first plan. Accounts are created on a plan: `demur accounts create --plan free`.\nplans:\n  free:\n    \
         rates:\n      - {{ name: per-second, requests: 10, per: 1s }}\n      \
         - {{ name: per-minute, requests: 300, per: 1m }}\n\napis:\n  - name: {name}\n",
        one_line(title, 200)
    );
    let _ = writeln!(out, "    contract: {}", Value::from(format!("./{contract}")));
    let _ = writeln!(out, "    openapi: {}", Value::from(openapi));
    let servers = document.get("servers").and_then(Value::as_array).into_iter().flatten();
    for url in servers.filter_map(|server| server.get("url").and_then(Value::as_str)).take(3) {
        let _ = writeln!(out, "    # Server of the document: {}", one_line(url, 200));
    }
    out.push_str("    upstream: http://127.0.0.1:9000 # where the API runs\n");
    authentication(document, &mut out);
    out
}

/// How keys are sent, by the first scheme that Demur has too.
fn authentication(document: &Value, out: &mut String) {
    let schemes = document.pointer("/components/securitySchemes").and_then(Value::as_object);
    let mut chosen: Option<String> = None;
    let mut others = Vec::new();
    for (name, scheme) in schemes.into_iter().flatten() {
        let scheme = resolve(document, scheme);
        let text = |key: &str| scheme.get(key).and_then(Value::as_str).unwrap_or_default();
        let own = match (text("type"), text("scheme").to_ascii_lowercase().as_str(), text("in")) {
            ("http", "bearer", _) => Some("{ scheme: bearer, prefix: key }".to_owned()),
            ("http", "basic", _) => Some("{ scheme: basic, prefix: key }".to_owned()),
            ("apiKey", _, "header") if text("name").eq_ignore_ascii_case("authorization") => {
                Some("{ scheme: bearer, prefix: key }".to_owned())
            }
            ("apiKey", _, "header") => Some(format!("{{ header: {}, prefix: key }}", quoted(text("name")))),
            ("apiKey", _, "query") => {
                Some(format!("{{ scheme: bearer, query: {}, prefix: key }}", quoted(text("name"))))
            }
            _ => None,
        };
        match (own, &chosen) {
            (Some(own), None) => chosen = Some(own),
            _ => others.push(format!("{name} ({})", text("type"))),
        }
    }
    for other in others.iter().take(10) {
        let _ = writeln!(out, "    # Not recognised: the security scheme {}", one_line(other, 100));
    }
    let chosen = chosen.unwrap_or_else(|| "{ scheme: bearer, prefix: key }".to_owned());
    let _ = writeln!(out, "    authentication: {chosen} # keys begin with `key_`");
}
