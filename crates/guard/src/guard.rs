//! The guard on a socket: reads, asks the [`Machine`], hands over. Holds bytes only while a head is
//! incomplete, or while hyper has not asked for the next message that has come already.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::ReadBufCursor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::linger::Linger;
use crate::scratch::Scratch;
use crate::timer::{ReadPhase, Timer};
use crate::{HeadLimits, Machine, ParseError, Phase, RejectedRequest, RejectionQueue, Step};

/// A socket of which hyper sees only requests that are good.
///
/// Shutting it down lingers: the writing side is shut, and what the client still sends is dropped within the
/// bounds. What is written passes through, vectored writes included.
#[derive(Debug)]
pub struct Guard<IO> {
    io: IO,
    machine: Machine,
    /// Bytes that were read and not handed over, from `handed` on.
    held: Vec<u8>,
    handed: usize,
    /// What is left of the stand-in for a refused head.
    stand_in: &'static [u8],
    /// Heads that hyper was given, the stand-in included.
    heads: u64,
    /// The client will send no more, or is no longer waited for.
    ended: bool,
    timer: Timer,
    /// Reading and writing are waited for at once.
    write_timer: Timer,
    linger: Linger,
    rejections: RejectionQueue,
}

/// What became of bytes that were examined.
enum Examined {
    /// Some were handed over.
    Some,
    /// None could be; more are needed.
    None,
    /// A head among them was refused.
    Rejected(RejectedRequest),
    /// The content's framing is broken.
    Broken(ParseError),
}

impl<IO> Guard<IO> {
    /// Guards a socket from its first byte on.
    pub fn new(io: IO, bounds: impl Into<Arc<HeadLimits>>) -> Self {
        Self::with_first(io, Vec::new(), bounds, RejectionQueue::default())
    }

    /// Guards a socket from which the first bytes have been read already, and tells its rejections to whoever shares
    /// these.
    pub fn with_first(
        io: IO,
        first: Vec<u8>,
        bounds: impl Into<Arc<HeadLimits>>,
        rejections: RejectionQueue,
    ) -> Self {
        Self {
            io,
            machine: Machine::new(bounds),
            held: first,
            handed: 0,
            stand_in: &[],
            heads: 0,
            ended: false,
            timer: Timer::default(),
            write_timer: Timer::default(),
            linger: Linger::default(),
            rejections,
        }
    }

    /// What the service asks about each request.
    pub fn rejections(&self) -> RejectionQueue {
        self.rejections.clone()
    }

    /// The socket.
    pub fn io(&self) -> &IO {
        &self.io
    }

    /// The socket, and what was read from it but not handed over: after an upgrade, the first bytes of the
    /// other protocol.
    pub fn into_inner(mut self) -> (IO, Vec<u8>) {
        self.held.drain(..self.handed.min(self.held.len()));
        (self.io, self.held)
    }

    /// Hands over what is good of `bytes`, up to the end of one message; answers how many are dealt with.
    ///
    /// Never further than one message: hyper asks for the next when it has answered this one, and only then
    /// is it known whether the bytes behind it are HTTP still.
    fn examine(&mut self, bytes: &[u8], out: &mut ReadBufCursor<'_>) -> (usize, Examined) {
        let mut at = 0;
        let mut some = false;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if some && (rest.is_empty() || out.remaining() == 0 || self.machine.awaits_head()) {
                return (at, Examined::Some);
            }
            let new_head = self.machine.awaits_head();
            match self.machine.step(rest, out.remaining()) {
                Step::More => return (at, if some { Examined::Some } else { Examined::None }),
                Step::Skip(count) => at += count,
                Step::Pass(count) => {
                    out.put_slice(rest.get(..count).unwrap_or_default());
                    at += count;
                    some |= count > 0;
                }
                Step::Reject(rejection) => return (bytes.len(), Examined::Rejected(rejection)),
                Step::Broken(_) if some => return (at, Examined::Some),
                Step::Broken(fault) => return (at, Examined::Broken(fault)),
            }
            if new_head && !self.machine.awaits_head() {
                self.rejections.enter(Phase::Message);
                self.heads += u64::from(self.machine.mid_message());
            }
        }
    }

    /// Examines what is held.
    fn examine_held(&mut self, out: &mut ReadBufCursor<'_>) -> Examined {
        let held = std::mem::take(&mut self.held);
        let (count, examined) = self.examine(held.get(self.handed..).unwrap_or_default(), out);
        self.handed += count;
        if self.handed < held.len() {
            self.held = held;
        } else {
            self.handed = 0;
        }
        examined
    }

    /// Examines what was just read, behind what is held.
    fn examine_read(&mut self, read: &[u8], out: &mut ReadBufCursor<'_>) -> Examined {
        if !self.held.is_empty() {
            self.held.drain(..self.handed);
            self.handed = 0;
            self.held.extend_from_slice(read);
            return self.examine_held(out);
        }
        let (count, examined) = self.examine(read, out);
        self.held.extend_from_slice(read.get(count..).unwrap_or_default());
        examined
    }

    fn unhanded(&self) -> &[u8] {
        self.held.get(self.handed..).unwrap_or_default()
    }

    /// Lays the rejection down for the service, and a good request in its place for hyper.
    fn reject(&mut self, rejection: RejectedRequest) {
        self.stand_in = rejection.placeholder();
        self.rejections.enter(Phase::Message);
        self.rejections.reject(self.heads, rejection);
        self.heads += 1;
        self.held = Vec::new();
        self.handed = 0;
        self.timer.clear();
    }

    fn interrupt(&mut self, fault: ParseError) {
        let held = std::mem::take(&mut self.held);
        let rejection = self.machine.interrupt(held.get(self.handed..).unwrap_or_default(), fault);
        self.handed = 0;
        if let Some(rejection) = rejection {
            self.reject(rejection);
        }
    }
}

