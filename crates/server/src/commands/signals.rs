//! What the server is told by signals.

use std::{io, sync::Arc};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

/// SIGTERM and SIGINT: to stop, and the second of them to wait for nobody any more. SIGHUP: to look at files that
/// may have changed, as other servers take it; left alone, it would end the process at once.
pub(super) struct Signals {
    stop: CancellationToken,
    hurry: CancellationToken,
    look: Arc<Notify>,
}

impl Signals {
    /// From here on none of them ends the process by itself.
    pub(super) fn listen() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let signals = Self {
            stop: CancellationToken::new(),
            hurry: CancellationToken::new(),
            look: Arc::new(Notify::new()),
        };
        let (stop, hurry) = (signals.stop.clone(), signals.hurry.clone());
        let look = signals.look.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    _ = hang_up.recv() => {
                        tracing::info!("SIGHUP: the TLS files are looked at, where there are any; nothing else is read again");
                        look.notify_one();
                        continue;
                    }
                }
                if stop.is_cancelled() {
                    hurry.cancel();
                } else {
                    stop.cancel();
                }
            }
        });
        Ok(signals)
    }

    /// Until it is told to stop.
    pub(super) async fn stop(&self) {
        self.stop.cancelled().await;
    }

    /// Until it is told so again.
    pub(super) async fn hurry(&self) {
        self.hurry.cancelled().await;
    }

    /// What is notified when files may have changed.
    pub(super) fn look(&self) -> Arc<Notify> {
        self.look.clone()
    }
}
