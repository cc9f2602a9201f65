//! Requests to switch to another protocol (RFC 9110, section 7.8). The only one that is served is WebSocket (RFC 6455),
//! where the configuration says so: what the request must be, and what the upstream's 101 must be.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use demur_contract::Condition;
use http::header::{
    CONNECTION, CONTENT_LENGTH, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use sha1::{Digest, Sha1};
use smallvec::SmallVec;

use crate::reject::rejection::Rejection;
use crate::settings::{Origins, WebSocket};

/// The value of `Upgrade`, on both sides.
pub(crate) const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// What a server appends to the key (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The longest list of protocols in a message.
const MAX_PROTOCOL_CHARS: usize = 100;

/// What a WebSocket handshake asks for, to check the response.
#[derive(Debug)]
pub(crate) struct Handshake {
    key: HeaderValue,
    /// The lines of `Sec-WebSocket-Protocol`.
    protocols: SmallVec<[HeaderValue; 1]>,
}

impl Handshake {
    /// The handshake of a request. `None` if it asks for no other protocol; rejected if it asks for one that is not served,
    /// or is no valid handshake: the upstream would answer a plain GET, which the client takes for a broken one.
    pub(crate) fn of(
        parts: &Parts,
        has_body: bool,
        websocket: Option<&WebSocket>,
    ) -> Result<Option<Box<Self>>, Rejection> {
        let headers = &parts.headers;
        if !headers.contains_key(UPGRADE) {
            return Ok(None);
        }
        let asked: Vec<&str> = tokens(headers, &UPGRADE).filter(|protocol| !is_offer(protocol)).collect();
        if !has_upgrade_option(headers) || asked.is_empty() {
            return Ok(None);
        }
        let reject = |cause: &'static str| {
            let all: Vec<&str> = tokens(headers, &UPGRADE).collect();
            let protocol: String = all.join(", ").chars().take(MAX_PROTOCOL_CHARS).collect();
            let rejection = Rejection::from(Condition::RequestUpgradeRejected);
            Err(rejection.with("protocol", protocol).with_cause(cause))
        };
        if websocket.is_none() {
            return reject("no upgrade is enabled for the operation");
        }
        if !asked.iter().all(|protocol| protocol.eq_ignore_ascii_case("websocket")) {
            return reject("only WebSocket is served");
        }
        if parts.method != Method::GET || parts.version != Version::HTTP_11 {
            return reject("a WebSocket handshake is a GET request of HTTP/1.1");
        }
        if has_body {
            return reject("a WebSocket handshake has no body");
        }
        if only(headers, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            // RFC 6455, section 4.2.2; RFC 9110, section 15.5.22.
            let rejection = Rejection::from(Condition::RequestUpgradeRequired)
                .with_cause("`Sec-WebSocket-Version` is not 13")
                .header(UPGRADE, WEBSOCKET)
                .header(CONNECTION, HeaderValue::from_static("upgrade"))
                .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return Err(rejection);
        }
        let Some(key) = only(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes())) else {
            return reject("`Sec-WebSocket-Key` is missing or invalid");
        };
        let protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().cloned().collect();
        Ok(Some(Box::new(Self { key: key.clone(), protocols })))
    }

    /// Why a 101 (Switching Protocols) does not accept this handshake, if it does not (RFC 6455, section 4.1).
    pub(crate) fn check_accepted(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let is_websocket = only(headers, &UPGRADE)
            .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if !is_websocket || !has_upgrade_option(headers) {
            return Err("the 101 response does not switch to WebSocket");
        }
        if only(headers, &SEC_WEBSOCKET_ACCEPT).is_none_or(|accept| *accept != *self.accept()) {
            return Err(
                "`Sec-WebSocket-Accept` of the 101 response does not belong to the key of the request",
            );
        }
        if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
            return Ok(());
        }
        let offered = |chosen: &&HeaderValue| {
            let lines = self.protocols.iter().filter_map(|line| line.to_str().ok());
            lines
                .flat_map(|line| line.split(','))
                .any(|protocol| protocol.trim().as_bytes() == chosen.as_bytes())
        };
        match only(headers, &SEC_WEBSOCKET_PROTOCOL).filter(offered) {
            Some(_) => Ok(()),
            None => Err("`Sec-WebSocket-Protocol` of the 101 response was not offered"),
        }
    }

    /// What `Sec-WebSocket-Accept` must be (RFC 6455, section 4.2.2).
    fn accept(&self) -> String {
        STANDARD.encode(Sha1::new().chain_update(self.key.as_bytes()).chain_update(GUID).finalize())
    }
}

