//! A rejection: what was wrong with a head, and what of it could be read, so that the refusal can be spoken
//! in the right voice.

use crate::characters::{TOKEN, all};
use crate::fields::find_host;
use crate::limits::METHOD_BYTES;
use crate::parse_error::{ErrorKind, ParseError};
use crate::target::{Authority, split_absolute};

/// Longer paths are cut: the voice is chosen by a prefix.
const TARGET_SHOWN_BYTES: usize = 1024;

/// A head that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RejectedRequest {
    /// What is wrong.
    pub fault: ParseError,
    /// The method, where one could be read.
    pub method: Option<String>,
    /// The path of the target, where one could be read: without the query, which may hold secrets, without
    /// scheme and authority, and cut at 1 KiB. For choosing a voice, never for routing.
    pub target: Option<String>,
    /// The host with its port, from the target or from the first valid `Host`, where one could be read. For
    /// choosing a voice, never for routing.
    pub host: Option<String>,
    old_version: bool,
}

impl RejectedRequest {
    /// The kind of response that it calls for.
    pub fn kind(&self) -> ErrorKind {
        self.fault.kind()
    }

    /// The text for logs. Contains nothing of the request.
    pub fn cause(&self) -> &'static str {
        self.fault.cause()
    }

    /// Reads what can be read of a bad head, from its request line on.
    pub(crate) fn new(fault: ParseError, head: &[u8]) -> Self {
        let mut rejection = Self { fault, method: None, target: None, host: None, old_version: false };
        let line_end = memchr::memchr(b'\n', head);
        let (line, fields) = head.split_at_checked(line_end.unwrap_or(head.len())).unwrap_or_default();
        rejection.host = find_host(fields.strip_prefix(b"\n").unwrap_or(fields)).map(text);

        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut pieces = line.split(|&byte| byte == b' ');
        let (Some(method), Some(target)) = (pieces.next(), pieces.next()) else { return rejection };
        let version = pieces.next();
        if all(method, TOKEN) && method.len() <= METHOD_BYTES {
            rejection.method = Some(text(method));
        }
        // A target of which the end has not come yet could be the beginning of another API's path.
        if version.is_some() || line_end.is_some() || target.len() > TARGET_SHOWN_BYTES {
            rejection.read_target(target);
        }
        rejection.old_version = version == Some(b"HTTP/1.0");
        rejection
    }

    fn read_target(&mut self, target: &[u8]) {
        let path = match split_absolute(target) {
            Some((_, authority, path)) if !target.starts_with(b"/") => {
                if Authority::read(authority).is_some() {
                    self.host = Some(text(authority));
                }
                if path.starts_with(b"/") { path } else { b"/" }
            }
            _ => target,
        };
        let end = path.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(path.len());
        let path = path.get(..end.min(TARGET_SHOWN_BYTES)).unwrap_or_default();
        if path.starts_with(b"/") && path.iter().all(u8::is_ascii_graphic) {
            self.target = Some(text(path));
        }
    }

    /// The good request that hyper reads in the place of the bad one. It has the method HEAD where that was
    /// asked, so that hyper sends no content, and the version 1.0 for a client that knows no chunks.
    pub(crate) fn placeholder(&self) -> &'static [u8] {
        match (self.method.as_deref() == Some("HEAD"), self.old_version) {
            (false, false) => b"GET / HTTP/1.1\r\nhost: rejected.invalid\r\nconnection: close\r\n\r\n",
            (true, false) => b"HEAD / HTTP/1.1\r\nhost: rejected.invalid\r\nconnection: close\r\n\r\n",
            (false, true) => b"GET / HTTP/1.0\r\nconnection: close\r\n\r\n",
            (true, true) => b"HEAD / HTTP/1.0\r\nconnection: close\r\n\r\n",
        }
    }
}

/// All that is kept has been checked to be ASCII.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
