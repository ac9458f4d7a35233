//! An event as the log holds it.

use std::fmt;

use crate::{
    event::{DecodeError, Event, decode_text},
    id::{ClientId, CommandId, EventId, TenantId},
    json::canonical,
    stream::StreamId,
    time::Timestamp,
};

/// Who made a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// An operator's or a tenant administrator's client.
    Client(ClientId),
    /// The process that turns due times into events.
    Steward,
    /// A person at the command line: the operating system's user.
    Cli(String),
    /// The first start.
    Installation,
}

impl Actor {
    /// The kind of actor: `client`, `steward`, `cli` or `installation`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::Steward => "steward",
            Self::Cli(_) => "cli",
            Self::Installation => "installation",
        }
    }

    /// Who it was, within the kind.
    pub fn id(&self) -> String {
        match self {
            Self::Client(id) => id.to_string(),
            Self::Steward => "steward".to_owned(),
            Self::Cli(user) => user.clone(),
            Self::Installation => "bootstrap".to_owned(),
        }
    }

    /// The actor with this kind and id as they stand in the log.
    pub fn parse(kind: &str, id: &str) -> Option<Self> {
        match kind {
            "client" => id.parse().ok().map(Self::Client),
            "steward" => Some(Self::Steward),
            "cli" => Some(Self::Cli(id.to_owned())),
            "installation" => Some(Self::Installation),
            _ => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind(), self.id())
    }
}

/// One entry of a tenant's roll.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The entry's id.
    pub id: EventId,
    /// Whose roll it is in.
    pub tenant: TenantId,
    /// Its number in the roll: 1, 2, 3 … without a gap, in the order of the commits.
    pub tenant_seq: i64,
    /// When it was recorded; never earlier than the entry before it.
    pub recorded_at: Timestamp,
    /// The aggregate that it changed.
    pub stream: StreamId,
    /// Its number in the aggregate's own stream, from 1.
    pub sequence: i64,
    /// What happened.
    pub event: Event,
    /// Who did it.
    pub actor: Actor,
    /// The command's id, when the caller gave one.
    pub command_id: Option<CommandId>,
    /// The W3C trace in which it happened: 32 hexadecimal digits.
    pub trace_id: Option<String>,
}

/// One entry of a tenant's roll as it was written, its event not understood: what is exported and
/// sealed, whichever binary reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The entry's id.
    pub id: EventId,
    /// Whose roll it is in.
    pub tenant: TenantId,
    /// Its number in the roll.
    pub tenant_seq: i64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The aggregate that it changed.
    pub stream: StreamId,
    /// Its number in the aggregate's own stream.
    pub sequence: i64,
    /// The event's type.
    pub event_type: String,
    /// The version of that type.
    pub version: u32,
    /// The event's own fields: canonical JSON (RFC 8785), byte for byte as it is stored.
    pub payload: String,
    /// Who did it.
    pub actor: Actor,
    /// The command's id, when the caller gave one.
    pub command_id: Option<CommandId>,
    /// The W3C trace in which it happened.
    pub trace_id: Option<String>,
}

impl Entry {
    /// The entry with its event understood.
    ///
    /// # Errors
    /// [`DecodeError`]: the event is unknown to this binary, or its payload does not fit.
    pub fn understood(self) -> Result<Recorded, DecodeError> {
        Ok(Recorded {
            event: decode_text(&self.event_type, self.version, &self.payload)?,
            id: self.id,
            tenant: self.tenant,
            tenant_seq: self.tenant_seq,
            recorded_at: self.recorded_at,
            stream: self.stream,
            sequence: self.sequence,
            actor: self.actor,
            command_id: self.command_id,
            trace_id: self.trace_id,
        })
    }
}

impl From<&Recorded> for Entry {
    /// The entry as this binary writes it. What another one wrote is read from where it was stored:
    /// a later version of the event may be understood from an earlier one.
    fn from(entry: &Recorded) -> Self {
        let (event_type, version) = entry.event.kind();
        Self {
            id: entry.id,
            tenant: entry.tenant,
            tenant_seq: entry.tenant_seq,
            recorded_at: entry.recorded_at,
            stream: entry.stream,
            sequence: entry.sequence,
            event_type: event_type.to_owned(),
            version,
            payload: canonical(&entry.event.payload()),
            actor: entry.actor.clone(),
            command_id: entry.command_id,
            trace_id: entry.trace_id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::BILLING;

    #[test]
    fn an_actor_is_read_as_it_was_written() {
        for actor in [
            Actor::Client(BILLING),
            Actor::Steward,
            Actor::Cli("deploy".to_owned()),
            Actor::Installation,
        ] {
            let (kind, id) = (actor.kind(), actor.id());
            assert_eq!(Actor::parse(kind, &id), Some(actor));
        }
        assert_eq!(Actor::parse("client", "nobody"), None);
        assert_eq!(Actor::parse("", ""), None);
    }
}