/// Rejects a handshake of a script whose site may not connect: browsers send the cookies of its visitors with it, and ask
/// nobody before (RFC 6455, section 10.2).
pub(crate) fn check_origin(headers: &HeaderMap, websocket: &WebSocket) -> Result<(), Rejection> {
    let Origins::These(allowed) = &websocket.origins else { return Ok(()) };
    let sent = headers.get_all(ORIGIN);
    if sent.iter().all(|origin| allowed.contains(origin)) && sent.iter().count() <= 1 {
        return Ok(());
    }
    Err(Rejection::from(Condition::PermissionOrigin).with_cause("`Origin` is not in `websocket.origins`"))
}

/// Makes the head of a 101 one for the client's connection: `Connection` is set by the server.
pub(crate) fn set_switched(headers: &mut HeaderMap) {
    headers.insert(UPGRADE, WEBSOCKET);
    // RFC 9110, section 8.6: it says nothing here.
    headers.remove(CONTENT_LENGTH);
}

/// The value of a header that has one line.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

/// The members of a list.
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

fn has_upgrade_option(headers: &HeaderMap) -> bool {
    tokens(headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade"))
}

/// Offers that a server may ignore (RFC 9110, section 7.8) are ignored: HTTP/2 over cleartext, and TLS.
fn is_offer(protocol: &str) -> bool {
    let name = protocol.split('/').next().unwrap_or_default();
    ["h2", "h2c", "http", "tls"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Sixteen bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.strip_suffix(b"==").is_some_and(|digits| digits.iter().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    /// The example of RFC 6455, section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    /// The handshake of the RFC, with headers in place of its own. An empty value removes one.
    fn request(changes: &[(&str, &str)]) -> Parts {
        let mut parts = Request::get("/chat").body(()).unwrap().into_parts().0;
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", KEY),
        ] {
            parts.headers.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in changes {
            let name: HeaderName = name.parse().unwrap();
            parts.headers.remove(&name);
            for value in value.split('|').filter(|value| !value.is_empty()) {
                parts.headers.append(&name, value.parse().unwrap());
            }
        }
        parts
    }

    fn judged(parts: &Parts, has_body: bool) -> Result<bool, (Condition, String)> {
        let handshake = Handshake::of(parts, has_body, Some(&WebSocket::default()));
        let handshake = handshake.map(|handshake| handshake.is_some());
        handshake.map_err(|rejection| (rejection.condition().unwrap(), rejection.detail.cause))
    }

    #[test]
    fn accepts_handshakes_and_ignores_offers() {
        for (changes, is_handshake) in [
            (&[][..], true),
            (&[("upgrade", "WebSocket")], true),
            (&[("upgrade", "h2c, websocket")], true),
            (&[("connection", "keep-alive, Upgrade")], true),
            (&[("connection", "keep-alive|upgrade")], true),
            (&[("sec-websocket-protocol", "chat, superchat")], true),
            (&[("upgrade", "h2c")], false),
            (&[("upgrade", "TLS/1.2, HTTP/2.0")], false),
            (&[("upgrade", "")], false),
            // Without the option it is no request to switch.
            (&[("connection", "keep-alive")], false),
            (&[("connection", "")], false),
        ] {
            assert_eq!(judged(&request(changes), false), Ok(is_handshake), "{changes:?}");
        }
    }

    #[test]
    fn rejects_everything_else() {
        use Condition::{RequestUpgradeRejected as Rejected, RequestUpgradeRequired as Required};
        for (changes, condition, cause) in [
            (&[("upgrade", "websocket, x")][..], Rejected, "only WebSocket"),
            (&[("upgrade", "x")], Rejected, "only WebSocket"),
            (&[("upgrade", "websocket/13")], Rejected, "only WebSocket"),
            (&[("sec-websocket-version", "")], Required, "Version"),
            (&[("sec-websocket-version", "8")], Required, "Version"),
            (&[("sec-websocket-version", "13, 8")], Required, "Version"),
            (&[("sec-websocket-version", "13|13")], Required, "Version"),
            (&[("sec-websocket-key", "")], Rejected, "Key"),
            (&[("sec-websocket-key", "short==")], Rejected, "Key"),
            (&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ")], Rejected, "Key"),
            (&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=!")], Rejected, "Key"),
            (&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==|dGhlIHNhbXBsZSBub25jZQ==")], Rejected, "Key"),
        ] {
            let (found, why) = judged(&request(changes), false).unwrap_err();
            assert!(found == condition && why.contains(cause), "{changes:?}: {found} {why}");
        }
        let mut post = request(&[]);
        post.method = Method::POST;
        let mut old = request(&[]);
        old.version = Version::HTTP_10;
        for (parts, has_body) in [(&post, false), (&old, false), (&request(&[]), true)] {
            assert_eq!(judged(parts, has_body).unwrap_err().0, Rejected, "{parts:?} {has_body}");
        }
        let (condition, cause) = Handshake::of(&request(&[]), false, None)
            .map_err(|rejection| (rejection.condition(), rejection.detail.cause))
            .unwrap_err();
        assert_eq!((condition, &*cause), (Some(Rejected), "no upgrade is enabled for the operation"));
    }

    #[test]
    fn checks_what_the_upstream_answers() {
        let handshake = Handshake::of(
            &request(&[("sec-websocket-protocol", "chat|superchat, v2")]),
            false,
            Some(&WebSocket::default()),
        );
        let handshake = handshake.unwrap().unwrap();
        assert_eq!(handshake.accept(), ACCEPT);
        let fine = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", ACCEPT)];
        for (changes, problem) in [
            (&[][..], None),
            (&[("upgrade", "WebSocket"), ("connection", "upgrade, x")], None),
            (&[("sec-websocket-protocol", "v2")], None),
            (&[("sec-websocket-protocol", "V2")], Some("not offered")),
            (&[("sec-websocket-protocol", "chat, v2")], Some("not offered")),
            (&[("sec-websocket-protocol", "chat|v2")], Some("not offered")),
            (&[("upgrade", "")], Some("does not switch")),
            (&[("upgrade", "x")], Some("does not switch")),
            (&[("connection", "")], Some("does not switch")),
            (&[("sec-websocket-accept", "")], Some("does not belong")),
            (&[("sec-websocket-accept", KEY)], Some("does not belong")),
            (
                &[("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=|s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")],
                Some("does not belong"),
            ),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fine.iter().chain(changes) {
                let name: HeaderName = name.parse().unwrap();
                headers.remove(&name);
                for value in value.split('|').filter(|value| !value.is_empty()) {
                    headers.append(&name, value.parse().unwrap());
                }
            }
            let found = handshake.check_accepted(&headers).err();
            let is_as_expected = match problem {
                None => found.is_none(),
                Some(problem) => found.is_some_and(|found| found.contains(problem)),
            };
            assert!(is_as_expected, "{changes:?}: {found:?}");
        }
    }

    #[test]
    fn checks_the_origin_of_browsers() {
        let these = Origins::These(vec![HeaderValue::from_static("https://app.example")]);
        for (origins, sent, is_allowed) in [
            (&Origins::Any, "https://evil.example", true),
            (&these, "", true),
            (&these, "https://app.example", true),
            (&these, "https://app.example:444", false),
            (&these, "http://app.example", false),
            (&these, "null", false),
            (&these, "https://app.example|https://evil.example", false),
            (&these, "https://app.example|https://app.example", false),
        ] {
            let websocket = WebSocket { origins: origins.clone(), ..WebSocket::default() };
            let checked = check_origin(&request(&[("origin", sent)]).headers, &websocket);
            let condition = checked.err().map(|rejection| rejection.condition().unwrap());
            assert_eq!(condition, (!is_allowed).then_some(Condition::PermissionOrigin), "{origins:?} {sent}");
        }
    }
}
