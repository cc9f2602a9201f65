//! `upstream:` of an API.

use std::sync::Arc;
use std::time::SystemTime;

use demur_gateway::{
    CertificateFiles, Ejection, HostHeader, Upstream, UpstreamTls, UpstreamTlsError, UpstreamTlsSettings,
};
use demur_source::{Fields, Node, Span};
use http::HeaderValue;
use http::uri::Authority;

use super::certificates::{report_certificate, warn_about_files};
use super::count::read_count;
use super::endpoints;
use super::upstream_url::read_url;
use crate::reader::ConfigReader;

/// A URL, or a mapping with `url` or `endpoints` and more.
pub(super) fn read_upstream(node: &Node, reader: &mut ConfigReader<'_>) -> Option<Upstream> {
    if let Some(url) = node.as_str() {
        let upstream = read_url(url, node.span, reader)?;
        return with_tls(upstream, None, node.span, reader);
    }
    let mut fields = Fields::of(node, reader.source, "`upstream`", reader.found)?;
    let span = fields.node("url").or(fields.node("endpoints")).map_or(node.span, |node| node.span);
    let url = fields.text("url", reader.found);
    let endpoints = fields.node("endpoints");
    let endpoints = endpoints.map(|node| endpoints::read_endpoints(node, reader));
    if fields.node("url").is_none() && endpoints.is_none() {
        fields.missing("url", reader.found);
    }
    if let (Some(_), Some(node)) = (&url, fields.node("endpoints")) {
        let help = "remove one of them".to_owned();
        reader.error(node.span, "endpoints", "`upstream` has both `url` and `endpoints`", help);
    }
    let tls = fields.node("tls");
    let host = fields.node("host").and_then(|node| read_host(node, reader));
    let connect_timeout = reader.duration(&mut fields, "connect_timeout");
    let timeout = reader.duration(&mut fields, "timeout");
    let idle_timeout = reader.duration(&mut fields, "idle_timeout");
    let max_headers = read_count(&mut fields, "max_headers", reader);
    let health_check = fields.node("health_check");
    let health_check = health_check.and_then(|node| endpoints::read_health_check(node, reader));
    let ejection = fields.node("ejection").and_then(|node| endpoints::read_ejection(node, reader));
    let slow_start = reader.duration(&mut fields, "slow_start");
    fields.finish(reader.found);
    let upstream = match endpoints {
        Some(endpoints) => endpoints?,
        None => read_url(&url?, span, reader)?,
    };
    let upstream = Upstream {
        host: host.unwrap_or_default(),
        connect_timeout: connect_timeout.unwrap_or(upstream.connect_timeout),
        timeout: timeout.unwrap_or(upstream.timeout),
        idle_timeout: idle_timeout.unwrap_or(upstream.idle_timeout),
        max_headers: max_headers.map_or(upstream.max_headers, |most| most.get()),
        // With one endpoint there is nothing else to use.
        ejection: ejection.or_else(|| (upstream.endpoints.len() > 1).then(Ejection::default)),
        health_check,
        slow_start,
        ..upstream
    };
    with_tls(upstream, tls, span, reader)
}

/// `endpoint`, `client`, or a host.
fn read_host(node: &Node, reader: &mut ConfigReader<'_>) -> Option<HostHeader> {
    let text = node.scalar_text().unwrap_or_default();
    match text.as_str() {
        "endpoint" => return Some(HostHeader::Endpoint),
        "client" => return Some(HostHeader::Client),
        _ => {}
    }
    let authority = text.parse::<Authority>().ok().filter(|authority| !authority.as_str().contains('@'));
    let host = authority.and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if host.is_none() {
        let help = "write `endpoint`, `client`, or a host name with or without a port".to_owned();
        reader.error(node.span, "host", format!("`{text}` is not a host"), help);
    }
    host.map(HostHeader::Fixed)
}

/// Sets how an upstream with `https` uses TLS.
fn with_tls(
    upstream: Upstream,
    tls: Option<&Node>,
    url: Span,
    reader: &mut ConfigReader<'_>,
) -> Option<Upstream> {
    if let (Some(node), None) = (tls, &upstream.tls) {
        let help = "write `https://` in the URL, or remove `tls`".to_owned();
        reader.error(node.span, "upstream-tls", "`tls` has no effect without `https`", help);
        return None;
    }
    if upstream.tls.is_none() {
        return Some(upstream);
    }
    let (settings, spans) = match tls {
        None => {
            (UpstreamTlsSettings::default(), TlsSpans { roots: url, name: url, certificate: url, key: url })
        }
        Some(node) => read_tls(node, reader)?,
    };
    let now = SystemTime::now();
    let certificate = settings.certificate.clone();
    let error = match UpstreamTls::load(settings, now) {
        Ok(tls) => {
            if let Some(files) = &certificate {
                warn_about_files(files, now, (spans.certificate, spans.key), reader);
            }
            return Some(Upstream { tls: Some(Arc::new(tls)), ..upstream });
        }
        Err(error) => error,
    };
    match (&error, &certificate) {
        (UpstreamTlsError::Certificate(error), Some(files)) => {
            report_certificate(error, files, (spans.certificate, spans.key), reader);
        }
        (UpstreamTlsError::Roots(error) | UpstreamTlsError::Certificate(error), _) => {
            reader.error(spans.roots, "certificate", error.to_string(), error.help().to_owned());
        }
        (UpstreamTlsError::NoSystemRoots, _) => {
            let help = "install the package `ca-certificates`, or name a file with `tls.roots`".to_owned();
            reader.error(spans.roots, "upstream-tls", error.to_string(), help);
        }
        _ => {
            let help = "write the name that the upstream's certificate has".to_owned();
            reader.error(spans.name, "upstream-tls", error.to_string(), help);
        }
    }
    None
}

/// Where the keys of `tls` are.
struct TlsSpans {
    roots: Span,
    name: Span,
    certificate: Span,
    key: Span,
}

fn read_tls(node: &Node, reader: &mut ConfigReader<'_>) -> Option<(UpstreamTlsSettings, TlsSpans)> {
    let mut fields = Fields::of(node, reader.source, "`tls`", reader.found)?;
    let mut text = |name: &'static str, reader: &mut ConfigReader<'_>| {
        let span = fields.node(name).map_or(node.span, |node| node.span);
        (fields.text(name, reader.found), span)
    };
    let (roots, roots_span) = text("roots", reader);
    let (server_name, name_span) = text("server_name", reader);
    let (certificate, certificate_span) = text("certificate", reader);
    let (key, key_span) = text("key", reader);
    for (given, other, name) in [(&certificate, &key, "key"), (&key, &certificate, "certificate")] {
        if given.is_some() && other.is_none() {
            fields.missing(name, reader.found);
        }
    }
    fields.finish(reader.found);
    if certificate.is_some() != key.is_some() {
        return None;
    }
    let path = |name: String| reader.folder.join(name);
    let certificate = certificate.zip(key);
    let settings = UpstreamTlsSettings {
        roots: roots.map(path),
        server_name,
        certificate: certificate
            .map(|(certificate, key)| CertificateFiles { certificate: path(certificate), key: path(key) }),
    };
    let spans = TlsSpans { roots: roots_span, name: name_span, certificate: certificate_span, key: key_span };
    Some((settings, spans))
}
