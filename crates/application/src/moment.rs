//! The past: what a tenant was at a moment, folded from its roll by the same folds that make the
//! present. Only as much of the roll is read as the answer needs.

use std::{collections::BTreeMap, fmt::Display};

use chancery_domain::{
    ApiId, ClientId, Faults, Fold, Invalid, Recorded, Row, StreamId, TenantId, Timestamp, api::Api,
    client::Client, key_ring::KeyRing, secret_rotation::SecretRotation, tenant::Tenant,
};
use chancery_projections::clients;
use chancery_token_log::Kind;

use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
    page::{Page, PageRequest},
    roll::EntryNumber,
};

/// How many entries are read at once: a page of things takes about as many, and what is read past them is in vain.
const BATCH: u32 = 250;

/// A moment in a tenant's past. Whoever has one may read the tenant's roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    tenant: TenantId,
    at: Timestamp,
    last: i64,
}

impl Moment {
    /// The tenant.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The moment itself. What time does by itself, like the end of a client, is told as of then.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The number of the last entry that there was.
    pub fn last(&self) -> i64 {
        self.last
    }
}

impl Application {
    /// A moment in a tenant's past; `argument` is what it is called where it is asked for. A change that
    /// is under way may still be recorded at a moment that has just passed. That the roll is read is
    /// recorded.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Invalid`] for one that is to come,
    /// [`Error::NotThen`] for one before the tenant was there.
    pub async fn moment(
        &self,
        caller: &Caller,
        tenant: TenantId,
        at: Timestamp,
        argument: &'static str,
    ) -> Result<Moment, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        let last = self.last_entry(tenant, at, argument).await?;
        self.record_reading(caller, tenant, Kind::RollRead).await?;
        Ok(Moment { tenant, at, last })
    }

    /// The number of the last entry that there was at a moment.
    pub(crate) async fn last_entry(
        &self,
        tenant: TenantId,
        at: Timestamp,
        argument: &'static str,
    ) -> Result<i64, Error> {
        if at > self.now() {
            let mut faults = Faults::default();
            let message = "must not lie in the future: the roll tells what has happened";
            faults.add(argument, Invalid::new("future", message));
            return Err(Error::Invalid(faults));
        }
        let store = &self.parts.store;
        let last = store.last_at(tenant, at).await?;
        if last > 0 {
            return Ok(last);
        }
        let first = store.events_page(tenant, 0, 1).await?.pop();
        Err(
            first.map_or(Error::NotFound { what: "tenant" }, |first| Error::NotThen {
                what: "tenant",
                since: first.recorded_at,
            }),
        )
    }

    /// The moment at an entry of a tenant's roll: what it was with that entry and without the next one,
    /// though both may have been recorded at the same time. That the roll is read is recorded.
    ///
    /// # Errors
    /// [`Error::NotFound`], also where there is no such entry; [`Error::Forbidden`].
    pub async fn moment_of_entry(
        &self,
        caller: &Caller,
        tenant: TenantId,
        EntryNumber(number): EntryNumber,
    ) -> Result<(Moment, Recorded), Error> {
        caller.require(Needs::AuditRead, tenant)?;
        let before = number.saturating_sub(1);
        let entry = self.parts.store.events_page(tenant, before, 1).await?.pop();
        let entry = entry.filter(|entry| entry.tenant_seq == number);
        let entry = entry.ok_or(Error::NotFound { what: "entry" })?;
        self.record_reading(caller, tenant, Kind::RollRead).await?;
        let moment = Moment {
            tenant,
            at: entry.recorded_at,
            last: number,
        };
        Ok((moment, entry))
    }

    /// A moment in the past of the tenant of a client that the caller sees.
    ///
    /// # Errors
    /// As [`Self::moment`].
    pub async fn moment_of_client(
        &self,
        caller: &Caller,
        client: ClientId,
        at: Timestamp,
        argument: &'static str,
    ) -> Result<Moment, Error> {
        let tenant = self.tenant_of(caller, client).await?;
        match self.moment(caller, tenant, at, argument).await {
            // The tenant is not what was asked for.
            Err(Error::NotThen { .. }) => Err(self.client_not_yet(tenant, client).await?),
            other => other,
        }
    }

    /// The tenant as it was.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn tenant_then(&self, moment: Moment) -> Result<Row<Tenant>, Error> {
        let row = self
            .row_then(moment, StreamId::Tenant(moment.tenant))
            .await?;
        row.ok_or(Error::NotFound { what: "tenant" })
    }

    /// The tenant's signing keys as they were.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn key_ring_then(&self, moment: Moment) -> Result<KeyRing, Error> {
        let row = self
            .row_then(moment, StreamId::KeyRing(moment.tenant))
            .await?;
        Ok(row.map(|row: Row<KeyRing>| row.state).unwrap_or_default())
    }

    /// A client as it was.
    ///
    /// # Errors
    /// [`Error::NotThen`], [`Error::NotFound`].
    pub async fn client_then(
        &self,
        moment: Moment,
        client: ClientId,
    ) -> Result<Row<Client>, Error> {
        match self.row_then(moment, StreamId::Client(client)).await? {
            Some(row) => Ok(row),
            None => Err(self.client_not_yet(moment.tenant, client).await?),
        }
    }

    pub(crate) async fn client_not_yet(
        &self,
        tenant: TenantId,
        client: ClientId,
    ) -> Result<Error, Error> {
        let now = clients::get(&self.parts.store, tenant, client).await?;
        Ok(
            now.map_or(Error::NotFound { what: "client" }, |row| Error::NotThen {
                what: "client",
                since: row.created_at,
            }),
        )
    }

    /// These APIs of the tenant as they were; one that was not there yet is left out.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn apis_of_then(
        &self,
        moment: Moment,
        apis: &[ApiId],
    ) -> Result<BTreeMap<ApiId, Row<Api>>, Error> {
        let streams: Vec<_> = apis.iter().map(|api| StreamId::Api(*api)).collect();
        self.rows_then(moment, &streams, api_id).await
    }

    /// The secrets of these clients of the tenant as they were; a client without any is left out.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn client_secrets_then(
        &self,
        moment: Moment,
        clients: &[ClientId],
    ) -> Result<BTreeMap<ClientId, Row<SecretRotation>>, Error> {
        let streams = clients
            .iter()
            .map(|client| StreamId::SecretRotation(*client));
        let streams: Vec<_> = streams.collect();
        self.rows_then(moment, &streams, secrets_id).await
    }

    /// The tenant's APIs as they were, oldest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn apis_then(
        &self,
        moment: Moment,
        page: &PageRequest<ApiId>,
    ) -> Result<Page<ApiId, (ApiId, Row<Api>)>, Error> {
        self.page_then(moment, page, api_id).await
    }

    /// The tenant's clients as they were, oldest first, those that were deleted by then included.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn clients_then(
        &self,
        moment: Moment,
        page: &PageRequest<ClientId>,
    ) -> Result<Page<ClientId, (ClientId, Row<Client>)>, Error> {
        self.page_then(moment, page, client_id).await
    }

    async fn row_then<S: Fold>(
        &self,
        moment: Moment,
        stream: StreamId,
    ) -> Result<Option<Row<S>>, Error> {
        let mut rows = self.rows_then(moment, &[stream], Some).await?;
        Ok(rows.pop_first().map(|(_, row)| row))
    }

    async fn rows_then<S: Fold, I: Copy + Ord>(
        &self,
        moment: Moment,
        streams: &[StreamId],
        id: fn(StreamId) -> Option<I>,
    ) -> Result<BTreeMap<I, Row<S>>, Error> {
        let mut rows = BTreeMap::new();
        // As many streams as a statement names without being remarkable.
        for streams in streams.chunks(500) {
            let events = self
                .parts
                .store
                .stream_events(moment.tenant, streams, moment.last);
            let mut folding = Folding::new(id);
            for entry in events.await? {
                folding.add(&entry);
            }
            rows.extend(folding.finish());
        }
        Ok(rows)
    }

    /// Aggregates lie one after the other in the index, in the order of the list: the walk ends when the
    /// page is full.
    async fn page_then<S: Fold, I: Copy + Ord + Display>(
        &self,
        moment: Moment,
        page: &PageRequest<I>,
        id: fn(StreamId) -> Option<I>,
    ) -> Result<Page<I, (I, Row<S>)>, Error> {
        let mut after = match page.after {
            Some(id) => (id.to_string(), i64::MAX),
            None => (String::new(), 0),
        };
        let mut folding = Folding::new(id);
        loop {
            let place = (after.0.as_str(), after.1);
            let events = self
                .parts
                .store
                .events_by_aggregate(moment.tenant, S::TYPE, moment.last, place, BATCH)
                .await?;
            for entry in &events {
                folding.add(entry);
                // One more than asked for is complete when yet another has begun.
                if folding.len() > page.limit() as usize {
                    folding.rows.pop();
                    return Ok(page.page(folding.finish().collect()));
                }
            }
            match events.last() {
                Some(last) if events.len() == BATCH as usize => {
                    after = (last.stream.aggregate_id(), last.tenant_seq);
                }
                _ => return Ok(page.page(folding.finish().collect())),
            }
        }
    }
}

