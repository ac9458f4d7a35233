use async_graphql::{ID, Object, SimpleObject};
use chancery_application::EntryNumber;
use chancery_domain::Recorded;

use crate::{
    page,
    scalars::{DateTime, Json},
};

/// An entry of a roll.
pub(crate) struct EventNode {
    number: EntryNumber,
    entry: Recorded,
}

impl From<Recorded> for EventNode {
    fn from(entry: Recorded) -> Self {
        Self {
            number: EntryNumber(entry.tenant_seq),
            entry,
        }
    }
}

/// Who made an entry.
#[derive(SimpleObject)]
#[graphql(name = "Actor")]
pub(crate) struct ActorNode {
    /// The kind: `client`, `steward` (due times), `cli` (the command line) or `installation`.
    #[graphql(name = "type")]
    kind: &'static str,
    /// Who it was: a client's id, the operating system's user, `steward` or `bootstrap`.
    id: ID,
}

/// An entry of a tenant's roll: something that happened to the tenant, an API, a client, its secrets
/// or the signing keys. Entries are never changed or removed.
#[Object(name = "Event")]
impl EventNode {
    /// The entry's id, like `event_01h…`.
    #[graphql(name = "id")]
    async fn event_id(&self) -> ID {
        self.entry.id.into()
    }

    /// The entry's place in the roll, for `after`. Opaque: its form may change.
    async fn cursor(&self) -> String {
        page::cursor(&self.number)
    }

    /// The entry's number: 1, 2, 3 … without a gap in each tenant, in the order in which changes took
    /// effect. A 64-bit number as text.
    async fn tenant_seq(&self) -> String {
        self.entry.tenant_seq.to_string()
    }

    /// When it was recorded. Never earlier than the entry before it.
    async fn recorded_at(&self) -> DateTime {
        self.entry.recorded_at.into()
    }

    /// What happened, like `ClientDisabled`. `schema/events` describes the payload of each.
    #[graphql(name = "type")]
    async fn kind(&self) -> &'static str {
        self.entry.event.kind().0
    }

    /// The version of the payload's form.
    async fn version(&self) -> u32 {
        self.entry.event.kind().1
    }

    /// What it happened to: `tenant`, `key_ring`, `api`, `client` or `secret_rotation`.
    async fn aggregate_type(&self) -> &'static str {
        self.entry.stream.aggregate_type().as_str()
    }

    /// The id of what it happened to. A key ring has its tenant's, and the secrets of a client have the
    /// client's.
    async fn aggregate_id(&self) -> ID {
        self.entry.stream.aggregate_id().into()
    }

    /// The entry's number among those of the same aggregate, from 1. A 64-bit number as text.
    async fn aggregate_seq(&self) -> String {
        self.entry.sequence.to_string()
    }

    /// Who did it.
    async fn actor(&self) -> ActorNode {
        ActorNode {
            kind: self.entry.actor.kind(),
            id: self.entry.actor.id().into(),
        }
    }

    /// The `commandId` that the change came with. Null: it came with none.
    async fn command_id(&self) -> Option<String> {
        self.entry.command_id.map(|id| id.to_string())
    }

    /// The W3C trace in which it happened: 32 hexadecimal digits.
    async fn trace_id(&self) -> Option<&str> {
        self.entry.trace_id.as_deref()
    }

    /// What is recorded of it. Never a secret, nor what a secret could be tried against.
    async fn payload(&self) -> Json {
        Json(self.entry.event.payload())
    }
}
