//! The export, as a file to be kept.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use chancery_domain::{TenantId, value::Slug};
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use tokio::task::JoinHandle;

use crate::{stop::Stop, within::Within};

/// How much goes out at once, in bytes.
const PIECE: usize = 64 * 1024;
/// How many pieces wait for a slow reader; then the export waits.
const WAITING: usize = 4;
/// How many exports go out at once. Each holds a thread, and tokens need threads too.
const AT_ONCE: usize = 6;
/// How many of one tenant: nobody keeps the others' from going out.
const OF_ONE: usize = 2;
/// How long an export waits for its reader, in all, over so many pieces: whoever takes less than that keeps room from
/// others.
const PATIENCE: Duration = Duration::from_secs(30);
const PIECES: usize = 4;
/// How long between two looks whether its reader is signed in still.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long between two looks whether it has.
const LOOK: Duration = Duration::from_millis(10);

static EXPORTS: Mutex<BTreeMap<TenantId, usize>> = Mutex::new(BTreeMap::new());

pub(crate) async fn download(within: Within) -> Result<Response, Stop> {
    let application = within.visitor.application().clone();
    let caller = within.visitor.session.caller.clone();
    let slug = Slug::parse(&within.slug).map_err(|_| Stop::NothingHere)?;
    application.may_export(&caller, within.tenant).await?;
    let under_way = begin(within.tenant)?;
    let over = Arc::new(AtomicBool::new(false));
    let watched = watch(&within, Arc::clone(&over));
    let (sender, receiver) = sync_channel(WAITING);
    let runtime = tokio::runtime::Handle::current();
    let disposition = format!("attachment; filename=\"{slug}.roll.ndjson\"");
    tokio::task::spawn_blocking(move || {
        let _under_way = under_way;
        let mut pieces = Pieces::to(sender, PATIENCE, over);
        let exported =
            runtime.block_on(application.export_roll(&slug, 1, &mut pieces, &mut |_, _| {}));
        let flushed = pieces.flush();
        watched.abort();
        if let Err(error) = exported {
            // What has gone out lacks its end: the reader sees a torn download, and no verifier takes it.
            tracing::warn!(error = chancery_telemetry::causes(&error), tenant = %slug, "an export ended early");
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

/// Room for one export, for as long as this is held.
struct UnderWay(TenantId);

fn begin(tenant: TenantId) -> Result<UnderWay, Stop> {
    let mut exports = exports();
    let of_tenant = exports.get(&tenant).copied().unwrap_or_default();
    if of_tenant >= OF_ONE || exports.values().sum::<usize>() >= AT_ONCE {
        return Err(Stop::Busy);
    }
    exports.insert(tenant, of_tenant + 1);
    Ok(UnderWay(tenant))
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut exports = exports();
        match exports.get(&self.0).copied().unwrap_or_default() {
            0 | 1 => exports.remove(&self.0),
            more => exports.insert(self.0, more - 1),
        };
    }
}

fn exports() -> MutexGuard<'static, BTreeMap<TenantId, usize>> {
    // Nothing in here is left half done by a panic.
    EXPORTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks again and again whether the reader is still signed in.
fn watch(within: &Within, over: Arc<AtomicBool>) -> JoinHandle<()> {
    let application = within.visitor.application().clone();
    let token = within.visitor.token().to_owned();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            if matches!(application.session_at_rest(&token).await, Ok(None)) {
                over.store(true, Ordering::Relaxed);
                return;
            }
        }
    })
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
    patience: Duration,
    /// How long the pieces of this round were waited for, and how many they are.
    waited: Duration,
    sent: usize,
    /// Whether the reader is not signed in any more.
    over: Arc<AtomicBool>,
}

impl Pieces {
    fn to(sender: SyncSender<Piece>, patience: Duration, over: Arc<AtomicBool>) -> Self {
        Self {
            sender,
            piece: Vec::with_capacity(PIECE),
            patience,
            waited: Duration::ZERO,
            sent: 0,
            over,
        }
    }

