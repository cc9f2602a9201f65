//! The server's side of a connection: requests come in, responses go out, in order.
//!
//! It knows no socket and no clock. The caller reads bytes, shows them here, drops as many as were consumed, and writes what
//! is put out.

use crate::body::{BodyDecoder, BodyEncoder, BodyLength, Decoded, EncodeError, Frame, Framing};
use crate::head::{BadRequest, Headers, RequestHead, RequestParser, Version};
use crate::write::{HeadWriter, content_length, head, status_line};
use crate::{Limits, ParseError};

/// One connection from a client.
#[derive(Debug)]
pub struct ServerConnection {
    parser: RequestParser,
    phase: Phase,
    /// No request is read after this one.
    closes: bool,
}

#[derive(Debug)]
enum Phase {
    Head,
    Exchange(Exchange),
    /// Another protocol.
    Tunnel,
}

/// A request and its response.
#[derive(Debug)]
struct Exchange {
    version: Version,
    is_head: bool,
    wants_upgrade: bool,
    accepts_trailers: bool,
    request: BodyDecoder,
    /// The client waits for `100 Continue`.
    waits: bool,
    interim: u32,
    response: Response,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Response {
    Pending,
    Body(BodyEncoder),
    Done,
}

/// What follows when a response is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The response is not complete.
    Pending,
    /// Another request may come.
    Request,
    /// The client has not sent its whole body, and will not be read further as a message: shut the writing side, read and
    /// discard for a while, so that no reset destroys the response on its way, and close (RFC 9112, section 9.6).
    Linger,
    /// Close.
    Close,
    /// The connection now speaks another protocol.
    Tunnel,
}

impl Default for ServerConnection {
    fn default() -> Self {
        Self { parser: RequestParser::new(), phase: Phase::Head, closes: false }
    }
}

impl ServerConnection {
    /// A new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses the next request head; see [`RequestParser::parse`]. After an error answer it with [`reject`](Self::reject).
    pub fn receive_head(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        headers: &mut Headers,
    ) -> Result<Option<RequestHead>, Box<BadRequest>> {
        if !matches!(self.phase, Phase::Head) || self.closes {
            return Ok(None);
        }
        let Some(head) = self.parser.parse(bytes, limits, headers)? else { return Ok(None) };
        self.closes = !head.connection.persists(head.version);
        self.phase = Phase::Exchange(Exchange {
            version: head.version,
            is_head: head.method.in_bytes(bytes) == b"HEAD",
            wants_upgrade: head.wants_upgrade,
            accepts_trailers: head.accepts_trailers,
            request: BodyDecoder::new(head.framing),
            waits: head.expects_continue,
            interim: 0,
            response: Response::Pending,
        });
        Ok(Some(head))
    }

    /// The client sends no more bytes, or not in time: the error with which an incomplete head is answered.
    pub fn interrupt(&self, bytes: &[u8], limits: &Limits, error: ParseError) -> Option<Box<BadRequest>> {
        match self.phase {
            Phase::Head => self.parser.interrupt(bytes, limits, error),
            Phase::Exchange(_) | Phase::Tunnel => None,
        }
    }

    /// A bad head is answered like a request, and the connection closes after that.
    pub fn reject(&mut self, bad: &BadRequest) {
        self.closes = true;
        self.phase = Phase::Exchange(Exchange {
            version: bad.version.unwrap_or(Version::Http11),
            is_head: bad.method.as_deref() == Some("HEAD"),
            wants_upgrade: false,
            accepts_trailers: false,
            // Whatever follows is not believed: the request has no end that is known.
            request: BodyDecoder::new(Framing::UntilClose),
            waits: false,
            interim: 0,
            response: Response::Pending,
        });
    }

