//! The export, as a file to be kept.

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use chancery_domain::value::Slug;
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use tokio::sync::Semaphore;

use crate::{stop::Stop, within::Within};

/// How much goes out at once, in bytes.
const PIECE: usize = 64 * 1024;
/// How many pieces wait for a slow reader; then the export waits.
const WAITING: usize = 4;
/// How many exports go out at once. Each holds a thread, and tokens need threads too.
const AT_ONCE: usize = 4;
/// How long an export waits for its reader to take anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long between two looks whether it has.
const LOOK: Duration = Duration::from_millis(10);

static EXPORTS: Semaphore = Semaphore::const_new(AT_ONCE);

pub(crate) async fn download(within: Within) -> Result<Response, Stop> {
    let application = within.visitor.application().clone();
    let caller = within.visitor.session.caller.clone();
    let slug = Slug::parse(&within.slug).map_err(|_| Stop::NothingHere)?;
    application.may_export(&caller, within.tenant).await?;
    let under_way = EXPORTS.try_acquire().map_err(|_| Stop::Busy)?;
    let (sender, receiver) = sync_channel(WAITING);
    let runtime = tokio::runtime::Handle::current();
    let disposition = format!("attachment; filename=\"{slug}.roll.ndjson\"");
    tokio::task::spawn_blocking(move || {
        let _under_way = under_way;
        let mut pieces = Pieces {
            sender,
            piece: Vec::with_capacity(PIECE),
        };
        let exported =
            runtime.block_on(application.export_roll(&slug, 1, &mut pieces, &mut |_, _| {}));
        let flushed = pieces.flush();
        if let Err(error) = exported {
            // What has gone out lacks its end: the reader sees a torn download, and no verifier takes it.
            tracing::warn!(%error, tenant = %slug, "an export ended early");
            let _ = pieces.send(Err(io::Error::other("the export ended early")));
        } else if let Err(error) = flushed {
            tracing::debug!(%error, tenant = %slug, "nobody waits for the export any more");
        }
    });
    let headers = [
        (CONTENT_TYPE, "application/x-ndjson".to_owned()),
        (CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, Body::from_stream(stream::unfold(receiver, next))).into_response())
}

type Piece = io::Result<Bytes>;

/// The next piece, waited for where waiting is allowed.
async fn next(receiver: Receiver<Piece>) -> Option<(Piece, Receiver<Piece>)> {
    let waited = tokio::task::spawn_blocking(move || {
        let piece = receiver.recv().ok()?;
        Some((piece, receiver))
    });
    waited.await.ok().flatten()
}

/// Cuts what is written into pieces.
struct Pieces {
    sender: SyncSender<Piece>,
    piece: Vec<u8>,
}

impl Pieces {
    /// Waits for the reader, but not for one who has stopped reading.
    fn send(&self, mut piece: Piece) -> io::Result<()> {
        let patient_until = Instant::now() + PATIENCE;
        loop {
            piece = match self.sender.try_send(piece) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(TrySendError::Full(_)) if Instant::now() > patient_until => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(TrySendError::Full(piece)) => piece,
            };
            std::thread::sleep(LOOK);
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.send(Ok(piece.into()))
    }
}
