//! `authentication.tokens:` JSON Web Tokens that an API accepts beside keys.

use std::sync::Arc;
use std::time::Duration;

use demur_engine::settings::{ClaimNames, KeySetUrl, KeySource, Scheme, TokenSettings};
use demur_jwt::{Algorithm, KeyKind, KeyOrigin, KeySet, KeySetCell, KeySetError, Policy};
use demur_source::{Fields, Node, Span};
use http::header::AUTHORIZATION;

use crate::headers::is_taken;
use crate::reader::{ConfigReader, suggestion};

/// Clocks that differ by more are wrong, and every token would live that much longer.
const MAX_LEEWAY: Duration = Duration::from_secs(10 * 60);
const MIN_REFRESH: Duration = Duration::from_secs(10);
const DEFAULT_REFRESH: Duration = Duration::from_secs(15 * 60);
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn read_tokens(node: &Node, reader: &mut ConfigReader<'_>) -> Option<TokenSettings> {
    let mut fields = Fields::of(node, reader.source, "`tokens`", reader.found)?;
    let scheme = read_scheme(&mut fields, reader);
    let issuer = reader.required(&mut fields, "issuer").map(|(issuer, span)| non_empty(issuer, span, reader));
    let audiences = read_audiences(&mut fields, reader);
    let algorithms = read_algorithms(&mut fields, reader);
    let keys = fields.node("keys");
    if keys.is_none() {
        fields.missing("keys", reader.found);
    }
    let keys = keys.and_then(|node| read_keys(node, &algorithms, reader));
    let token_type = fields.text("type", reader.found);
    let leeway_span = fields.node("leeway").map(|node| node.span);
    let leeway = reader.duration_or_zero(&mut fields, "leeway");
    if let (Some(leeway), Some(span)) = (leeway, leeway_span)
        && leeway > MAX_LEEWAY
    {
        let help = "expired tokens are accepted for this long: write `60s`".to_owned();
        reader.error(span, "duration", "`leeway` must be at most 10 minutes", help);
    }
    let required = read_required(&mut fields, reader);
    let claims = fields.node("claims").map(|node| read_claims(node, reader)).unwrap_or_default();
    let plan = fields.node("plan").and_then(|node| read_plan(node, reader));
    fields.finish(reader.found);
    let (source, keys) = keys?;
    let policy = Policy::new(issuer??, algorithms.into_iter().map(|(algorithm, _)| algorithm));
    let leeway = leeway.unwrap_or(policy.leeway);
    let policy = Policy { audiences, token_type, leeway, required, ..policy };
    Some(TokenSettings { scheme: scheme?, policy, source, keys, claims, plan })
}

