//! From a stored row to an event. `domain::event::decode` is the one reader.

use chancery_domain::{
    Actor, DecodeError, Entry, Event, Recorded, StreamId, Timestamp, event::decode,
};
use serde_json::Value;

use crate::error::{EventName, StoreError};

/// The columns of a [`StoredEvent`], the payload as the text that was written.
pub(crate) const COLUMNS: &str = "event_id, tenant_id, tenant_seq, recorded_at, aggregate_type, aggregate_id, \
     sequence, event_type, event_version, CAST(payload AS TEXT) AS payload, actor_type, actor_id, command_id, trace_id";

/// A row of `events`, not yet understood.
#[derive(sqlx::FromRow, serde::Deserialize)]
pub(crate) struct StoredEvent {
    event_id: String,
    tenant_id: String,
    tenant_seq: i64,
    recorded_at: i64,
    aggregate_type: String,
    aggregate_id: String,
    sequence: i64,
    event_type: String,
    event_version: String,
    payload: String,
    actor_type: String,
    actor_id: String,
    command_id: Option<String>,
    trace_id: Option<String>,
}

/// A row of a query of events: one of them on PostgreSQL, and on SQLite, where the query is [`packed`], all of them.
pub(crate) enum Gathered {
    One(Box<StoredEvent>),
    All(String),
}

impl<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> for Gathered {
    fn from_row(row: &'r sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
        StoredEvent::from_row(row).map(|event| Self::One(Box::new(event)))
    }
}

impl<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> for Gathered {
    fn from_row(row: &'r sqlx::sqlite::SqliteRow) -> Result<Self, sqlx::Error> {
        sqlx::Row::try_get(row, 0).map(Self::All)
    }
}

/// A query of [`COLUMNS`] on SQLite whose rows come as one text, to be read by [`gathered`]: each row that is handed over
/// goes from one thread to another, which takes longer than to read it.
pub(crate) fn packed(sql: &str) -> String {
    format!(
        "SELECT json_group_array(json_array(event_id, tenant_id, tenant_seq, recorded_at, aggregate_type, aggregate_id,
                sequence, event_type, event_version, payload, actor_type, actor_id, command_id, trace_id))
           FROM ({sql})"
    )
}

/// The rows of a packed query. What gathers them promises no order.
fn unpacked(text: &str) -> Result<Vec<StoredEvent>, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::Corrupt(format!("events cannot be read: {error}")))
}

/// In which order events were asked for.
#[derive(Clone, Copy)]
pub(crate) enum By {
    /// As they stand in the roll.
    Number,
    /// By aggregate, each one's as they stand in the roll.
    Aggregate,
}

/// The events that a statement gave, as they come from each store: what it was ordered by is said once more.
pub(crate) fn gathered(rows: Vec<Gathered>, by: By) -> Result<Vec<StoredEvent>, StoreError> {
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        match row {
            Gathered::One(event) => events.push(*event),
            Gathered::All(text) => {
                events = unpacked(&text)?;
                match by {
                    By::Number => events.sort_by_key(|event| event.tenant_seq),
                    By::Aggregate => events.sort_by(|one, other| one.place().cmp(&other.place())),
                }
            }
        }
    }
    Ok(events)
}

impl StoredEvent {
    fn place(&self) -> (&str, &str, i64) {
        (&self.aggregate_type, &self.aggregate_id, self.tenant_seq)
    }

    /// The entry as it was written, its event not understood.
    pub(crate) fn entry(self) -> Result<Entry, StoreError> {
        let name = EventName {
            aggregate_type: self.aggregate_type,
            aggregate_id: self.aggregate_id,
            sequence: self.sequence,
        };
        let unreadable =
            |column: &str| StoreError::Corrupt(format!("{name} has no usable {column}"));
        Ok(Entry {
            id: self.event_id.parse().map_err(|_| unreadable("event_id"))?,
            tenant: self
                .tenant_id
                .parse()
                .map_err(|_| unreadable("tenant_id"))?,
            tenant_seq: self.tenant_seq,
            recorded_at: Timestamp::from_micros(self.recorded_at),
            stream: StreamId::parse(&name.aggregate_type, &name.aggregate_id)
                .ok_or_else(|| unreadable("aggregate"))?,
            sequence: self.sequence,
            event_type: self.event_type,
            version: self.event_version.parse().map_err(|_| {
                StoreError::Corrupt(format!("{name} has a version that is no number"))
            })?,
            payload: self.payload,
            actor: Actor::parse(&self.actor_type, &self.actor_id)
                .ok_or_else(|| unreadable("actor"))?,
            command_id: match self.command_id {
                Some(id) => Some(id.parse().map_err(|_| unreadable("command_id"))?),
                None => None,
            },
            trace_id: self.trace_id,
        })
    }

    pub(crate) fn read(self) -> Result<Recorded, StoreError> {
        let entry = self.entry()?;
        let (stream, sequence) = (entry.stream, entry.sequence);
        let name = || EventName::new(stream, sequence);
        let entry = entry.understood().map_err(|cause| StoreError::Poison {
            event: name(),
            cause,
        })?;
        if entry.event.aggregate_type() != stream.aggregate_type() {
            return Err(StoreError::Corrupt(format!(
                "{} is a {}, which does not belong there",
                name(),
                entry.event.kind().0
            )));
        }
        Ok(entry)
    }
}

/// Reads one event of a stream. `Err` as payload: it is no JSON, and why.
pub(crate) fn event(
    stream: StreamId,
    sequence: i64,
    event_type: &str,
    version: &str,
    payload: Result<Value, String>,
) -> Result<Event, StoreError> {
    let name = || EventName::new(stream, sequence);
    let Ok(version) = version.parse::<u32>() else {
        return Err(StoreError::Corrupt(format!(
            "{} has a version that is no number",
            name()
        )));
    };
    let event = payload
        .map_err(|cause| DecodeError::Payload {
            event_type: event_type.to_owned(),
            version,
            cause,
        })
        .and_then(|payload| decode(event_type, version, payload))
        .map_err(|cause| StoreError::Poison {
            event: name(),
            cause,
        })?;
    if event.aggregate_type() != stream.aggregate_type() {
        return Err(StoreError::Corrupt(format!(
            "{} is a {event_type}, which does not belong there",
            name()
        )));
    }
    Ok(event)
}
