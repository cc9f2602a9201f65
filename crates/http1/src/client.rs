//! The client's side of a connection: requests go out, responses come in, one at a time.

use crate::body::{BodyDecoder, BodyEncoder, BodyLength, Decoded, EncodeError, Frame, Framing};
use crate::head::{Headers, RequestFacts, ResponseHead, ResponseParser};
use crate::write::{HeadWriter, content_length, head};
use crate::{Limits, ParseError};

/// One connection to a server.
#[derive(Debug, Default)]
pub struct ClientConnection {
    parser: ResponseParser,
    phase: Phase,
}

#[derive(Debug, Default)]
enum Phase {
    /// A request may be written.
    #[default]
    Idle,
    Exchange(Exchange),
    Tunnel,
    /// Something was wrong: no request may be written any more.
    Broken,
}

#[derive(Debug)]
struct Exchange {
    facts: RequestFacts,
    /// What is left to be written; `None` when the request is complete.
    request: Option<BodyEncoder>,
    /// Bytes of the response have arrived.
    has_begun: bool,
    interim: u32,
    /// `None` until the head of the final response has been read.
    response: Option<BodyDecoder>,
    persists: bool,
}

impl ClientConnection {
    /// A new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes the head of a request. The framing headers and `Connection` are written here.
    pub fn write_head(
        &mut self,
        method: &str,
        target: &[u8],
        body: BodyLength,
        wants_upgrade: bool,
        headers: impl FnOnce(&mut HeadWriter<'_>),
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let is_writable = crate::characters::all(method.as_bytes(), crate::characters::TOKEN)
            && !target.is_empty()
            && target.iter().all(u8::is_ascii_graphic);
        if !matches!(self.phase, Phase::Idle) || !is_writable {
            return Err(EncodeError::OutOfOrder);
        }
        let request_line = |out: &mut Vec<u8>| {
            for part in [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"] {
                out.extend_from_slice(part);
            }
        };
        head(out, request_line, headers).map_err(|_| EncodeError::Trailer)?;
        let encoder = match body {
            BodyLength::None => None,
            BodyLength::Known(length) => {
                content_length(out, length);
                Some(BodyEncoder::Length(length))
            }
            BodyLength::Unknown => {
                out.extend_from_slice(b"transfer-encoding: chunked\r\n");
                Some(BodyEncoder::Chunked)
            }
        };
        if wants_upgrade {
            out.extend_from_slice(b"connection: upgrade\r\n");
        }
        out.extend_from_slice(b"\r\n");
        self.phase = Phase::Exchange(Exchange {
            facts: RequestFacts { is_head: method == "HEAD", wants_upgrade },
            request: encoder,
            has_begun: false,
            interim: 0,
            response: None,
            persists: false,
        });
        Ok(())
    }

    /// Accounts for the next `len` bytes of the request's body and returns what surrounds them.
    pub fn frame(&mut self, len: usize) -> Result<Frame, EncodeError> {
        self.encoder()?.frame(len)
    }

    /// Writes the next data of the request's body.
    pub fn write_data(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.encoder()?.write(data, out)
    }

    /// Writes the end of the request's body.
    pub fn write_end<'t>(
        &mut self,
        trailers: impl IntoIterator<Item = (&'t [u8], &'t [u8])>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        self.encoder()?.end(trailers, out)?;
        if let Phase::Exchange(exchange) = &mut self.phase {
            exchange.request = None;
        }
        Ok(())
    }

    fn encoder(&mut self) -> Result<&mut BodyEncoder, EncodeError> {
        match &mut self.phase {
            Phase::Exchange(Exchange { request: Some(encoder), .. }) => Ok(encoder),
            _ => Err(EncodeError::OutOfOrder),
        }
    }

