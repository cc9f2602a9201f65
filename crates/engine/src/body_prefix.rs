//! The beginning of a body of which no more is needed.

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;

/// Reads at most `max` bytes of a body, and passes them to `push` chunk by chunk. Stops early if `push` returns `false` or
/// the body breaks off: what came before is enough.
pub async fn read_at_most<B>(mut body: B, max: usize, mut push: impl FnMut(&[u8]) -> bool)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut left = max;
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let taken = data.get(..left).unwrap_or(&data);
        left -= taken.len();
        if !push(taken) || taken.len() < data.len() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use http_body::Frame;

    use super::*;

    struct Chunks(Vec<&'static str>);

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let next = (!self.0.is_empty()).then(|| self.0.remove(0));
            Poll::Ready(next.map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))))
        }
    }

    #[test]
    fn reads_no_more_than_the_maximum() {
        for (chunks, max, expected) in [
            (&[][..], 4, ""),
            (&["ab", "c"], 4, "abc"),
            (&["ab", "cd"], 4, "abcd"),
            (&["ab", "cd", "e"], 4, "abcd"),
            (&["ab", "cde", "f"], 4, "abcd"),
            (&["abcdef"], 0, ""),
        ] {
            let mut read = Vec::new();
            {
                let push = |data: &[u8]| {
                    read.extend_from_slice(data);
                    true
                };
                let reading = pin!(read_at_most(Chunks(chunks.to_vec()), max, push));
                assert!(reading.poll(&mut Context::from_waker(Waker::noop())).is_ready());
            }
            assert_eq!(read, expected.as_bytes(), "{chunks:?}");
        }
    }
}
