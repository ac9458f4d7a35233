//! How far behind what nobody waits for is: sealing and the steward.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chancery_application::{Application, Error, Recorded};
use chancery_domain::{Clock, Timestamp};
use chancery_event_store::Store;
use chancery_telemetry::{Counter, Family};
use tokio::time::{MissedTickBehavior, interval};

use crate::unreachable::Unreachable;

/// How often it is looked. Whoever collects gets what was seen last, so asking often costs nothing.
const LOOK: Duration = Duration::from_secs(10);

/// How many tenants with a stopped seal are counted.
const STOPPED: u32 = 1_000;

/// What was seen last.
#[derive(Default)]
pub(crate) struct Lags {
    /// In microseconds.
    sealing: AtomicU64,
    /// In seconds.
    steward: AtomicU64,
    stopped: AtomicU64,
    /// Whether this node has not the master key that the installation is sealed under.
    keyless: AtomicBool,
    failures: Counter,
    /// When this node's steward last came to the end of a round.
    round: Mutex<Option<Instant>>,
    /// What is due and failed in that round, or rests since it failed.
    undone: AtomicU64,
}

impl Lags {
    /// Looks every few seconds, for ever.
    pub(crate) async fn watch(
        self: Arc<Self>,
        application: Application,
        store: Store,
        clock: Arc<dyn Clock>,
    ) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let unreachable = Unreachable::of(store.clone());
        loop {
            looks.tick().await;
            if let Err(error) = self.look(&application, &store, clock.now()).await {
                self.failures.one();
                unreachable.say(
                    "it cannot be seen how far sealing and the steward are",
                    Some(&error),
                );
            }
        }
    }

    async fn look(
        &self,
        application: &Application,
        store: &Store,
        now: Timestamp,
    ) -> Result<(), Error> {
        let missing = application.follow_master_key().await?;
        self.keyless.store(missing.is_some(), Ordering::Relaxed);
        let unsealed = store.platform_unsealed_since().await?;
        self.sealing.store(age(unsealed, now), Ordering::Relaxed);
        let stopped = application.stopped_seals(STOPPED).await?;
        self.stopped.store(stopped.len() as u64, Ordering::Relaxed);
        let steward = application.steward_lag().await?.unsigned_abs();
        self.steward.store(steward, Ordering::Relaxed);
        Ok(())
    }

    /// This node's steward came to the end of a round.
    pub(crate) fn stewarded(&self, recorded: Recorded) {
        *self.round.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.undone.store(recorded.failed as u64, Ordering::Relaxed);
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "exact up to 2^53 microseconds, which is 285 years"
    )]
    pub(super) fn families(&self, began: Instant) -> Vec<Family> {
        let round = *self.round.lock().unwrap_or_else(PoisonError::into_inner);
        vec![
            Family::gauge(
                "chancery.seal.lag",
                "s",
                "How long the oldest entry of any roll has waited to be sealed.",
                self.sealing.load(Ordering::Relaxed) as f64 / 1e6,
            ),
            Family::gauge(
                "chancery.seal.stopped",
                "{tenant}",
                "Tenants whose sealing stopped because their roll is not as it was sealed.",
                self.stopped.load(Ordering::Relaxed) as f64,
            ),
            Family::gauge(
                "chancery.master_key.missing",
                "{key}",
                "1 where this node does not have the master key that the database is sealed under.",
                f64::from(u8::from(self.keyless.load(Ordering::Relaxed))),
            ),
            Family::gauge(
                "chancery.steward.lag",
                "s",
                "How long the oldest due work has been due that no node's steward has recorded.",
                self.steward.load(Ordering::Relaxed) as f64,
            ),
            Family::gauge(
                "chancery.steward.round.age",
                "s",
                "How long ago this node's steward last came to the end of a round.",
                round.unwrap_or(began).elapsed().as_secs_f64(),
            ),
            Family::gauge(
                "chancery.steward.undone",
                "{work}",
                "Due work of clients and key rings that failed in that round, or rests since it failed.",
                self.undone.load(Ordering::Relaxed) as f64,
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