    /// Waits for the reader, but not for one who has stopped reading, or reads as good as nothing.
    fn send(&mut self, mut piece: Piece) -> io::Result<()> {
        if self.sent == PIECES {
            (self.sent, self.waited) = (0, Duration::ZERO);
        }
        self.sent += 1;
        let begun = Instant::now();
        let waited = self.waited;
        loop {
            if self.over.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            piece = match self.sender.try_send(piece) {
                Ok(()) => {
                    self.waited = waited + begun.elapsed();
                    return Ok(());
                }
                Err(TrySendError::Disconnected(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(TrySendError::Full(_)) if waited + begun.elapsed() > self.patience => {
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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn pieces(patience: Duration) -> (Pieces, Receiver<Piece>) {
        let (sender, receiver) = sync_channel(WAITING);
        let pieces = Pieces::to(sender, patience, Arc::default());
        (pieces, receiver)
    }

    #[test]
    fn one_export_too_many_is_told_to_come_again_and_has_room_when_another_has_ended() {
        let tenant = |number: usize| TenantId::from_bytes([u8::try_from(number).unwrap(); 16]);
        let mut of_one: Vec<_> = (0..OF_ONE).map(|_| begin(tenant(1)).unwrap()).collect();
        assert!(
            matches!(begin(tenant(1)), Err(Stop::Busy)),
            "the others have room"
        );
        let others = (OF_ONE..AT_ONCE).map(|number| begin(tenant(2 + number)).unwrap());
        let others: Vec<_> = others.collect();
        assert!(matches!(begin(tenant(99)), Err(Stop::Busy)));
        let told = Stop::Busy.into_response();
        assert_eq!(told.status(), http::StatusCode::SERVICE_UNAVAILABLE);
        drop(of_one.pop());
        let another = begin(tenant(99)).unwrap();
        assert!(matches!(begin(tenant(98)), Err(Stop::Busy)));
        drop((others, another));
        of_one.push(begin(tenant(1)).unwrap());
        assert!(matches!(begin(tenant(1)), Err(Stop::Busy)));
    }

    #[test]
    fn a_reader_who_takes_a_little_now_and_then_is_not_waited_for_without_end() {
        let (mut pieces, receiver) = pieces(PATIENCE);
        let piece = vec![7; PIECE];
        for _ in 0..WAITING {
            pieces.write_all(&piece).unwrap();
        }
        // Of this round one piece was sent, and all patience is gone over it.
        (pieces.sent, pieces.waited) = (1, PATIENCE + LOOK_AGAIN);
        let error = pieces.write_all(&piece).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // A round that has come through begins anew.
        assert_eq!(receiver.try_iter().count(), WAITING);
        (pieces.sent, pieces.waited) = (PIECES, PATIENCE + LOOK_AGAIN);
        pieces.write_all(&piece).unwrap();
        assert!(pieces.waited < PATIENCE);
    }

    #[test]
    fn whoever_is_not_signed_in_any_more_gets_no_further_piece() {
        let (mut pieces, _receiver) = pieces(PATIENCE);
        let piece = vec![7; PIECE];
        pieces.write_all(&piece).unwrap();
        pieces.over.store(true, Ordering::Relaxed);
        let error = pieces.write_all(&piece).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_reader_who_takes_nothing_is_waited_for_so_long_and_no_longer() {
        let (mut pieces, receiver) = pieces(Duration::ZERO);
        let piece = vec![7; PIECE];
        for _ in 0..WAITING {
            pieces.write_all(&piece).unwrap();
        }
        let begun = Instant::now();
        let error = pieces.write_all(&piece).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() < PATIENCE, "patience is what was given");
        // What waits is no more than was said.
        assert_eq!(receiver.try_iter().count(), WAITING);
        drop(receiver);
        let error = pieces.write_all(&piece).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_slow_reader_gets_every_byte() {
        let (mut pieces, receiver) = pieces(PATIENCE);
        let reader = thread::spawn(move || receiver.iter().map(|piece| piece.unwrap().len()).sum());
        let line = vec![7; 1_000];
        for _ in 0..1_000 {
            pieces.write_all(&line).unwrap();
        }
        pieces.flush().unwrap();
        drop(pieces);
        let read: usize = reader.join().unwrap();
        assert_eq!(read, 1_000_000);
    }
}
