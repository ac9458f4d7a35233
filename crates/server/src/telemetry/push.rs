//! Metrics on their way to the collector, every few seconds.

use std::{sync::Arc, time::Duration};

use chancery_domain::Clock;
use chancery_telemetry::causes;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Collector, Sources};

/// How often metrics are sent.
const PUSH: Duration = Duration::from_secs(15);

/// Sends what was counted until it is told to stop, and once more then.
pub(crate) async fn push(
    collector: Collector,
    sources: Arc<Sources>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let nanos = || {
        u64::try_from(clock.now().micros())
            .unwrap_or(0)
            .saturating_mul(1_000)
    };
    let began = nanos();
    let mut pushes = interval(PUSH);
    pushes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut arrives = true;
    loop {
        let last = tokio::select! {
            _ = pushes.tick() => false,
            () = stop.cancelled() => true,
        };
        let sent = collector
            .send_metrics(&sources.collect(), began, nanos())
            .await;
        match sent {
            Ok(()) => arrives = true,
            // Once is enough to know.
            Err(error) if arrives => {
                arrives = false;
                tracing::warn!(
                    error = causes(&error),
                    "metrics could not be sent; they will be, with all that was counted, when the collector is back"
                );
            }
            Err(_) => {}
        }
        if last {
            return;
        }
    }
}
