use std::collections::BTreeMap;

use chancery_domain::{Actor, CommandId, Event, EventId, Recorded, StreamId};

use crate::{error::StoreError, numbers::Numbers, postgres, sqlite, tx::Tx, versions::Versions};

/// Where a change comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Who made it.
    pub actor: Actor,
    /// The command's id, when the caller gave one.
    pub command_id: Option<CommandId>,
    /// The W3C trace in which it happened: 32 hexadecimal digits.
    pub trace_id: Option<String>,
}

/// The events of one change, as they go into a roll.
pub struct Append<'a> {
    /// Numbers of the roll, as many as there are events.
    pub numbers: Numbers,
    /// The events, in this order.
    pub events: &'a [(StreamId, Event)],
    /// The versions that the change was decided on.
    pub read: Versions,
    /// Where it comes from.
    pub provenance: Provenance,
    /// An id for each event.
    pub ids: Vec<EventId>,
}

impl Tx {
    /// Writes the events of one change into the roll whose numbers were taken, in this order, each at
    /// the end of its stream: after the version that `read` has of it. There must be as many events as
    /// numbers, and an id for each.
    ///
    /// [`UniqueRule::StreamVersion`](crate::UniqueRule::StreamVersion) means that a stream has moved
    /// past `read`, or is another tenant's.
    pub async fn append(
        &mut self,
        numbers: Numbers,
        events: &[(StreamId, Event)],
        read: &Versions,
        provenance: &Provenance,
        ids: impl IntoIterator<Item = EventId, IntoIter: Send> + Send,
    ) -> Result<Vec<Recorded>, StoreError> {
        let entries = number(&numbers, events, read, provenance, ids)?;
        self.write(entries).await
    }

    /// [`Tx::append`] for several changes at once, which may be of several tenants. None of them may change a stream
    /// that another one changes. The entries are those of one change after those of the other.
    pub async fn append_all(
        &mut self,
        changes: Vec<Append<'_>>,
    ) -> Result<Vec<Recorded>, StoreError> {
        let mut entries = Vec::new();
        for change in changes {
            let Append {
                numbers,
                events,
                read,
                provenance,
                ids,
            } = change;
            entries.extend(number(&numbers, events, &read, &provenance, ids)?);
        }
        self.write(entries).await
    }

    async fn write(&mut self, entries: Vec<Recorded>) -> Result<Vec<Recorded>, StoreError> {
        if entries.is_empty() {
            return Ok(entries);
        }
        match self {
            Self::Postgres(tx) => postgres::insert(tx, &entries).await?,
            Self::Sqlite(tx) => sqlite::insert(tx, &entries).await?,
        }
        Ok(entries)
    }
}

fn number(
    numbers: &Numbers,
    events: &[(StreamId, Event)],
    read: &Versions,
    provenance: &Provenance,
    ids: impl IntoIterator<Item = EventId>,
) -> Result<Vec<Recorded>, StoreError> {
    let mut sequences = BTreeMap::new();
    let mut entries = Vec::with_capacity(events.len());
    for ((tenant_seq, (stream, event)), id) in (numbers.first..).zip(events).zip(ids) {
        if event.aggregate_type() != stream.aggregate_type() {
            return Err(StoreError::Misuse(format!(
                "a {} does not belong into {stream}",
                event.kind().0
            )));
        }
        let sequence = sequences
            .entry(*stream)
            .or_insert_with(|| read.get(*stream));
        *sequence += 1;
        entries.push(Recorded {
            id,
            tenant: numbers.tenant,
            tenant_seq,
            recorded_at: numbers.recorded_at,
            stream: *stream,
            sequence: *sequence,
            event: event.clone(),
            actor: provenance.actor.clone(),
            command_id: provenance.command_id,
            trace_id: provenance.trace_id.clone(),
        });
    }
    if entries.len() != events.len() || events.len() != numbers.count {
        return Err(StoreError::Misuse(format!(
            "{} numbers were taken and {} ids given for {} events",
            numbers.count,
            entries.len(),
            events.len()
        )));
    }
    Ok(entries)
}
