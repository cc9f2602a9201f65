//! Certificates with their keys, of listeners and for upstreams.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use demur_gateway::{Certificate, CertificateError, CertificateFiles};
use demur_source::{Fields, Node, Span};

use crate::reader::ConfigReader;

/// Certificates that expire within this time are reported.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * DAY);
const DAY: u64 = 24 * 60 * 60;
/// Permissions of users other than the owner and the group.
const OTHERS: u32 = 0o007;

/// A certificate with its key, which are loaded and checked.
pub(super) fn read_certificate(
    node: &Node,
    reader: &mut ConfigReader<'_>,
) -> Option<(CertificateFiles, Certificate)> {
    let mut fields = Fields::of(node, reader.source, "a certificate", reader.found)?;
    let certificate = reader.required(&mut fields, "certificate");
    let key = reader.required(&mut fields, "key");
    fields.finish(reader.found);
    let ((certificate, certificate_span), (key, key_span)) = (certificate?, key?);
    let (certificate, key) = (reader.folder.join(certificate), reader.folder.join(key));
    let (files, spans) = (CertificateFiles { certificate, key }, (certificate_span, key_span));
    let now = SystemTime::now();
    match files.load(now) {
        Ok(loaded) => {
            let renewal = "renew it: Demur reads the files again when they change";
            warn_about(&files, &loaded, (now, renewal), spans, reader);
            Some((files, loaded))
        }
        Err(error) => {
            report_certificate(&error, &files, spans, reader);
            None
        }
    }
}

/// Reports a certificate that cannot be used, at the file that is to blame. `spans` are those of certificate and key.
pub(super) fn report_certificate(
    error: &CertificateError,
    files: &CertificateFiles,
    spans: (Span, Span),
    reader: &mut ConfigReader<'_>,
) {
    let span = if error.concerns_key(files) { spans.1 } else { spans.0 };
    reader.error(span, "certificate", error.to_string(), error.help().to_owned());
}

/// Warns about a certificate that is in use.
pub(super) fn warn_about_files(
    files: &CertificateFiles,
    now: SystemTime,
    spans: (Span, Span),
    reader: &mut ConfigReader<'_>,
) {
    if let Ok(loaded) = files.load(now) {
        warn_about(files, &loaded, (now, "renew it, and restart Demur"), spans, reader);
    }
}

fn warn_about(
    files: &CertificateFiles,
    loaded: &Certificate,
    (now, renewal): (SystemTime, &str),
    spans: (Span, Span),
    reader: &mut ConfigReader<'_>,
) {
    let left = loaded.valid_for(now);
    if left < EXPIRES_SOON {
        let (path, days) = (files.certificate.display(), left.as_secs() / DAY);
        let message = format!("the certificate in `{path}` expires in {days} days");
        reader.warning(spans.0, "certificate-expiry", message, renewal.to_owned());
    }
    // Everyone on the machine could take the place of its owner.
    let is_open = files.key.metadata().is_ok_and(|metadata| metadata.mode() & OTHERS != 0);
    if is_open {
        let path = files.key.display();
        let message = format!("every user of this machine can read the private key in `{path}`");
        reader.warning(spans.1, "key-permissions", message, format!("run `chmod 600 {path}`"));
    }
}
