//! What people call the clients and APIs of entries now: an entry itself has their ids alone.

use std::collections::{BTreeMap, BTreeSet};

use chancery_application::{Application, Caller, Error, Needs};
use chancery_domain::{
    Actor, ApiId, ClientId, Recorded, SecretId, StreamId, TenantId, value::Slug,
};

use crate::{clients::called, within::Within};

/// Names by ids. Whoever may read the roll and not the clients gets none.
#[derive(Default)]
pub(super) struct Names {
    clients: BTreeMap<ClientId, String>,
    apis: BTreeMap<ApiId, String>,
    /// How secrets end.
    secrets: BTreeMap<SecretId, String>,
    /// Whether the reader may read what they are of.
    pub(super) may_read: bool,
    /// Of those who made entries and belong to the operators' tenant.
    operators: BTreeMap<ClientId, String>,
}

impl Names {
    /// Those of these entries.
    pub(super) async fn of(
        within: &Within,
        entries: impl Iterator<Item = &Recorded>,
    ) -> Result<Self, Error> {
        let caller = &within.visitor.session.caller;
        Self::looked_up(within.visitor.application(), caller, within.tenant, entries).await
    }

    pub(super) async fn looked_up(
        application: &Application,
        caller: &Caller,
        tenant: TenantId,
        entries: impl Iterator<Item = &Recorded>,
    ) -> Result<Self, Error> {
        if !caller.may(Needs::TenantRead, tenant) {
            return Ok(Self::default());
        }
        let (mut clients, mut apis) = (BTreeSet::new(), BTreeSet::new());
        let (mut actors, mut rotated) = (BTreeSet::new(), BTreeSet::new());
        for entry in entries {
            match entry.stream {
                StreamId::Client(id) => {
                    clients.insert(id);
                }
                StreamId::SecretRotation(id) => {
                    clients.insert(id);
                    rotated.insert(id);
                }
                StreamId::Api(id) => {
                    apis.insert(id);
                }
                StreamId::Tenant(_) | StreamId::KeyRing(_) => {}
            }
            if let Actor::Client(id) = &entry.actor {
                clients.insert(*id);
                actors.insert(*id);
            }
        }
        let (clients, apis): (Vec<_>, Vec<_>) =
            (clients.into_iter().collect(), apis.into_iter().collect());
        let found = application.clients_of(caller, tenant, &clients).await?;
        let clients = found.into_iter();
        let clients = clients.map(|(id, row)| (id, called(id, &row.state)));
        let found = application.apis_of(caller, &apis).await?;
        let apis = found.into_iter();
        let apis = apis.filter_map(|(id, row)| Some((id, row.ok()?.state.name.to_string())));
        let rotated: Vec<_> = rotated.into_iter().collect();
        let found = application
            .client_secrets_of(caller, tenant, &rotated)
            .await?;
        let secrets = found.into_values().flat_map(|row| row.state.secrets);
        let secrets = secrets.map(|(id, secret)| (id, secret.hint.as_str().to_owned()));
        let mut names = Self {
            clients: clients.collect(),
            apis: apis.collect(),
            secrets: secrets.collect(),
            may_read: true,
            operators: BTreeMap::new(),
        };
        actors.retain(|id| !names.clients.contains_key(id));
        if !actors.is_empty()
            && let Ok(system) = application.tenant_named(caller, Slug::SYSTEM).await
            && caller.may(Needs::TenantRead, system)
        {
            let ids: Vec<_> = actors.into_iter().collect();
            let found = application.clients_of(caller, system, &ids).await?;
            let rows = found.into_iter();
            names.operators = rows
                .map(|(id, row)| (id, format!("{} (operator)", called(id, &row.state))))
                .collect();
        } else {
            // Whoever made an entry and is no client of the tenant.
            let unknown = actors.into_iter().map(|id| (id, "an operator".to_owned()));
            names.operators = unknown.collect();
        }
        Ok(names)
    }

    /// What an entry happened to is called.
    pub(super) fn subject(&self, stream: StreamId) -> Option<&str> {
        let found = match stream {
            StreamId::Client(id) | StreamId::SecretRotation(id) => self.clients.get(&id),
            StreamId::Api(id) => self.apis.get(&id),
            StreamId::Tenant(_) | StreamId::KeyRing(_) => None,
        };
        found.map(String::as_str)
    }

    /// How this secret ends.
    pub(super) fn secret(&self, id: SecretId) -> Option<&str> {
        self.secrets.get(&id).map(String::as_str)
    }

    /// Whoever made an entry is called.
    pub(super) fn actor(&self, actor: &Actor) -> Option<&str> {
        match actor {
            Actor::Client(id) => {
                let found = self.clients.get(id).or_else(|| self.operators.get(id));
                found.map(String::as_str)
            }
            _ => None,
        }
    }
}
