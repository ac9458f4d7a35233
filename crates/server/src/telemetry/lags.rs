//! How far behind what nobody waits for is: sealing and the steward.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chancery_domain::{Clock, Timestamp};
use chancery_event_store::{Store, StoreError};
use chancery_projections::agenda;
use chancery_telemetry::{Counter, Family};
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked. Whoever collects gets what was seen last, so asking often costs nothing.
const LOOK: Duration = Duration::from_secs(10);

/// How many tenants with a stopped seal are counted.
const STOPPED: u32 = 1_000;

/// What was seen last.
#[derive(Default)]
pub(crate) struct Lags {
    /// In microseconds.
    sealing: AtomicU64,
    steward: AtomicU64,
    stopped: AtomicU64,
    failures: Counter,
}

impl Lags {
    /// Looks every few seconds, for ever.
    pub(crate) async fn watch(self: Arc<Self>, store: Store, clock: Arc<dyn Clock>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if let Err(error) = self.look(&store, clock.now()).await {
                self.failures.one();
                tracing::debug!(%error, "it cannot be seen how far sealing and the steward are");
            }
        }
    }

    pub(crate) async fn look(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let unsealed = store.platform_unsealed_since().await?;
        self.sealing.store(age(unsealed, now), Ordering::Relaxed);
        let stopped = store.platform_seal_faults(STOPPED).await?;
        self.stopped.store(stopped.len() as u64, Ordering::Relaxed);
        let due = agenda::platform_due_since(store, now).await?;
        self.steward.store(age(due, now), Ordering::Relaxed);
        Ok(())
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "exact up to 2^53 microseconds, which is 285 years"
    )]
    pub(super) fn families(&self) -> Vec<Family> {
        let seconds = |micros: &AtomicU64| micros.load(Ordering::Relaxed) as f64 / 1e6;
        vec![
            Family::gauge(
                "chancery.seal.lag",
                "s",
                "How long the oldest entry of any roll has waited to be sealed.",
                seconds(&self.sealing),
            ),
            Family::gauge(
                "chancery.seal.stopped",
                "{tenant}",
                "Tenants whose sealing stopped because their roll is not as it was sealed.",
                self.stopped.load(Ordering::Relaxed) as f64,
            ),
            Family::gauge(
                "chancery.steward.lag",
                "s",
                "How long the oldest due work of the steward has been due.",
                seconds(&self.steward),
            ),
            Family::sum(
                "chancery.lag.failures",
                "{look}",
                "Looks at sealing and the steward that failed; the lags are then those of the last look.",
                self.failures.get(),
            ),
        ]
    }
}

/// How long ago it was, in microseconds.
fn age(since: Option<Timestamp>, now: Timestamp) -> u64 {
    since.map_or(0, |since| {
        u64::try_from(now.micros().saturating_sub(since.micros())).unwrap_or(0)
    })
}
