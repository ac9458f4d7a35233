//! What will end and what is due, of clients, secrets and signing keys: one row for each, beside the row
//! that it follows from. The steward finds its work here and operators their calendar.

use chancery_domain::{
    ClientId, Invalid, KeyId, Row, SecretId, TenantId, Timestamp,
    agenda::{Due, What},
    client::Client,
    key_ring::KeyRing,
    secret_rotation::SecretRotation,
    tenant::{Tenant, TenantState},
};
use chancery_event_store::{
    Insert, Store, StoreError, Tx, execute, fetch_all, fetch_all_anew, fetch_optional,
};

use crate::{client_list::search_name, client_secrets, fold::TenantRows, model::Cell, side::Side};

/// What stands on the agenda.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// The tenant.
    pub tenant: TenantId,
    /// The client whose, or whose secret it is; none for a signing key.
    pub client: Option<ClientId>,
    /// What.
    pub what: What,
    /// When it ends, or is due.
    pub at: Timestamp,
}

/// Work for the steward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// The end of a client.
    Client(TenantId, ClientId),
    /// A client's secrets.
    Secrets(TenantId, ClientId),
    /// A tenant's signing keys.
    Keys(TenantId),
}

/// A place in the steward's list: past which row to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuePlace {
    record_at: i64,
    tenant: String,
    kind: String,
    subject: String,
}

/// A place in a tenant's calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgendaPlace {
    at: i64,
    kind: String,
    /// The client's name, as it is searched for; empty for signing keys and clients without one.
    name: String,
    number: i64,
    subject: String,
}

impl std::fmt::Display for AgendaPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            at,
            kind,
            name,
            number,
            subject,
        } = self;
        // A name may hold a space, nothing else does.
        write!(f, "{at} {kind} {number} {subject} {name}")
    }
}

impl std::str::FromStr for AgendaPlace {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("place", "must be a place in a list");
        let parts: Vec<_> = text.splitn(5, ' ').collect();
        let &[at, kind, number, subject, name] = parts.as_slice() else {
            return Err(invalid());
        };
        let micros = |text: &str| text.parse().map_err(|_| invalid());
        let (at, number) = (micros(at)?, micros(number)?);
        if what(kind, subject).is_none() {
            return Err(invalid());
        }
        Ok(Self {
            at,
            kind: kind.to_owned(),
            name: name.to_owned(),
            number,
            subject: subject.to_owned(),
        })
    }
}

/// What a row is about, as text: its kind, and the id of what it is about.
fn names(what: What, owner: &str) -> (&'static str, String) {
    match what {
        What::ClientExpires => ("client.expires", owner.to_owned()),
        What::SecretExpires(secret) => ("secret.expires", secret.to_string()),
        What::SecretRetires(secret) => ("secret.retires", secret.to_string()),
        What::SecretRotates => ("secret.rotates", owner.to_owned()),
        What::KeyActivates(key) => ("key.activates", key.to_string()),
        What::KeyRetires(key) => ("key.retires", key.to_string()),
        What::KeyRotates(key) => ("key.rotates", key.to_string()),
    }
}

fn what(kind: &str, subject: &str) -> Option<What> {
    let secret = || subject.parse::<SecretId>().ok();
    let key = || subject.parse::<KeyId>().ok();
    Some(match kind {
        "client.expires" => What::ClientExpires,
        "secret.expires" => What::SecretExpires(secret()?),
        "secret.retires" => What::SecretRetires(secret()?),
        "secret.rotates" => What::SecretRotates,
        "key.activates" => What::KeyActivates(key()?),
        "key.retires" => What::KeyRetires(key()?),
        "key.rotates" => What::KeyRotates(key()?),
        _ => return None,
    })
}

type DueRow = (i64, String, String, String, Option<String>);

/// What the steward has to do by now, of all tenants that are not closed: those first that wait the longest,
/// past a place. Gives where the page ends; nothing: it is the last.
///
/// # Errors
/// [`StoreError`].
pub async fn platform_due(
    store: &Store,
    now: Timestamp,
    after: Option<&DuePlace>,
    limit: u32,
) -> Result<(Vec<Work>, Option<DuePlace>), StoreError> {
    let start = DuePlace {
        record_at: i64::MIN,
        tenant: String::new(),
        kind: String::new(),
        subject: String::new(),
    };
    let after = after.unwrap_or(&start);
    let rows = fetch_all!(
        store,
        DueRow,
        "SELECT record_at, tenant_id, kind, subject, client_id FROM agenda
          WHERE record_at <= $1 AND (record_at, tenant_id, kind, subject) > ($2, $3, $4, $5)
          ORDER BY record_at, tenant_id, kind, subject LIMIT $6",
        now.micros(),
        after.record_at,
        &*after.tenant,
        &*after.kind,
        &*after.subject,
        i64::from(limit)
    )?;
    let end = rows.last().filter(|_| rows.len() == limit as usize).map(
        |(record_at, tenant, kind, subject, _)| DuePlace {
            record_at: *record_at,
            tenant: tenant.clone(),
            kind: kind.clone(),
            subject: subject.clone(),
        },
    );
    let work = rows.iter().map(|(_, tenant, kind, subject, client)| {
        let tenant: TenantId = id(tenant)?;
        Ok(match (what(kind, subject), client) {
            (Some(What::ClientExpires), Some(client)) => Work::Client(tenant, id(client)?),
            (Some(_), Some(client)) => Work::Secrets(tenant, id(client)?),
            (Some(_), None) => Work::Keys(tenant),
            (None, _) => return Err(unreadable(kind, subject)),
        })
    });
    Ok((work.collect::<Result<_, _>>()?, end))
}

