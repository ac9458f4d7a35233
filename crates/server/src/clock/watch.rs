//! The clock is looked at every few seconds, and the log hears once when it is not believed any more.

use std::{sync::Arc, time::Duration};

use chancery_domain::Clock;
use chancery_event_store::Store;
use tokio::time::{MissedTickBehavior, interval};

use super::{Seen, SystemClock};

/// How often. A jump is noticed without it, and only confirmed or taken back here.
const LOOK: Duration = Duration::from_secs(5);

/// How many looks there are between two notes of the time: an hour.
const NOTE: u64 = 720;

/// Watches for ever.
pub(crate) async fn watch(clock: Arc<SystemClock>, store: Store, seen: Option<Seen>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut believed, mut looked): (bool, u64) = (true, 0);
    loop {
        looks.tick().await;
        if let Err(error) = clock.look(&store).await {
            tracing::debug!(%error, "the clock could not be held against the database's");
        }
        match clock.trusted() {
            Err(fault) if believed => {
                tracing::error!(%fault, "the clock cannot be believed: until it can, no token is issued, and nothing is changed or deleted");
                believed = false;
            }
            Ok(()) if !believed => {
                tracing::info!("the clock can be believed again, and everything goes on");
                believed = true;
            }
            _ => {}
        }
        if let Some(seen) = &seen
            && believed
            && looked.is_multiple_of(NOTE)
            && let Err(error) = seen.note(clock.now())
        {
            tracing::warn!(%error, "it could not be noted that the server ran now");
        }
        looked += 1;
    }
}