    /// Reads the request's body. After an error the connection closes with the response.
    pub fn receive_body<'b>(&mut self, bytes: &'b [u8]) -> Result<(usize, Decoded<'b>), ParseError> {
        let Phase::Exchange(exchange) = &mut self.phase else { return Ok((0, Decoded::End)) };
        let decoded = exchange.request.decode(bytes);
        match decoded {
            Ok((1.., _)) => exchange.waits = false,
            Ok(_) => {}
            Err(_) => self.closes = true,
        }
        decoded
    }

    /// The trailers of the request, once its body is complete.
    pub fn trailers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let exchange = match &self.phase {
            Phase::Exchange(exchange) => Some(exchange),
            Phase::Head | Phase::Tunnel => None,
        };
        exchange.into_iter().flat_map(|exchange| exchange.request.trailers())
    }

    /// Whether the request's body is complete.
    pub fn is_request_complete(&self) -> bool {
        match &self.phase {
            Phase::Exchange(exchange) => exchange.request.is_done(),
            Phase::Head | Phase::Tunnel => true,
        }
    }

    /// How many bytes of the request's body are left, where its length was announced.
    pub fn request_left(&self) -> Option<u64> {
        match &self.phase {
            Phase::Exchange(exchange) => exchange.request.left(),
            Phase::Head | Phase::Tunnel => Some(0),
        }
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub fn waits_for_continue(&self) -> bool {
        matches!(&self.phase, Phase::Exchange(exchange) if exchange.waits && exchange.response == Response::Pending)
    }

    /// Writes `100 Continue` if the client waits for it.
    pub fn write_continue(&mut self, out: &mut Vec<u8>) {
        if self.waits_for_continue()
            && let Phase::Exchange(exchange) = &mut self.phase
        {
            exchange.waits = false;
            out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Writes an interim response (1xx, except 101), unless the client speaks HTTP/1.0 or has had too many of them. Returns
    /// whether it was written.
    pub fn write_interim(
        &mut self,
        status: u16,
        limits: &Limits,
        headers: impl FnOnce(&mut HeadWriter<'_>),
        out: &mut Vec<u8>,
    ) -> bool {
        let Phase::Exchange(exchange) = &mut self.phase else { return false };
        let is_interim = (100..200).contains(&status) && status != 101;
        let may_follow = exchange.version == Version::Http11 && exchange.response == Response::Pending;
        if !is_interim || !may_follow || exchange.interim >= limits.interim_responses {
            return false;
        }
        if head(out, |out| status_line(out, status), headers).is_err() {
            return false;
        }
        out.extend_from_slice(b"\r\n");
        exchange.interim += 1;
        exchange.waits &= status != 100;
        true
    }

    /// No request is read after the current one; the response announces it. Has no effect on a head that was written.
    pub fn close(&mut self) {
        self.closes = true;
    }

    /// Whether the connection closes after the current response.
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// Writes the head of the final response. The framing headers and `Connection` are written here.
    ///
    /// A client that still waits for `100 Continue` may send its body or not, so the connection closes then.
    pub fn write_head(
        &mut self,
        status: u16,
        body: BodyLength,
        headers: impl FnOnce(&mut HeadWriter<'_>),
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let Phase::Exchange(exchange) = &mut self.phase else { return Err(EncodeError::OutOfOrder) };
        let is_upgrade = status == 101;
        if exchange.response != Response::Pending || (is_upgrade && !exchange.wants_upgrade) || status < 101 {
            return Err(EncodeError::OutOfOrder);
        }
        let has_no_body = matches!(status, 100..=199 | 204);
        let is_silent = has_no_body || status == 304 || exchange.is_head;
        let mut closes = self.closes || exchange.waits;
        head(out, |out| status_line(out, status), headers).map_err(|_| EncodeError::Trailer)?;
        let encoder = match body {
            _ if has_no_body => BodyEncoder::None,
            BodyLength::None if is_silent => BodyEncoder::None,
            BodyLength::None => {
                content_length(out, 0);
                BodyEncoder::Length(0)
            }
            BodyLength::Known(length) => {
                content_length(out, length);
                if is_silent { BodyEncoder::None } else { BodyEncoder::Length(length) }
            }
            BodyLength::Unknown if exchange.version == Version::Http11 => {
                out.extend_from_slice(b"transfer-encoding: chunked\r\n");
                if is_silent { BodyEncoder::None } else { BodyEncoder::Chunked }
            }
            BodyLength::Unknown if is_silent => BodyEncoder::None,
            BodyLength::Unknown => {
                closes = true;
                BodyEncoder::UntilClose
            }
        };
        match exchange.version {
            _ if is_upgrade => out.extend_from_slice(b"connection: upgrade\r\n"),
            // HTTP/1.0 closes unless the response says otherwise (RFC 9112, section 9.3).
            Version::Http10 if closes => {}
            _ if closes => out.extend_from_slice(b"connection: close\r\n"),
            Version::Http10 => out.extend_from_slice(b"connection: keep-alive\r\n"),
            Version::Http11 => {}
        }
        out.extend_from_slice(b"\r\n");
        self.closes = closes;
        if is_upgrade {
            self.phase = Phase::Tunnel;
        } else {
            exchange.waits = false;
            exchange.response = Response::Body(encoder);
        }
        Ok(())
    }

    /// Whether the response whose head was written has no body, whatever its head says of a length: that to `HEAD`, 204 and
    /// 304.
    pub fn is_silent(&self) -> bool {
        match &self.phase {
            Phase::Exchange(exchange) => exchange.response == Response::Body(BodyEncoder::None),
            Phase::Head | Phase::Tunnel => false,
        }
    }

    /// Accounts for the next `len` bytes of the response's body and returns what surrounds them.
    pub fn frame(&mut self, len: usize) -> Result<Frame, EncodeError> {
        self.encoder()?.frame(len)
    }

    /// Writes the next data of the response's body. For a response without a body it is dropped.
    pub fn write_data(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self.encoder()? {
            BodyEncoder::None => Ok(()),
            encoder => encoder.write(data, out),
        }
    }

    /// Writes the end of the response. Trailers are dropped for a client that has not asked for them: it may not expect
    /// any (RFC 9110, section 6.5.1).
    pub fn write_end<'t>(
        &mut self,
        trailers: impl IntoIterator<Item = (&'t [u8], &'t [u8])>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let accepts = matches!(&self.phase, Phase::Exchange(exchange) if exchange.accepts_trailers);
        self.encoder()?.end(trailers.into_iter().filter(|_| accepts), out)?;
        if let Phase::Exchange(exchange) = &mut self.phase {
            exchange.response = Response::Done;
        }
        Ok(())
    }

    fn encoder(&mut self) -> Result<&mut BodyEncoder, EncodeError> {
        match &mut self.phase {
            Phase::Exchange(Exchange { response: Response::Body(encoder), .. }) => Ok(encoder),
            _ => Err(EncodeError::OutOfOrder),
        }
    }

    /// What follows. After [`Next::Request`] the next head can be received.
    pub fn advance(&mut self) -> Next {
        match &self.phase {
            Phase::Tunnel => Next::Tunnel,
            Phase::Head if self.closes => Next::Close,
            Phase::Head => Next::Request,
            Phase::Exchange(exchange) if exchange.response != Response::Done => Next::Pending,
            Phase::Exchange(exchange) if !exchange.request.is_done() => {
                // The caller may have read on to the end first; now it is too late.
                self.closes = true;
                Next::Linger
            }
            Phase::Exchange(_) if self.closes => Next::Close,
            Phase::Exchange(_) => {
                self.phase = Phase::Head;
                Next::Request
            }
        }
    }
}