    /// Parses the next response head, interim or final; see [`ResponseParser::parse`]. After an error the connection is
    /// useless.
    pub fn receive_head(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        headers: &mut Headers,
    ) -> Result<Option<ResponseHead>, ParseError> {
        let Phase::Exchange(exchange) = &mut self.phase else {
            return if bytes.is_empty() { Ok(None) } else { self.fail(ParseError::Excess) };
        };
        exchange.has_begun |= !bytes.is_empty();
        let head = match self.parser.parse(bytes, exchange.facts, limits, headers) {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(None),
            Err(error) => return self.fail(error),
        };
        if head.is_interim() {
            exchange.interim += 1;
            if exchange.interim > limits.interim_responses {
                return self.fail(ParseError::TooManyInterim);
            }
            return Ok(Some(head));
        }
        if head.status == 101 {
            self.phase = Phase::Tunnel;
            return Ok(Some(head));
        }
        exchange.persists = head.connection.persists(head.version) && head.framing != Framing::UntilClose;
        exchange.response = Some(BodyDecoder::new(head.framing));
        Ok(Some(head))
    }

    /// Reads the response's body. After an error the connection is useless.
    pub fn receive_body<'b>(&mut self, bytes: &'b [u8]) -> Result<(usize, Decoded<'b>), ParseError> {
        let Phase::Exchange(Exchange { response: Some(decoder), .. }) = &mut self.phase else {
            return Ok((0, Decoded::More));
        };
        match decoder.decode(bytes) {
            Ok(decoded) => Ok(decoded),
            Err(error) => self.fail(error),
        }
    }

    /// The trailers of the response, once its body is complete.
    pub fn trailers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let decoder = match &self.phase {
            Phase::Exchange(exchange) => exchange.response.as_ref(),
            Phase::Idle | Phase::Tunnel | Phase::Broken => None,
        };
        decoder.into_iter().flat_map(BodyDecoder::trailers)
    }

    /// The server sends no more bytes. An error where the response is incomplete; [`ParseError::BeforeResponse`] where it
    /// had not begun, as when the server closes an idle connection at the same moment (RFC 9112, section 9.3.1).
    pub fn end_of_input(&mut self) -> Result<(), ParseError> {
        let result = match &mut self.phase {
            Phase::Exchange(Exchange { response: Some(decoder), .. }) => decoder.end_of_input(),
            Phase::Exchange(exchange) if exchange.has_begun => Err(ParseError::HeadTruncated),
            Phase::Exchange(_) => Err(ParseError::BeforeResponse),
            Phase::Idle | Phase::Tunnel | Phase::Broken => Ok(()),
        };
        match &mut self.phase {
            Phase::Exchange(exchange) if result.is_ok() => exchange.persists = false,
            Phase::Tunnel => {}
            _ => self.phase = Phase::Broken,
        }
        result
    }

    /// Whether the final response is complete.
    pub fn is_response_complete(&self) -> bool {
        match &self.phase {
            Phase::Exchange(Exchange { response: Some(decoder), .. }) => decoder.is_done(),
            _ => false,
        }
    }

    /// Whether the connection speaks another protocol, after 101 (Switching Protocols).
    pub fn is_tunnel(&self) -> bool {
        matches!(self.phase, Phase::Tunnel)
    }

    /// Whether another request may be sent over this connection: the exchange is complete on both sides, the server keeps
    /// the connection, and `unread`, the bytes behind the response, are none. Then the connection is idle again.
    pub fn reuse(&mut self, unread: &[u8]) -> bool {
        let is_reusable = match &self.phase {
            Phase::Idle => unread.is_empty(),
            Phase::Exchange(exchange) => {
                let is_complete = exchange.response.as_ref().is_some_and(BodyDecoder::is_done);
                is_complete && exchange.request.is_none() && exchange.persists && unread.is_empty()
            }
            Phase::Tunnel | Phase::Broken => false,
        };
        self.phase = if is_reusable { Phase::Idle } else { Phase::Broken };
        is_reusable
    }

    fn fail<T>(&mut self, error: ParseError) -> Result<T, ParseError> {
        self.phase = Phase::Broken;
        Err(error)
    }
}
