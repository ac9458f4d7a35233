//! Why the store cannot be read, for the log.

use chancery_application::Error;
use chancery_event_store::Store;
use chancery_telemetry::{Repeated, causes};

/// Says it, as often as is useful, whoever asks.
pub(crate) struct Unreachable {
    store: Store,
    lines: Repeated,
}

impl Unreachable {
    /// Of this store.
    pub(crate) fn of(store: Store) -> Self {
        Self {
            store,
            lines: Repeated::new(1),
        }
    }

    /// That something cannot be done, and why: with what a connection beside the pool meets, since a pool says only that
    /// there was none in time. Nobody waits for it. No error: there was no answer.
    pub(crate) fn say(&self, what: &'static str, error: Option<&Error>) {
        let Some(left_out) = self.lines.say() else {
            return;
        };
        let error = error.map_or_else(|| "no answer in time".to_owned(), |error| causes(error));
        let store = self.store.clone();
        tokio::spawn(async move {
            let connection = match store.why_unreachable().await {
                Some(error) => causes(&error),
                None => "a new one can be had".to_owned(),
            };
            tracing::warn!(error, connection, left_out, "{what}");
        });
    }
}
