//! `authentication:` how clients send their key, the prefixes of the keys, and tokens beside them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::is_prefix;
use demur_engine::settings::{Authentication, DEFAULT_FAILURES, Prefixes, Scheme};
use demur_source::{Fields, Key, Node, Span};
use http::header::AUTHORIZATION;

use crate::headers::is_taken;
use crate::reader::ConfigReader;
use crate::tokens::read_tokens;

pub(crate) fn read_authentication(node: &Node, reader: &mut ConfigReader<'_>) -> Option<Authentication> {
    let mut fields = Fields::of(node, reader.source, "`authentication`", reader.found)?;
    let scheme = read_scheme(&mut fields, node.span, reader);
    // One other way, or a list of them.
    let also: &[Node] = match fields.node("also") {
        Some(node) => node.as_seq().unwrap_or(std::slice::from_ref(node)),
        None => &[],
    };
    let also: Vec<_> = also
        .iter()
        .map(|node| {
            let mut fields = Fields::of(node, reader.source, "`also`", reader.found)?;
            let scheme = read_scheme(&mut fields, node.span, reader);
            fields.finish(reader.found);
            scheme.map(|scheme| (scheme, node.span))
        })
        .collect();
    let prefixes = fields.node("prefix").map(|node| read_prefixes(node, reader));
    if prefixes.is_none() {
        fields.missing("prefix", reader.found);
    }
    let query = fields.text("query", reader.found);
    let tokens = fields.node("tokens");
    let tokens_span = tokens.map_or(node.span, |node| node.span);
    let tokens = tokens.map(|node| read_tokens(node, reader));
    let failures = fields.node("failures").and_then(|node| read_failures(node, reader));
    fields.finish(reader.found);
    let scheme = scheme?;
    let mut schemes = vec![scheme];
    for other in also {
        let (other, span) = other?;
        // `Authorization` may have several schemes.
        let is_same = |known: &Scheme| match (known, &other) {
            (Scheme::Authorization(known), Scheme::Authorization(other)) => known.eq_ignore_ascii_case(other),
            (known, other) => known.field() == other.field(),
        };
        if schemes.iter().any(is_same) {
            let message = format!("keys are already read from the header `{}`", other.field());
            let help = "name another scheme or header, or remove `also`".to_owned();
            reader.error(span, "scheme", message, help);
        }
        schemes.push(other);
    }
    let tokens = tokens.map(|tokens| tokens.map(Arc::new));
    if let Some(Some(tokens)) = &tokens {
        check_ambiguity(&schemes, &tokens.scheme, tokens_span, reader);
    }
    let scheme = schemes.remove(0);
    let failures = failures.unwrap_or(DEFAULT_FAILURES);
    // Without its tokens the API would be another one.
    let tokens = match tokens {
        Some(tokens) => Some(tokens?),
        None => None,
    };
    Some(Authentication { also: schemes, query, tokens, failures, ..Authentication::new(scheme, prefixes??) })
}

/// A key that is the whole of `Authorization` leaves no scheme by which a token could be told from it.
fn check_ambiguity(keys: &[Scheme], of_tokens: &Scheme, span: Span, reader: &mut ConfigReader<'_>) {
    let is_whole = |scheme: &&Scheme| matches!(scheme, Scheme::Field(name) if *name == AUTHORIZATION);
    if matches!(of_tokens, Scheme::Authorization(_)) && keys.iter().any(|scheme| is_whole(&scheme)) {
        let message = "keys are the whole of `Authorization`, so that tokens in it cannot be told from keys";
        let help = "read keys with `scheme: bearer`, or tokens from another `header`".to_owned();
        reader.error(span, "token-ambiguous", message, help);
    }
}

fn read_failures(node: &Node, reader: &mut ConfigReader<'_>) -> Option<(NonZeroU32, Duration)> {
    let mut fields = Fields::of(node, reader.source, "`failures`", reader.found)?;
    let requests = reader.positive(&mut fields, "requests");
    let per = reader.duration(&mut fields, "per");
    for name in ["requests", "per"] {
        reader.need(&mut fields, name);
    }
    fields.finish(reader.found);
    Some((requests?, per?))
}

fn read_scheme(fields: &mut Fields<'_>, span: Span, reader: &mut ConfigReader<'_>) -> Option<Scheme> {
    let scheme = fields.text("scheme", reader.found);
    let header = fields.text("header", reader.found);
    match (scheme, header) {
        (Some(_), Some(_)) => {
            let help = "`scheme` reads the key from `Authorization`, `header` from another header".to_owned();
            reader.error(span, "scheme", "`scheme` and `header` cannot be combined", help);
            None
        }
        (None, Some(header)) => {
            let name = reader.header_name(&header, span)?;
            if is_taken(&name) {
                let message = format!("the header `{header}` cannot carry a key");
                let help = "use a header such as `X-Api-Key`".to_owned();
                reader.error(span, "header-name", message, help);
                return None;
            }
            Some(Scheme::Field(name))
        }
        (Some(scheme), None) if scheme.eq_ignore_ascii_case("bearer") => {
            Some(Scheme::Authorization("Bearer".to_owned()))
        }
        (Some(scheme), None) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
            Some(Scheme::Authorization(scheme))
        }
        (Some(scheme), None) => {
            let message = format!("`{scheme}` is not a valid authentication scheme");
            reader.error(span, "scheme", message, None);
            None
        }
        (None, None) => Some(Scheme::Authorization("Bearer".to_owned())),
    }
}

/// Reads `prefix:`: one prefix, or one for each environment.
///
/// ```yaml
/// prefix: shop                                   # or
/// prefix: { live: shop_live, test: shop_test }
/// ```
fn read_prefixes(node: &Node, reader: &mut ConfigReader<'_>) -> Option<Prefixes> {
    let Some(environments) = node.as_map() else {
        let text = node.scalar_text().unwrap_or_default();
        check_prefix(&text, node.span, reader);
        return Some(Prefixes::one(text));
    };
    let mut prefixes: Vec<(String, String)> = Vec::new();
    for (key, node) in environments {
        let text = node.scalar_text().unwrap_or_default();
        check_prefix(&text, node.span, reader);
        check_environment(key, reader);
        if let Some((other, _)) = prefixes.iter().find(|(_, other)| *other == text) {
            let message = format!("the environment `{other}` already has the prefix `{text}`");
            let help = "give each environment a prefix of its own".to_owned();
            reader.error(node.span, "prefix", message, help);
        }
        prefixes.push((key.name.clone(), text));
    }
    let prefixes = Prefixes::per_environment(prefixes);
    if prefixes.is_none() {
        let help = "write `prefix: shop`, or `prefix: { live: shop_live, test: shop_test }`".to_owned();
        reader.error(node.span, "prefix", "`prefix` is empty", help);
    }
    prefixes
}

const PREFIX_FORM: &str = "use 1 to 32 letters and digits, with single `_` or `-` between them";

fn check_prefix(prefix: &str, span: Span, reader: &mut ConfigReader<'_>) {
    if !is_prefix(prefix) {
        let message = format!("`{prefix}` is not a valid key prefix");
        reader.error(span, "prefix", message, PREFIX_FORM.to_owned());
    }
}

/// A header passes it to the upstream.
fn check_environment(environment: &Key, reader: &mut ConfigReader<'_>) {
    if !is_prefix(&environment.name) {
        let message = format!("`{}` is not a valid environment name", environment.name);
        reader.error(environment.span, "environment", message, PREFIX_FORM.to_owned());
    }
}
