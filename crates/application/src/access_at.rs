//! What a client could do at a moment.

use std::collections::BTreeSet;

use chancery_domain::{
    ClientId, Event, StreamId, Timestamp,
    access_at::{AccessAt, access_at},
    client::ClientEvent,
};

use crate::{Application, access::Caller, error::Error, moment::Moment};

impl Application {
    /// What a client could do at a moment, and since which entry of the roll: told from the entries of
    /// the tenant, the client, its secrets and the APIs that it was ever granted, and from nothing else.
    ///
    /// # Errors
    /// As [`Self::moment`]; [`Error::NotThen`] where the client was not there yet.
    pub async fn access_at(
        &self,
        caller: &Caller,
        client: ClientId,
        at: Timestamp,
    ) -> Result<(Moment, AccessAt), Error> {
        let moment = self.moment_of_client(caller, client, at, "at").await?;
        let (tenant, last) = (moment.tenant(), moment.last());
        let store = &self.parts.store;
        let own = [
            StreamId::Tenant(tenant),
            StreamId::Client(client),
            StreamId::SecretRotation(client),
        ];
        let mut entries = store.stream_events(tenant, &own, last).await?;
        let granted = entries.iter().filter_map(|entry| match &entry.event {
            Event::Client(ClientEvent::ClientGranted { api, .. }) => Some(StreamId::Api(*api)),
            _ => None,
        });
        let granted: BTreeSet<_> = granted.collect();
        let granted: Vec<_> = granted.into_iter().collect();
        entries.extend(store.stream_events(tenant, &granted, last).await?);
        entries.sort_by_key(|entry| entry.tenant_seq);
        match access_at(&entries, client, at) {
            Some(access) => Ok((moment, access)),
            None => Err(self.client_not_yet(tenant, client).await?),
        }
    }
}
