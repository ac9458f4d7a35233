//! A body that is waited for no longer than it may take: neither from one piece to the next, nor in all.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::late::Late;

/// For how long a body is waited for.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// From one piece to the next.
    pub(crate) pause: Duration,
    /// For the whole.
    pub(crate) whole: Duration,
}

/// A body that ends with an error where it takes too long. A timer is set only while something is waited
/// for: most bodies are there with their head.
pub(crate) struct Patient<B> {
    body: B,
    patience: Patience,
    late: Late,
    /// When the whole has to be here: known once something is waited for.
    end: Option<Instant>,
    wait: Option<Pin<Box<Sleep>>>,
}

impl<B> Patient<B> {
    pub(crate) fn new(body: B, patience: Patience, late: Late) -> Self {
        Self {
            body,
            patience,
            late,
            end: None,
            wait: None,
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
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.wait = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let wait = this.wait.get_or_insert_with(|| {
            let now = Instant::now();
            let end = *this.end.get_or_insert(now + this.patience.whole);
            Box::pin(sleep_until(end.min(now + this.patience.pause)))
        });
        match wait.as_mut().poll(cx) {
            Poll::Ready(()) => {
                this.late.is_now();
                let late = io::Error::new(io::ErrorKind::TimedOut, "the body took too long");
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
        sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        time::sleep,
    };

    use super::*;

    const PATIENCE: Patience = Patience {
        pause: Duration::from_secs(10),
        whole: Duration::from_secs(30),
    };

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

    struct World {
        sender: UnboundedSender<Bytes>,
        body: Patient<Sent>,
        late: Late,
        /// When something came last, or was given up.
        last: Instant,
    }

    impl World {
        fn new() -> Self {
            let (sender, sent) = unbounded_channel();
            let late = Late::default();
            let body = Patient::new(Sent(sent), PATIENCE, late.clone());
            let last = Instant::now();
            Self {
                sender,
                body,
                late,
                last,
            }
        }

        /// What comes next, where one byte is sent after so many seconds.
        async fn next(&mut self, after: u64) -> Result<Frame<Bytes>, BoxError> {
            let (body, last) = (&mut self.body, &mut self.last);
            let next = async {
                let next = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
                *last = Instant::now();
                next
            };
            let sends = async {
                sleep(Duration::from_secs(after)).await;
                self.sender.send(Bytes::from_static(b"a")).unwrap();
            };
            tokio::join!(next, sends).0.unwrap()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_pause_again_and_again_and_never_for_too_long() {
        let mut world = World::new();
        for _ in 0..3 {
            assert!(world.next(9).await.is_ok());
        }
        assert!(!world.late.is_so());

        let mut world = World::new();
        assert!(world.next(9).await.is_ok());
        assert!(world.next(11).await.is_err());
        assert!(world.late.is_so());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_not_waited_for_longer_than_any_other() {
        let mut world = World::new();
        let begun = Instant::now();
        while world.next(1).await.is_ok() {}
        assert_eq!(world.last - begun, PATIENCE.whole);
        assert!(world.late.is_so());
    }
}
