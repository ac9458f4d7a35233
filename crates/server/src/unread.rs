//! A connection that is given up where nobody reads what is sent to it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::places::Place;

/// A stream whose writing fails where the peer takes nothing for so long. Whoever asks for much and reads nothing
/// would else hold a connection, and what waits to be sent, for as long as they like. A timer is set only while
/// something cannot be written: most answers fit into the system's buffer.
pub(crate) struct Impatient<S> {
    stream: S,
    patience: Duration,
    wait: Option<Pin<Box<Sleep>>>,
    /// It goes with the stream, which may outlive the HTTP that was spoken there.
    place: Place,
}

impl<S> Impatient<S> {
    pub(crate) fn new(stream: S, patience: Duration, place: Place) -> Self {
        Self {
            stream,
            patience,
            wait: None,
            place,
        }
    }

    /// What came of writing, or that it has been waited for long enough.
    fn unless_late<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.wait.take().is_some() {
                self.place.seat().unread(false);
            }
            return written;
        }
        let patience = self.patience;
        let wait = self.wait.get_or_insert_with(|| {
            self.place.seat().unread(true);
            Box::pin(sleep(patience))
        });
        ready!(wait.as_mut().poll(cx));
        let unread = "what was sent was not read in time";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, unread)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unless_late(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.unless_late(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.unless_late(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.unless_late(cx, shut)
    }
}