/// Since when the steward has had something to do that is not done, of any tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn platform_due_since(
    store: &Store,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let oldest = fetch_optional!(
        store,
        (i64,),
        "SELECT record_at FROM agenda WHERE record_at <= $1 ORDER BY record_at LIMIT 1",
        now.micros()
    )?;
    Ok(oldest.map(|(at,)| Timestamp::from_micros(at)))
}

type CalendarRow = (i64, String, String, i64, String, Option<String>);

/// A tenant's calendar up to a moment, the soonest first, past a place. What comes at one moment is sorted by its
/// kind, the client's name and the number of the secret or key. It tells what will end, and what is due or
/// overdue. What has ended and is only not recorded yet is left out, as is what is of a deleted client: it
/// is the steward's alone.
///
/// # Errors
/// [`StoreError`].
pub async fn upcoming(
    store: &Store,
    tenant: TenantId,
    (now, until): (Timestamp, Timestamp),
    after: Option<&AgendaPlace>,
    limit: u32,
) -> Result<Vec<(AgendaPlace, Item)>, StoreError> {
    let start = AgendaPlace {
        at: i64::MIN,
        kind: String::new(),
        name: String::new(),
        number: 0,
        subject: String::new(),
    };
    let after = after.unwrap_or(&start);
    let rows = fetch_all_anew!(
        store,
        CalendarRow,
        "SELECT at, kind, name, number, subject, client_id FROM agenda
          WHERE tenant_id = $1 AND at <= $2 AND (at, kind, name, number, subject) > ($3, $4, $5, $6, $7)
            AND (at > $8 OR kind IN ('secret.rotates', 'key.rotates'))
            AND COALESCE((SELECT state FROM clients WHERE clients.tenant_id = agenda.tenant_id AND clients.client_id = agenda.client_id), '') <> 'deleted'
          ORDER BY at, kind, name, number, subject LIMIT $9",
        tenant.to_string(),
        until.micros(),
        after.at,
        &*after.kind,
        &*after.name,
        after.number,
        &*after.subject,
        now.micros(),
        i64::from(limit)
    )?;
    rows.into_iter()
        .map(|(at, kind, name, number, subject, client)| {
            let item = Item {
                tenant,
                client: client.as_deref().map(id).transpose()?,
                what: what(&kind, &subject).ok_or_else(|| unreadable(&kind, &subject))?,
                at: Timestamp::from_micros(at),
            };
            let place = AgendaPlace {
                at,
                kind,
                name,
                number,
                subject,
            };
            Ok((place, item))
        })
        .collect()
}

fn id<T: std::str::FromStr<Err = Invalid>>(text: &str) -> Result<T, StoreError> {
    let corrupt = |invalid| StoreError::Corrupt(format!("a row of agenda, {text}: {invalid}"));
    text.parse().map_err(corrupt)
}

fn unreadable(kind: &str, subject: &str) -> StoreError {
    StoreError::Corrupt(format!("agenda has a row of {kind} for {subject}"))
}

/// Whose agenda it is.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    Client(ClientId),
    Ring(TenantId),
}

impl Of {
    fn text(self) -> String {
        match self {
            Self::Client(client) => client.to_string(),
            Self::Ring(tenant) => tenant.to_string(),
        }
    }

    fn client(self) -> Option<String> {
        match self {
            Self::Client(client) => Some(client.to_string()),
            Self::Ring(_) => None,
        }
    }
}

/// What follows from a state, and what followed from the one before.
pub(crate) struct Moved {
    pub(crate) tenant: TenantId,
    pub(crate) of: Of,
    pub(crate) before: Vec<Due>,
    pub(crate) after: Vec<Due>,
}

