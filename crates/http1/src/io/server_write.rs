//! The response on a client's connection, and what becomes of the connection after it.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE};
use http::response::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame};
use tokio::time::timeout;

use super::date::with_date_line;
use super::maps::{data_or_trailers, pairs};
use super::scratch::with_write_buffer;
use super::server::{After, ServerStream, State};
use crate::{BodyLength, Decoded, EncodeError, HeadWriter, Next};

/// Why a response was not written to its end.
#[derive(Debug)]
pub enum WriteError<E> {
    /// Its body failed.
    Body(E),
    /// Its body is not as long as was announced, or its head cannot be written.
    Length,
    /// The client is gone, or takes nothing.
    Io(io::Error),
}

impl ServerStream {
    /// Writes a response and sees to the rest of the request. After 101 (Switching Protocols) the body is not written.
    ///
    /// An error of the body before anything was sent is returned, and another response can be written. Later it breaks the
    /// connection off, so that the client can tell.
    pub async fn write<B>(&self, response: Response<B>) -> Result<After, WriteError<B::Error>>
    where
        B: Body<Data = Bytes>,
    {
        let (head, body) = response.into_parts();
        let mut body = pin!(body);
        // What is there of the body goes with the head.
        let first = match poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await {
            Poll::Ready(frame) => Some(frame.transpose().map_err(WriteError::Body)?),
            Poll::Pending => None,
        };
        let is_tunnel = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let mut is_done = with_write_buffer(|out| {
            let mut state = self.0.state.borrow_mut();
            self.write_head(&mut state, &head, &*body, first.as_ref(), out)?;
            let is_silent = state.http.is_silent();
            let is_done = match first {
                _ if is_tunnel => true,
                _ if is_silent => state.append(None, true, out)?,
                Some(frame) => state.append(frame, body.is_end_stream(), out)?,
                None => false,
            };
            state.socket.write_now(out).map_err(WriteError::Io)?;
            Ok(is_done)
        })?;
        loop {
            // What there is goes out before more is waited for.
            self.flush().await?;
            if is_done {
                return Ok(self.after().await);
            }
            let frame = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
                Poll::Ready(frame) => Poll::Ready(frame.transpose().map_err(WriteError::Body)),
                Poll::Pending => {
                    self.poll_reset(cx).map(|()| Err(WriteError::Io(io::ErrorKind::ConnectionReset.into())))
                }
            });
            let frame = frame.await?;
            is_done = with_write_buffer(|out| {
                let mut state = self.0.state.borrow_mut();
                let is_done = state.append(frame, body.is_end_stream(), out)?;
                state.socket.write_now(out).map_err(WriteError::Io)?;
                Ok(is_done)
            })?;
        }
    }

    fn write_head<B: Body<Data = Bytes>>(
        &self,
        state: &mut State,
        head: &Parts,
        body: &B,
        first: Option<&Option<Frame<Bytes>>>,
        out: &mut Vec<u8>,
    ) -> Result<(), WriteError<B::Error>> {
        let asks_to_close =
            head.headers.get(CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        if asks_to_close || !self.can_drain(state) {
            state.http.close();
        }
        let announced =
            head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let here = first.and_then(Option::as_ref).and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
        let length = match (body.size_hint().exact(), announced) {
            // A response to `HEAD` or a 304 has no body, and may say how long it would be.
            (Some(0), Some(announced)) if here == 0 => BodyLength::Known(announced),
            (Some(0), None) if here == 0 => BodyLength::None,
            (Some(left), _) => BodyLength::Known(here + left),
            (None, _) => BodyLength::Unknown,
        };
        let write = |writer: &mut HeadWriter<'_>| {
            writer.map(&head.headers);
            if !head.headers.contains_key(DATE) {
                with_date_line(|line| writer.rendered(line));
            }
        };
        state.http.write_head(head.status.as_u16(), length, write, out).map_err(|_| WriteError::Length)
    }

    /// Writes what is queued. The time for it begins anew whenever the client takes something.
    async fn flush<E>(&self) -> Result<(), WriteError<E>> {
        if self.0.state.borrow().socket.is_flushed() {
            return Ok(());
        }
        let mut left = usize::MAX;
        poll_fn(|cx| {
            let State { socket, write_timer, .. } = &mut *self.0.state.borrow_mut();
            if let Poll::Ready(flushed) = socket.poll_flush(cx) {
                write_timer.clear();
                return Poll::Ready(flushed.map_err(WriteError::Io));
            }
            let queued = socket.queued();
            if queued < left {
                left = queued;
                write_timer.clear();
            }
            let elapsed = write_timer.poll(cx, self.0.limits.write_timeout);
            elapsed.map(|()| Err(WriteError::Io(io::ErrorKind::TimedOut.into())))
        })
        .await
    }

    /// Drains the rest of the request, and says what follows.
    async fn after(&self) -> After {
        let (is_complete, closes) = {
            let State { http, .. } = &*self.0.state.borrow();
            (http.is_request_complete(), http.closes())
        };
        if !is_complete && !closes {
            let limits = &self.0.limits;
            // Boxed: rare, and every connection has room for it otherwise.
            let _ = Box::pin(timeout(limits.drain_timeout, self.discard_body(limits.drain_bytes))).await;
        }
        let next = self.0.state.borrow_mut().http.advance();
        match next {
            Next::Request => After::Request,
            Next::Tunnel => After::Tunnel,
            Next::Pending | Next::Linger | Next::Close => {
                Box::pin(self.linger()).await;
                After::Closed
            }
        }
    }

    /// Ends the writing side, and reads and drops for a while what the client still sends (RFC 9112, section 9.6).
    async fn linger(&self) {
        let limits = &self.0.limits;
        let lingered = async {
            let shut = poll_fn(|cx| self.0.state.borrow_mut().socket.poll_shutdown(cx)).await;
            let mut left = limits.linger_bytes;
            while shut.is_ok() {
                let read = poll_fn(|cx| {
                    let mut state = self.0.state.borrow_mut();
                    let unread = state.socket.unread().len();
                    state.socket.consume(unread);
                    state.socket.poll_fill(cx)
                });
                // `usize` is never wider than 64 bits.
                match read.await.map(|count| (count, left.checked_sub(count as u64))) {
                    Ok((1.., Some(rest))) => left = rest,
                    Ok(_) | Err(_) => return,
                }
            }
        };
        let _ = timeout(limits.linger_timeout, lingered).await;
    }

    /// Whether what is left of the request's body may be read and dropped, so that the connection can go on. A client that
    /// waits to be told to send its body is not told so by draining it.
    fn can_drain(&self, State { socket, http, .. }: &State) -> bool {
        let is_small = http.request_left().is_none_or(|left| left <= self.0.limits.drain_bytes);
        http.is_request_complete() || (is_small && !http.waits_for_continue() && !socket.is_ended())
    }

    /// Reads and drops the rest of the request's body.
    async fn discard_body(&self, limit: u64) {
        let mut left = limit;
        poll_fn(|cx| {
            let State { socket, http, .. } = &mut *self.0.state.borrow_mut();
            loop {
                let Ok((consumed, decoded)) = http.receive_body(socket.unread()) else {
                    return Poll::Ready(());
                };
                let length = if let Decoded::Data(data) = decoded { data.len() as u64 } else { 0 };
                let (is_more, is_end) = (decoded == Decoded::More, decoded == Decoded::End);
                socket.consume(consumed);
                match left.checked_sub(length) {
                    Some(rest) if !is_end => left = rest,
                    _ => return Poll::Ready(()),
                }
                if is_more {
                    match socket.poll_fill(cx) {
                        Poll::Ready(Ok(1..)) => {}
                        Poll::Ready(_) => return Poll::Ready(()),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        })
        .await;
    }
}

impl State {
    /// Appends a frame of the response's body to `out`, and the end of the body after its last one. Returns whether the
    /// body has ended.
    fn append<E>(
        &mut self,
        frame: Option<Frame<Bytes>>,
        is_last: bool,
        out: &mut Vec<u8>,
    ) -> Result<bool, WriteError<E>> {
        let Self { socket, http, .. } = self;
        let invalid = |_: EncodeError| WriteError::Length;
        let trailers = match data_or_trailers(frame) {
            Ok(data) => {
                socket.append(http.frame(data.len()).map_err(invalid)?, data, out);
                if !is_last {
                    return Ok(false);
                }
                HeaderMap::new()
            }
            Err(trailers) => trailers,
        };
        http.write_end(pairs(&trailers), out).map_err(invalid)?;
        Ok(true)
    }
}
