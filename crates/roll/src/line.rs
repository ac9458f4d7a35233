//! One line of a roll: the canonical JSON (RFC 8785) of an entry's envelope.

use std::{borrow::Cow, str::FromStr};

use chancery_domain::{
    Actor, CommandId, Entry, EventId, StreamId, TenantId, Timestamp, json::canonical,
};

use crate::{
    canonical::{NotCanonical, Scanner},
    hash::Hash,
};

/// The line of an entry, without a newline.
pub fn write(entry: &Entry) -> String {
    let mut line = String::with_capacity(512 + entry.payload.len());
    let mut member = |before: &str, value: &str| {
        line.push_str(before);
        line.push_str(value);
    };
    // In the order of their names. What is not surely plain is quoted by the canonical form's rules.
    member(r#"{"actor":{"id":"#, &canonical(&entry.actor.id()));
    member(r#","type":""#, entry.actor.kind());
    member(r#""},"aggregate_id":""#, &entry.stream.aggregate_id());
    member(r#"","aggregate_seq":"#, &entry.sequence.to_string());
    member(
        r#","aggregate_type":""#,
        entry.stream.aggregate_type().as_str(),
    );
    if let Some(id) = &entry.command_id {
        member(r#"","command_id":""#, &id.to_string());
    }
    member(r#"","id":""#, &entry.id.to_string());
    member(r#"","payload":"#, &entry.payload);
    member(r#","recorded_at":""#, &entry.recorded_at.to_string());
    member(r#"","tenant_id":""#, &entry.tenant.to_string());
    member(r#"","tenant_seq":"#, &entry.tenant_seq.to_string());
    if let Some(id) = &entry.trace_id {
        member(r#","trace_id":"#, &canonical(id));
    }
    member(r#","type":"#, &canonical(&entry.event_type));
    member(r#","version":"#, &entry.version.to_string());
    line.push('}');
    line
}

/// What is wrong with a line by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// Its bytes are no text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// It is not the canonical form of a JSON object.
    #[error("it is not in its canonical form: {0}")]
    NotCanonical(#[from] NotCanonical),
    /// A member that every line has is not there.
    #[error("it has no member `{0}`")]
    Missing(&'static str),
    /// A member that no line has.
    #[error("it has a member {0} that does not belong there")]
    Unknown(String),
    /// A member that does not hold what it should.
    #[error("its member `{0}` is not {1}")]
    Member(&'static str, &'static str),
}

/// A line that is its own canonical form and has what every line has. Nothing of its event is
/// understood: this holds for events of any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    text: &'a str,
    /// The entry's number in the roll.
    pub tenant_seq: i64,
    /// Whose roll it is in.
    pub tenant: TenantId,
    /// The entry's id.
    pub id: EventId,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The aggregate that it changed.
    pub stream: StreamId,
    /// Its number in the aggregate's own stream.
    pub sequence: i64,
    /// The version of the event's type.
    pub version: u32,
    /// Between their quotes, as they stand in the line.
    event_type: &'a str,
    payload: &'a str,
    actor: (&'a str, &'a str),
    command_id: Option<&'a str>,
    trace_id: Option<&'a str>,
}

/// The members of an envelope as they stand in the line.
#[derive(Default)]
struct Members<'a> {
    actor: Option<&'a str>,
    aggregate_id: Option<&'a str>,
    aggregate_seq: Option<&'a str>,
    aggregate_type: Option<&'a str>,
    command_id: Option<&'a str>,
    id: Option<&'a str>,
    payload: Option<&'a str>,
    recorded_at: Option<&'a str>,
    tenant_id: Option<&'a str>,
    tenant_seq: Option<&'a str>,
    trace_id: Option<&'a str>,
    event_type: Option<&'a str>,
    version: Option<&'a str>,
}

impl<'a> Members<'a> {
    fn read(text: &'a str) -> Result<Self, LineFault> {
        let mut members = Self::default();
        let mut unknown: Option<&str> = None;
        let mut scanner = Scanner::new(text);
        scanner.object(1, |name, value| {
            let slot = match name {
                r#""actor""# => &mut members.actor,
                r#""aggregate_id""# => &mut members.aggregate_id,
                r#""aggregate_seq""# => &mut members.aggregate_seq,
                r#""aggregate_type""# => &mut members.aggregate_type,
                r#""command_id""# => &mut members.command_id,
                r#""id""# => &mut members.id,
                r#""payload""# => &mut members.payload,
                r#""recorded_at""# => &mut members.recorded_at,
                r#""tenant_id""# => &mut members.tenant_id,
                r#""tenant_seq""# => &mut members.tenant_seq,
                r#""trace_id""# => &mut members.trace_id,
                r#""type""# => &mut members.event_type,
                r#""version""# => &mut members.version,
                other => {
                    unknown.get_or_insert(other);
                    return Ok(());
                }
            };
            *slot = Some(value);
            Ok(())
        })?;
        scanner.end()?;
        match unknown {
            Some(name) => Err(LineFault::Unknown(name.to_owned())),
            None => Ok(members),
        }
    }
}

impl<'a> Line<'a> {
    /// Reads a line, without its newline.
    ///
    /// # Errors
    /// [`LineFault`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, LineFault> {
        let text = std::str::from_utf8(bytes).map_err(|_| LineFault::NotText)?;
        let members = Members::read(text)?;
        let aggregate_type = quoted("aggregate_type", members.aggregate_type)?;
        let aggregate_id = quoted("aggregate_id", members.aggregate_id)?;
        let id = quoted("id", members.id)?;
        let tenant = quoted("tenant_id", members.tenant_id)?;
        let recorded_at = quoted("recorded_at", members.recorded_at)?;
        let payload = members.payload.ok_or(LineFault::Missing("payload"))?;
        let not = |member, what| move || LineFault::Member(member, what);
        Ok(Self {
            text,
            tenant_seq: number("tenant_seq", members.tenant_seq)?,
            tenant: tenant
                .parse()
                .map_err(|_| not("tenant_id", "the id of a tenant")())?,
            id: id.parse().map_err(|_| not("id", "the id of an entry")())?,
            recorded_at: moment(recorded_at)
                .ok_or_else(not("recorded_at", "a moment in UTC with six decimals"))?,
            stream: StreamId::parse(aggregate_type, aggregate_id)
                .ok_or_else(not("aggregate_id", "the id of an aggregate of its type"))?,
            sequence: number("aggregate_seq", members.aggregate_seq)?,
            version: number("version", members.version)?,
            event_type: quoted("type", members.event_type)?,
            payload: Some(payload)
                .filter(|payload| payload.starts_with('{'))
                .ok_or_else(not("payload", "an object"))?,
            actor: actor(members.actor.ok_or(LineFault::Missing("actor"))?)?,
            command_id: optional("command_id", members.command_id)?,
            trace_id: optional("trace_id", members.trace_id)?,
        })
    }

    /// The line, without a newline.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Its leaf in the tree.
    pub fn leaf(&self) -> Hash {
        Hash::leaf(self.text.as_bytes())
    }

    /// The entry that it is the line of.
    ///
    /// # Errors
    /// [`LineFault::Member`], for an actor or a command's id of a kind that is not known.
    pub fn entry(&self) -> Result<Entry, LineFault> {
        let (kind, actor) = (unquoted(self.actor.0), unquoted(self.actor.1));
        // Each entry has one line, so what is read in several forms is taken in one.
        let actor = Actor::parse(&kind, &actor).filter(|known| known.id() == actor);
        let command_id = self.command_id.map(|text| {
            let id = text.parse().ok();
            id.filter(|id: &CommandId| id.to_string() == text)
                .ok_or(LineFault::Member("command_id", "a UUID in lower case"))
        });
        Ok(Entry {
            id: self.id,
            tenant: self.tenant,
            tenant_seq: self.tenant_seq,
            recorded_at: self.recorded_at,
            stream: self.stream,
            sequence: self.sequence,
            event_type: unquoted(self.event_type).into_owned(),
            version: self.version,
            payload: self.payload.to_owned(),
            actor: actor.ok_or(LineFault::Member("actor", "one that this version knows"))?,
            command_id: command_id.transpose()?,
            trace_id: self.trace_id.map(|id| unquoted(id).into_owned()),
        })
    }
}

/// A text of the line without its quotes, its escapes as they are.
fn quoted<'a>(name: &'static str, value: Option<&'a str>) -> Result<&'a str, LineFault> {
    let value = value.ok_or(LineFault::Missing(name))?;
    let text = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    text.ok_or(LineFault::Member(name, "a text"))
}

fn optional<'a>(name: &'static str, value: Option<&'a str>) -> Result<Option<&'a str>, LineFault> {
    value.map(|value| quoted(name, Some(value))).transpose()
}

/// The text itself. `text` stood between quotes in a line that was checked.
fn unquoted(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    serde_json::from_str::<String>(&format!("\"{text}\""))
        .unwrap_or_default()
        .into()
}

fn number<N: FromStr + PartialOrd + From<u8>>(
    name: &'static str,
    value: Option<&str>,
) -> Result<N, LineFault> {
    let value = value.ok_or(LineFault::Missing(name))?;
    let number = value.parse().ok().filter(|number| *number >= N::from(1));
    number.ok_or(LineFault::Member(name, "an integer from 1 on"))
}

/// Kind and id.
fn actor(value: &str) -> Result<(&str, &str), LineFault> {
    let (mut kind, mut id, mut others) = (None, None, false);
    // It was scanned already: what fails here is not an object.
    let object = Scanner::new(value).object(1, |name, value| {
        match name {
            r#""type""# => kind = Some(value),
            r#""id""# => id = Some(value),
            _ => others = true,
        }
        Ok(())
    });
    match (
        quoted("actor", kind),
        quoted("actor", id),
        object.is_ok() && !others,
    ) {
        (Ok(kind), Ok(id), true) => Ok((kind, id)),
        _ => Err(LineFault::Member(
            "actor",
            "an object of `id` and `type`, both texts",
        )),
    }
}

/// A moment in exactly the form in which it is written.
fn moment(text: &str) -> Option<Timestamp> {
    const FORM: &[u8; 27] = b"0000-00-00T00:00:00.000000Z";
    let fits = |(byte, form): (u8, &u8)| {
        if *form == b'0' {
            byte.is_ascii_digit()
        } else {
            byte == *form
        }
    };
    let in_form = text.len() == FORM.len() && text.bytes().zip(FORM).all(fits);
    // A leap second is read as the moment before it, which has another text.
    let leap = text.get(17..19) == Some("60");
    if in_form && !leap {
        text.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
