//! Streams through `postgres-es` and `sqlite-es`.

use std::panic::AssertUnwindSafe;

use chancery_domain::{
    AggregateType, Event, Stream, StreamId, api::Api, client::Client, key_ring::KeyRing,
    secret_rotation::SecretRotation, tenant::Tenant,
};
use cqrs_es::persist::{PersistedEventRepository, PersistenceError, SerializedEvent};
use futures_util::FutureExt;

use crate::{
    error::StoreError,
    row,
    store::{Store, Streams},
};

/// The events of a stream, each with its number. None: a row could not be read by the library, which
/// panics then; the caller looks for itself.
pub(crate) async fn events(
    store: &Store,
    stream: StreamId,
) -> Result<Option<Vec<(i64, Event)>>, StoreError> {
    let read = async {
        match &store.streams {
            Streams::Postgres(streams) => serialized(streams.as_ref(), stream).await,
            Streams::Sqlite(streams) => serialized(streams.as_ref(), stream).await,
        }
    };
    // The connection is safe to use again: it reads what is left of an answer before it asks again.
    let Ok(events) = AssertUnwindSafe(read).catch_unwind().await else {
        return Ok(None);
    };
    events?
        .into_iter()
        .map(|event| understood(stream, event))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Type and version are looked at here, which the library's own conversion does not do.
fn understood(stream: StreamId, event: SerializedEvent) -> Result<(i64, Event), StoreError> {
    let sequence = i64::try_from(event.sequence).map_err(|_| {
        StoreError::Corrupt(format!("{stream} has an event with a negative number"))
    })?;
    row::event(
        stream,
        sequence,
        &event.event_type,
        &event.event_version,
        Ok(event.payload),
    )
    .map(|event| (sequence, event))
}

async fn serialized(
    repository: &impl PersistedEventRepository,
    stream: StreamId,
) -> Result<Vec<SerializedEvent>, PersistenceError> {
    let id = stream.aggregate_id();
    match stream.aggregate_type() {
        AggregateType::Tenant => repository.get_events::<Stream<Tenant>>(&id).await,
        AggregateType::KeyRing => repository.get_events::<Stream<KeyRing>>(&id).await,
        AggregateType::Api => repository.get_events::<Stream<Api>>(&id).await,
        AggregateType::Client => repository.get_events::<Stream<Client>>(&id).await,
        AggregateType::SecretRotation => repository.get_events::<Stream<SecretRotation>>(&id).await,
    }
}