fn api_id(stream: StreamId) -> Option<ApiId> {
    match stream {
        StreamId::Api(api) => Some(api),
        _ => None,
    }
}

fn client_id(stream: StreamId) -> Option<ClientId> {
    match stream {
        StreamId::Client(client) => Some(client),
        _ => None,
    }
}

fn secrets_id(stream: StreamId) -> Option<ClientId> {
    match stream {
        StreamId::SecretRotation(client) => Some(client),
        _ => None,
    }
}

/// Rows of aggregates whose events come one aggregate after the other.
struct Folding<I, S> {
    id: fn(StreamId) -> Option<I>,
    rows: Vec<(I, Option<Row<S>>)>,
}

impl<I: Copy + Ord, S: Fold> Folding<I, S> {
    fn new(id: fn(StreamId) -> Option<I>) -> Self {
        Self {
            id,
            rows: Vec::new(),
        }
    }

    fn add(&mut self, entry: &Recorded) {
        let Some(id) = (self.id)(entry.stream) else {
            return;
        };
        match self.rows.last_mut() {
            Some((last, row)) if *last == id => *row = Row::project(row.take(), entry),
            _ => self.rows.push((id, Row::project(None, entry))),
        }
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn finish(self) -> impl Iterator<Item = (I, Row<S>)> {
        self.rows
            .into_iter()
            .filter_map(|(id, row)| Some((id, row?)))
    }
}