/// The header: `Authorization` with the scheme `Bearer` (RFC 6750), or another one with nothing but the token.
fn read_scheme(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> Option<Scheme> {
    let bearer = || Some(Scheme::Authorization("Bearer".to_owned()));
    let Some(node) = fields.node("header") else { return bearer() };
    let name = reader.header_name(&node.scalar_text().unwrap_or_default(), node.span)?;
    if name == AUTHORIZATION {
        return bearer();
    }
    if is_taken(&name) {
        let message = format!("the header `{name}` cannot carry a token");
        reader.error(node.span, "header-name", message, "use a header such as `X-Token`".to_owned());
        return None;
    }
    Some(Scheme::Field(name))
}

fn read_audiences(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> Vec<String> {
    let audiences = fields.texts("audience", reader.found);
    if audiences.is_empty() {
        let span = fields.node("audience").map_or(fields.span(), |node| node.span);
        let help = "add `audience: …`, the value of `aud` in tokens for this API".to_owned();
        let message = "`tokens` needs `audience`: tokens for other services of the issuer would be accepted";
        reader.error(span, "token-audience", message, help);
    }
    audiences.into_iter().filter_map(|(audience, span)| non_empty(audience, span, reader)).collect()
}

fn non_empty(text: String, span: Span, reader: &mut ConfigReader<'_>) -> Option<String> {
    if text.is_empty() {
        reader.error(span, "empty", "the value is empty", None);
        return None;
    }
    Some(text)
}

fn read_algorithms(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> Vec<(Algorithm, Span)> {
    let names: Vec<&str> = Algorithm::ALL.iter().map(|(name, _)| *name).collect();
    let listed = fields.texts("algorithms", reader.found);
    if listed.is_empty() {
        fields.missing("algorithms", reader.found);
    }
    let mut algorithms: Vec<(Algorithm, Span)> = Vec::new();
    for (name, span) in listed {
        match Algorithm::from_name(&name) {
            Some(algorithm) => algorithms.push((algorithm, span)),
            None if name.eq_ignore_ascii_case("none") => {
                let help = "list the algorithms of the issuer, such as `RS256`".to_owned();
                reader.error(span, "token-algorithm", "`none` accepts tokens without a signature", help);
            }
            None => {
                let help =
                    suggestion(&name, &names).unwrap_or_else(|| format!("known: {}", names.join(", ")));
                reader.error(span, "token-algorithm", format!("unknown algorithm `{name}`"), help);
            }
        }
    }
    let is_shared = |(algorithm, _): &&(Algorithm, Span)| algorithm.key_kind() == KeyKind::Secret;
    if let Some((algorithm, span)) = algorithms.iter().find(is_shared).copied()
        && !algorithms.iter().all(|listed| is_shared(&listed))
    {
        let message = format!("`{algorithm}` uses a shared secret, and cannot be combined with public keys");
        let help = "list algorithms of one kind: public keys are no secrets".to_owned();
        reader.error(span, "token-algorithm", message, help);
    }
    algorithms
}

/// Reads `keys:`, either `{ url: … }` or `{ file: … }`.
fn read_keys(
    node: &Node,
    algorithms: &[(Algorithm, Span)],
    reader: &mut ConfigReader<'_>,
) -> Option<(KeySource, Arc<KeySetCell>)> {
    let mut fields = Fields::of(node, reader.source, "`keys`", reader.found)?;
    let file = fields.node("file");
    let url = fields.node("url");
    match (file, url) {
        (Some(file), None) => {
            fields.finish(reader.found);
            read_file(file, algorithms, reader)
        }
        (None, Some(url)) => {
            let source = read_url(url, algorithms, &mut fields, reader);
            fields.finish(reader.found);
            source.map(|source| (KeySource::Url(source), KeySetCell::empty()))
        }
        _ => {
            let help = "write `keys: { url: https://…/jwks.json }` or `keys: { file: jwks.json }`".to_owned();
            reader.error(node.span, "token-keys", "`keys` has either `url` or `file`", help);
            None
        }
    }
}

fn read_url(
    node: &Node,
    algorithms: &[(Algorithm, Span)],
    fields: &mut Fields<'_>,
    reader: &mut ConfigReader<'_>,
) -> Option<KeySetUrl> {
    let url = node.scalar_text().unwrap_or_default();
    let roots = fields.text("roots", reader.found).map(|path| reader.folder.join(path));
    let refresh_span = fields.node("refresh").map_or(node.span, |node| node.span);
    let refresh = reader.duration(fields, "refresh").unwrap_or(DEFAULT_REFRESH);
    let max_age_span = fields.node("max_age").map_or(node.span, |node| node.span);
    let max_age = reader.duration(fields, "max_age").unwrap_or(DEFAULT_MAX_AGE.max(refresh));
    if refresh < MIN_REFRESH {
        let help = "a token with an unknown key has the keys fetched at once".to_owned();
        reader.error(refresh_span, "duration", "`refresh` must be at least 10 seconds", help);
    }
    if max_age < refresh {
        let help = "keys would be too old before they are fetched again".to_owned();
        reader.error(max_age_span, "duration", "`max_age` must be at least as long as `refresh`", help);
    }
    for (algorithm, span) in algorithms.iter().filter(|(listed, _)| listed.key_kind() == KeyKind::Secret) {
        let message = format!("`{algorithm}` uses a shared secret, which must not be fetched from a URL");
        let help = "use `keys: { file: … }`, or an algorithm with public keys such as `RS256`".to_owned();
        reader.error(*span, "token-algorithm", message, help);
    }
    let is_https = url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
    let uri = url.parse::<http::Uri>().ok().filter(|_| is_https);
    let host = uri.as_ref().and_then(http::Uri::authority).map(|authority| authority.as_str());
    if host.is_none_or(|host| host.contains('@')) {
        let help =
            "write `https://host/path`: over `http`, anyone on the way could replace the keys".to_owned();
        reader.error(node.span, "token-keys", format!("`{url}` is not a URL with `https`"), help);
        return None;
    }
    Some(KeySetUrl { url, roots, refresh, max_age })
}

fn read_file(
    node: &Node,
    algorithms: &[(Algorithm, Span)],
    reader: &mut ConfigReader<'_>,
) -> Option<(KeySource, Arc<KeySetCell>)> {
    let name = node.scalar_text().unwrap_or_default();
    let file = reader.file(&name, node.span)?;
    let keys = match KeySet::parse(file.text.as_bytes(), KeyOrigin::File) {
        Ok(keys) => keys,
        Err(error) => {
            let shared = algorithms.iter().find(|(listed, _)| listed.key_kind() == KeyKind::Secret);
            let help = match (&error, shared) {
                (KeySetError::Pem, Some((algorithm, _))) => format!(
                    "`{algorithm}` uses a shared secret: a public key as the secret lets anyone sign tokens"
                ),
                (KeySetError::Pem, None) => {
                    "convert the key to a JWK set: `{\"keys\": [{\"kty\": …}]}`".to_owned()
                }
                _ => "a JWK set is `{\"keys\": [{\"kty\": …}]}` (RFC 7517)".to_owned(),
            };
            reader.error(node.span, "token-keys", format!("`{name}` is not a usable key set: {error}"), help);
            return None;
        }
    };
    for skipped in keys.skipped() {
        let id = skipped.id.as_deref().map_or_else(|| "a key".to_owned(), |id| format!("the key `{id}`"));
        reader.warning(node.span, "token-keys", format!("{id} is not used: {}", skipped.fault), None);
    }
    for (algorithm, span) in algorithms.iter().filter(|(algorithm, _)| !keys.has_key_for(*algorithm)) {
        let mut kinds: Vec<String> = keys.kinds().map(|kind| kind.to_string()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let message = format!("`{algorithm}` does not fit the keys in `{name}`");
        let help = format!("it needs {}, and the file has {}", algorithm.key_kind(), kinds.join(" and "));
        reader.error(*span, "token-algorithm", message, help);
    }
    Some((KeySource::File(reader.folder.join(name)), KeySetCell::fixed(keys)))
}

/// `require:` claims with one accepted value, or a list of them.
fn read_required(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> Vec<(String, Vec<String>)> {
    let mut required = Vec::new();
    for (key, node) in fields.map("require", reader.found) {
        let items = node.as_seq().unwrap_or(std::slice::from_ref(node));
        let accepted: Option<Vec<String>> = items.iter().map(Node::scalar_text).collect();
        match accepted.filter(|accepted| !accepted.is_empty()) {
            Some(accepted) => required.push((key.name.clone(), accepted)),
            None => {
                let message = format!("`{}` must be a value, or a list of accepted values", key.name);
                reader.error(node.span, "wrong-kind", message, None);
            }
        }
    }
    required
}

fn read_claims(node: &Node, reader: &mut ConfigReader<'_>) -> ClaimNames {
    let mut names = ClaimNames::default();
    let Some(mut fields) = Fields::of(node, reader.source, "`claims`", reader.found) else { return names };
    let mut name = |key: &'static str| {
        let span = fields.node(key).map(|node| node.span)?;
        non_empty(fields.text(key, reader.found)?, span, reader)
    };
    let (account, plan, scopes) = (name("account"), name("plan"), name("scopes"));
    fields.finish(reader.found);
    names.account = account.unwrap_or(names.account);
    names.scopes = scopes.unwrap_or(names.scopes);
    names.plan = plan;
    names
}

/// The plan of accounts that are not in the store.
fn read_plan(node: &Node, reader: &mut ConfigReader<'_>) -> Option<String> {
    let name = node.scalar_text().unwrap_or_default();
    let known: Vec<&str> = reader.plans.iter().map(String::as_str).collect();
    if !known.contains(&&*name) {
        let help = suggestion(&name, &known);
        let message = format!("unknown plan `{name}`");
        reader.error(node.span, "unknown-plan", message, help);
        return None;
    }
    Some(name)
}
