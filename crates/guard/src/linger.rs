//! Closing without a reset. A socket that is closed with unread bytes sends a reset, and a reset makes the
//! client's system throw away an answer that it has not read yet. So the writing side is shut first, and what
//! the client still sends is read and dropped, within bounds, until it closes too (RFC 9112, 9.6).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::HeadLimits;
use crate::scratch::Scratch;
use crate::timer::{ReadPhase, Timer};

/// How far the closing is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Linger {
    /// The writing side is open.
    #[default]
    Open,
    /// The writing side is shut; that much may still be dropped.
    Draining { left: usize },
    /// Both sides are done.
    Closed,
}

impl Linger {
    /// Shuts the writing side, then drains the reading side unless it has `ended`.
    pub(crate) fn poll<IO>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut IO,
        timer: &mut Timer,
        bounds: &HeadLimits,
        ended: bool,
    ) -> Poll<io::Result<()>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            match self {
                Linger::Open => {
                    ready!(Pin::new(&mut *io).poll_shutdown(cx))?;
                    *self =
                        if ended { Linger::Closed } else { Linger::Draining { left: bounds.linger_bytes } };
                }
                Linger::Draining { left } => {
                    let mut scratch = Scratch::lend();
                    let mut read = ReadBuf::new(&mut scratch);
                    match Pin::new(&mut *io).poll_read(cx, &mut read) {
                        Poll::Ready(Ok(())) if !read.filled().is_empty() && read.filled().len() < *left => {
                            *left -= read.filled().len();
                        }
                        Poll::Pending => {
                            ready!(timer.poll(cx, ReadPhase::Linger, bounds.linger_timeout));
                            *self = Linger::Closed;
                        }
                        Poll::Ready(_) => *self = Linger::Closed,
                    }
                }
                Linger::Closed => return Poll::Ready(Ok(())),
            }
        }
    }
}