/// Brings the rows to what follows from the states now. Of clients the name is looked up, so their own rows come
/// first.
pub(crate) async fn save(
    tx: &mut Tx,
    moved: impl IntoIterator<Item = Moved>,
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for change in moved {
        let (tenant, of) = (change.tenant, change.of);
        let (before, after) = (change.before, change.after);
        let owner = of.text();
        for due in &before {
            if after.iter().any(|kept| kept.what == due.what) {
                continue;
            }
            let (kind, subject) = names(due.what, &owner);
            execute!(
                tx,
                "DELETE FROM agenda WHERE tenant_id = $1 AND kind = $2 AND subject = $3",
                tenant.to_string(),
                kind,
                subject
            )?;
        }
        for due in after.iter().filter(|due| !before.contains(due)) {
            let (kind, subject) = names(due.what, &owner);
            rows.push(vec![
                Cell::text(tenant.to_string()),
                Cell::text(kind),
                Cell::text(subject),
                Cell::Text(of.client()),
                Cell::time(Some(due.at)),
                Cell::time(due.record_at),
                Cell::Integer(Some(i64::from(due.number))),
                Cell::Text(None),
            ]);
        }
    }
    tx.insert(&INSERT, rows).await
}

const INSERT: Insert<'_> = Insert {
    table: Agenda::TABLE,
    columns: &[
        "tenant_id",
        "kind",
        "subject",
        "client_id",
        "at",
        "record_at",
        "number",
        "name",
    ],
    values: "tenant_id, kind, subject, client_id, at, record_at, number, \
             COALESCE((SELECT c.search_name FROM clients c WHERE c.client_id = given.client_id), '')",
    conflict: "ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at, record_at = excluded.record_at",
};

/// A client has another name: what is due of it is sorted by that.
pub(crate) async fn rename(
    tx: &mut Tx,
    id: ClientId,
    before: &Row<Client>,
    after: &Row<Client>,
) -> Result<(), StoreError> {
    let name = search_name(&after.state);
    if search_name(&before.state) == name {
        return Ok(());
    }
    let tenant = after.tenant;
    let secrets = client_secrets::get(&mut *tx, tenant, id).await?;
    let of_secrets = secrets.map(|row| row.state.agenda()).unwrap_or_default();
    for due in after.state.agenda().iter().chain(&of_secrets) {
        let (kind, subject) = names(due.what, &id.to_string());
        execute!(
            tx,
            "UPDATE agenda SET name = $1 WHERE tenant_id = $2 AND kind = $3 AND subject = $4",
            name.as_deref().unwrap_or_default(),
            tenant.to_string(),
            kind,
            subject
        )?;
    }
    Ok(())
}

/// Of a closed tenant nothing is due any more, so that nobody has to read past it.
pub(crate) async fn close(tx: &mut Tx, row: &Row<Tenant>) -> Result<(), StoreError> {
    if row.state.state == TenantState::Closed {
        let tenant = row.tenant.to_string();
        execute!(tx, "DELETE FROM agenda WHERE tenant_id = $1", tenant)?;
    }
    Ok(())
}

/// The side table.
pub(crate) struct Agenda;

impl Side for Agenda {
    const TABLE: &'static str = "agenda";
    const COLUMNS: &'static [&'static str] = &[
        "kind",
        "subject",
        "client_id",
        "at",
        "record_at",
        "name",
        "number",
    ];
    const KEYS: usize = 2;

    fn of(rows: &TenantRows) -> Vec<Vec<Cell>> {
        let closed = |row: &Row<Tenant>| row.state.state == TenantState::Closed;
        if rows.tenants.values().any(closed) {
            return Vec::new();
        }
        let clients = rows.clients.iter();
        let clients = clients.map(|(id, row)| (Of::Client(*id), Client::agenda(&row.state)));
        let secrets = rows.client_secrets.iter();
        let secrets =
            secrets.map(|(id, row)| (Of::Client(*id), SecretRotation::agenda(&row.state)));
        let rings = rows.key_rings.iter();
        let rings = rings.map(|(id, row)| (Of::Ring(*id), KeyRing::agenda(&row.state)));
        let cells = |(of, agenda): (Of, Vec<Due>)| {
            let owner = of.text();
            let name = match of {
                Of::Client(client) => rows.clients.get(&client),
                Of::Ring(_) => None,
            };
            let name = name.and_then(|row| search_name(&row.state));
            let name = name.unwrap_or_default();
            let row = move |due: Due| {
                let (kind, subject) = names(due.what, &owner);
                vec![
                    Cell::text(kind),
                    Cell::text(subject),
                    Cell::Text(of.client()),
                    Cell::time(Some(due.at)),
                    Cell::time(due.record_at),
                    Cell::text(&*name),
                    Cell::Integer(Some(i64::from(due.number))),
                ]
            };
            agenda.into_iter().map(row).collect::<Vec<_>>()
        };
        clients
            .chain(secrets)
            .chain(rings)
            .flat_map(cells)
            .collect()
    }
}