impl<IO: AsyncRead + Unpin> Guard<IO> {
    /// Reads from the socket until something is examined. Ready without a change where the client has ended.
    fn poll_more(&mut self, cx: &mut Context<'_>, out: &mut ReadBufCursor<'_>) -> Poll<io::Result<Examined>> {
        let mut scratch = Scratch::lend();
        let room = out.remaining().min(scratch.len());
        let mut read = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
        match Pin::new(&mut self.io).poll_read(cx, &mut read) {
            Poll::Ready(Ok(())) if read.filled().is_empty() => {
                self.ended = true;
                if self.machine.awaits_head() {
                    self.interrupt(ParseError::HeadTruncated);
                } else if self.machine.mid_message() {
                    self.rejections.break_content(ParseError::BodyTruncated);
                }
                Poll::Ready(Ok(Examined::None))
            }
            Poll::Ready(Ok(())) => {
                let examined = self.examine_read(read.filled(), out);
                Poll::Ready(Ok(examined))
            }
            Poll::Ready(Err(error)) => {
                self.ended = true;
                Poll::Ready(Err(error))
            }
            Poll::Pending => self.poll_read_timeout(cx).map(|()| Ok(Examined::None)),
        }
    }

    /// Ready once the client has taken too long for what it is expected to send.
    fn poll_read_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.machine.awaits_head() {
            self.timer.clear();
            return Poll::Pending;
        }
        if self.unhanded().is_empty() {
            self.held = Vec::new();
            self.rejections.enter(Phase::Idle);
            ready!(self.timer.poll(cx, ReadPhase::Idle, self.machine.bounds().idle_timeout));
            self.ended = true;
        } else {
            self.rejections.enter(Phase::Head);
            ready!(self.timer.poll(cx, ReadPhase::Head, self.machine.bounds().head_timeout));
            self.interrupt(ParseError::HeadSlow);
            // Empty lines alone deserve no answer.
            self.ended = self.machine.awaits_head();
        }
        Poll::Ready(())
    }
}

