//! `upstream.endpoints`, and how Demur finds out which of them are healthy.

use demur_gateway::{Ejection, Endpoint, HealthCheck, Upstream};
use demur_source::{Fields, Node, Span};

use super::upstream_url::read_url;
use crate::reader::ConfigReader;

/// More endpoints than this are better behind a load balancer of their own: each request looks at all of them.
const MAX_ENDPOINTS: usize = 64;

/// A list of URLs, or of mappings with `url` and `weight`. Scheme and path are the same for all.
pub(super) fn read_endpoints(node: &Node, reader: &mut ConfigReader<'_>) -> Option<Upstream> {
    let nodes = node.as_seq().unwrap_or_default();
    if nodes.is_empty() || nodes.len() > MAX_ENDPOINTS {
        let message = format!("`endpoints` must be a list of 1 to {MAX_ENDPOINTS} URLs");
        reader.error(
            node.span,
            "endpoints",
            message,
            "write `[http://10.0.0.5:9000, http://10.0.0.6:9000]`".to_owned(),
        );
        return None;
    }
    let read: Vec<_> = nodes.iter().map(|node| read_endpoint(node, reader)).collect();
    let mut read = read.into_iter().collect::<Option<Vec<_>>>()?.into_iter();
    let (mut upstream, _) = read.next()?;
    for (other, span) in read {
        if other.path != upstream.path || other.tls != upstream.tls {
            let help = "give all endpoints the same scheme and path, or make them two APIs".to_owned();
            reader.error(span, "endpoints", "the endpoints have different schemes or paths", help);
        }
        for endpoint in other.endpoints {
            if upstream.endpoints.iter().any(|known| known.address == endpoint.address) {
                let message = format!("duplicate endpoint `{}`", endpoint.address);
                let help = "set its `weight` to give it a larger share".to_owned();
                reader.error(span, "endpoints", message, help);
            }
            upstream.endpoints.push(endpoint);
        }
    }
    Some(upstream)
}

fn read_endpoint(node: &Node, reader: &mut ConfigReader<'_>) -> Option<(Upstream, Span)> {
    if let Some(url) = node.as_str() {
        return read_url(url, node.span, reader).map(|upstream| (upstream, node.span));
    }
    let mut fields = Fields::of(node, reader.source, "an endpoint", reader.found)?;
    let url = reader.required(&mut fields, "url");
    let weight = reader.positive(&mut fields, "weight");
    fields.finish(reader.found);
    let (url, span) = url?;
    let mut upstream = read_url(&url, span, reader)?;
    if let Some(weight) = weight {
        upstream.endpoints = upstream.endpoints.into_iter().map(|it| Endpoint { weight, ..it }).collect();
    }
    Some((upstream, span))
}

/// A path, or a mapping with `path` and more.
pub(super) fn read_health_check(node: &Node, reader: &mut ConfigReader<'_>) -> Option<HealthCheck> {
    if let Some(path) = node.as_str() {
        return check_path(path, node.span, reader).map(HealthCheck::new);
    }
    let mut fields = Fields::of(node, reader.source, "`health_check`", reader.found)?;
    let path = reader.required(&mut fields, "path");
    let (interval, timeout) =
        (reader.duration(&mut fields, "interval"), reader.duration(&mut fields, "timeout"));
    let failures = reader.positive(&mut fields, "failures");
    let successes = reader.positive(&mut fields, "successes");
    fields.finish(reader.found);
    let (path, span) = path?;
    let check = HealthCheck::new(check_path(&path, span, reader)?);
    Some(HealthCheck {
        interval: interval.unwrap_or(check.interval),
        timeout: timeout.unwrap_or(check.timeout),
        failures: failures.unwrap_or(check.failures),
        successes: successes.unwrap_or(check.successes),
        path: check.path,
    })
}

fn check_path(path: &str, span: Span, reader: &mut ConfigReader<'_>) -> Option<String> {
    let is_path = path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok();
    if !is_path {
        let help = "write the path at the upstream, such as `/health`".to_owned();
        reader.error(span, "health-check", format!("`{path}` is not a path"), help);
    }
    is_path.then(|| path.to_owned())
}

pub(super) fn read_ejection(node: &Node, reader: &mut ConfigReader<'_>) -> Option<Ejection> {
    let default = Ejection::default();
    let mut fields = Fields::of(node, reader.source, "`ejection`", reader.found)?;
    let failures = reader.positive(&mut fields, "failures");
    let time = reader.duration(&mut fields, "time");
    fields.finish(reader.found);
    Some(Ejection { failures: failures.unwrap_or(default.failures), time: time.unwrap_or(default.time) })
}
