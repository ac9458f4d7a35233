//! A body that may not pause for longer than it is waited for.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// A body that ends with an error where nothing comes for too long. A timer is set only while something
/// is waited for: most bodies are there with their head.
pub(crate) struct Patient<B> {
    body: B,
    patience: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<B> Patient<B> {
    pub(crate) fn new(body: B, patience: Duration) -> Self {
        Self {
            body,
            patience,
            pause: None,
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<B> Body for Patient<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.pause = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let patience = self.patience;
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(patience)));
        match pause.as_mut().poll(cx) {
            Poll::Ready(()) => {
                let late = io::Error::new(io::ErrorKind::TimedOut, "the body paused for too long");
                Poll::Ready(Some(Err(late.into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        sync::mpsc::{UnboundedReceiver, unbounded_channel},
        time::{Instant, advance},
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// What is sent to it.
    struct Sent(UnboundedReceiver<Bytes>);

    impl Body for Sent {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            let came = self.0.poll_recv(cx);
            came.map(|sent| sent.map(|bytes| Ok(Frame::data(bytes))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_pause_again_and_again_and_never_for_too_long() {
        let (sender, sent) = unbounded_channel();
        let mut body = Patient::new(Sent(sent), PATIENCE);
        let mut next = async || std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        for _ in 0..3 {
            let late = async {
                advance(PATIENCE.mul_f32(0.9)).await;
                sender.send(Bytes::from_static(b"a")).unwrap();
            };
            let (frame, ()) = tokio::join!(next(), late);
            assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), "a");
        }
        let begun = Instant::now();
        assert!(next().await.unwrap().is_err());
        assert_eq!(begun.elapsed().as_secs(), PATIENCE.as_secs());
    }
}