impl<IO: AsyncRead + Unpin> hyper::rt::Read for Guard<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.rejections.is_transparent() {
            this.machine.transparent();
        }
        loop {
            if out.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if !this.stand_in.is_empty() {
                let room = out.remaining().min(this.stand_in.len());
                let (now, later) = this.stand_in.split_at_checked(room).unwrap_or_default();
                out.put_slice(now);
                this.stand_in = later;
                return Poll::Ready(Ok(()));
            }
            if this.ended {
                return Poll::Ready(Ok(()));
            }
            // The stand-in was the last request. What else comes is dropped when the socket is shut.
            if this.machine.is_rejected() {
                return Poll::Pending;
            }
            let mut examined =
                if this.unhanded().is_empty() { Examined::None } else { this.examine_held(&mut out) };
            if matches!(examined, Examined::None) {
                examined = ready!(this.poll_more(cx, &mut out))?;
            }
            match examined {
                Examined::Some => {
                    this.timer.clear();
                    return Poll::Ready(Ok(()));
                }
                Examined::None => {}
                Examined::Rejected(rejection) => this.reject(rejection),
                Examined::Broken(fault) => {
                    this.rejections.break_content(fault);
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
                }
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Guard<IO> {
    /// What came of writing; an error once the client has taken nothing for too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.write_timer.clear();
            return polled;
        }
        ready!(self.write_timer.poll(cx, ReadPhase::Write, self.machine.bounds().write_timeout));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> hyper::rt::Write for Guard<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.written(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        self.written(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // An upgraded connection goes on reading after it has shut its writing side.
        if this.machine.is_transparent() {
            return Pin::new(&mut this.io).poll_shutdown(cx);
        }
        this.linger.poll(cx, &mut this.io, &mut this.timer, this.machine.bounds(), this.ended)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, buffers);
        self.written(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use hyper::rt::Read as _;

    use super::*;

    fn read(guard: &mut Guard<tokio::io::DuplexStream>) -> Poll<Vec<u8>> {
        let mut bytes = [0; 1024];
        let mut buf = hyper::rt::ReadBuf::new(&mut bytes);
        ready!(Pin::new(guard).poll_read(&mut Context::from_waker(Waker::noop()), buf.unfilled())).unwrap();
        Poll::Ready(buf.filled().to_vec())
    }

    #[tokio::test]
    async fn nothing_of_a_head_is_seen_before_all_of_it_is_checked_and_idle_nothing_is_held() {
        use tokio::io::AsyncWriteExt as _;

        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let (mut client, server) = tokio::io::duplex(1024);
        let mut guard = Guard::new(server, HeadLimits::default());
        assert_eq!(read(&mut guard), Poll::Pending);
        for byte in &head[..head.len() - 1] {
            client.write_all(&[*byte]).await.unwrap();
            assert_eq!(read(&mut guard), Poll::Pending);
        }
        // The end of the head, and the beginning of another.
        client.write_all(b"\nGET").await.unwrap();
        assert_eq!(read(&mut guard), Poll::Ready(head.to_vec()));
        assert_eq!(read(&mut guard), Poll::Pending);
        client.write_all(&head[3..]).await.unwrap();
        assert_eq!(read(&mut guard), Poll::Ready(head.to_vec()));
        assert_eq!(read(&mut guard), Poll::Pending);
        assert_eq!(guard.held.capacity(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_waited_for_so_long_and_no_longer() {
        use hyper::rt::Write as _;
        use tokio::io::AsyncReadExt as _;

        let (mut client, server) = tokio::io::duplex(8);
        let bounds = HeadLimits { write_timeout: std::time::Duration::from_secs(5), ..HeadLimits::default() };
        let mut guard = Guard::new(server, bounds);
        let mut write =
            async |bytes: &[u8]| std::future::poll_fn(|cx| Pin::new(&mut guard).poll_write(cx, bytes)).await;
        let begun = tokio::time::Instant::now();
        assert_eq!(write(&[0; 16]).await.unwrap(), 8);
        // It takes its time, but it takes something.
        for _ in 0..3 {
            let taken = async {
                tokio::time::sleep(std::time::Duration::from_secs(4)).await;
                client.read_exact(&mut [0; 8]).await.unwrap();
            };
            let (written, _) = tokio::join!(write(&[0; 8]), taken);
            assert_eq!(written.unwrap(), 8);
        }
        assert_eq!(begun.elapsed().as_secs(), 12);
        assert_eq!(write(&[0; 8]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), 17);
    }

    #[tokio::test]
    async fn after_the_stand_in_nothing_is_read() {
        use tokio::io::AsyncWriteExt as _;

        let (mut client, server) = tokio::io::duplex(1024);
        let mut guard = Guard::new(server, HeadLimits::default());
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        client.shutdown().await.unwrap();
        assert!(
            matches!(read(&mut guard), Poll::Ready(bytes) if bytes.starts_with(b"GET / HTTP/1.1\r\nhost: "))
        );
        assert_eq!(read(&mut guard), Poll::Pending);
    }

    #[tokio::test]
    async fn a_head_that_comes_whole_is_never_held() {
        use tokio::io::AsyncWriteExt as _;

        let (mut client, server) = tokio::io::duplex(1024);
        let mut guard = Guard::new(server, HeadLimits::default());
        client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
        assert!(read(&mut guard).is_ready());
        assert_eq!(guard.held.capacity(), 0);
    }
}
