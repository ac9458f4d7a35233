//! What a resolver works with: the application, who asks, and reads that are shared between fields.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    hash::Hash,
    sync::Arc,
};

use async_graphql::{
    Context,
    dataloader::{DataLoader, Loader},
};
use chancery_application::{Application, Caller, Counts, Deadline, Error, LastUse, Moment};
use chancery_domain::{
    ApiId, ClientId, CredentialId, Row, TenantId, Timestamp, api::Api, key_ring::KeyRing,
    secret_rotation::SecretRotation, tenant::Tenant,
};

use crate::{error::Failure, last_use::Credential};

/// As of when something is shown: it and everything that is reached from it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View {
    /// As it is.
    Now,
    /// As it was, from the roll.
    Then(Moment),
}

/// One request's way to the application.
pub(crate) struct Session {
    pub(crate) application: Application,
    pub(crate) caller: Caller,
    /// The W3C trace id that a change is recorded with.
    pub(crate) trace_id: String,
    /// Until when a change may begin.
    pub(crate) deadline: Deadline,
    reads: DataLoader<Reads>,
}

impl Session {
    /// The session of a caller that was authenticated for this request.
    pub(crate) fn new(
        application: Application,
        caller: Caller,
        trace_id: String,
        deadline: Deadline,
    ) -> Self {
        let caller = caller.in_trace(&trace_id);
        let reads = Reads {
            application: application.clone(),
            caller: caller.clone(),
        };
        Self {
            application,
            caller,
            trace_id,
            deadline,
            reads: DataLoader::new(reads, tokio::spawn),
        }
    }

    /// The session in which a field is resolved.
    pub(crate) fn of<'a>(ctx: &Context<'a>) -> Result<&'a Self, Failure> {
        ctx.data_opt()
            .ok_or(Failure::Defect("a field is resolved without a session"))
    }

    /// The moment of a view: states by time are told as of then.
    pub(crate) fn at(&self, view: View) -> Timestamp {
        match view {
            View::Now => self.application.now(),
            View::Then(moment) => moment.at(),
        }
    }

    /// A tenant, read together with others that are asked for at the same time.
    pub(crate) async fn tenant(
        &self,
        view: View,
        tenant: TenantId,
    ) -> Result<Arc<Row<Tenant>>, Failure> {
        answer(match view {
            View::Now => self.reads.load_one(tenant).await,
            View::Then(moment) => self.reads.load_one(Then(moment, tenant)).await,
        })
    }

    /// An API, read together with others that are asked for at the same time.
    pub(crate) async fn api(&self, view: View, api: ApiId) -> Result<Arc<Row<Api>>, Failure> {
        answer(match view {
            View::Now => self.reads.load_one(api).await,
            View::Then(moment) => self.reads.load_one(Then(moment, api)).await,
        })
    }

    /// How many clients and APIs a tenant has, read together with others that are asked for at the same
    /// time.
    pub(crate) async fn counts(&self, tenant: TenantId) -> Result<Arc<Counts>, Failure> {
        answer(self.reads.load_one(CountsOf(tenant)).await)
    }

    /// A client's secrets, read together with others that are asked for at the same time; nothing where it
    /// never had any.
    pub(crate) async fn secrets(
        &self,
        view: View,
        tenant: TenantId,
        client: ClientId,
    ) -> Result<Arc<Option<Row<SecretRotation>>>, Failure> {
        answer(match view {
            View::Now => self.reads.load_one(SecretsOf { tenant, client }).await,
            View::Then(moment) => self.reads.load_one(Then(moment, client)).await,
        })
    }

    /// When a credential was last used, read together with others that are asked for at the same time.
    /// The past does not know: it is not in the roll.
    pub(crate) async fn last_use(
        &self,
        credential: Credential,
    ) -> Result<Arc<Option<LastUse>>, Failure> {
        let Credential { view, tenant, id } = credential;
        match view {
            View::Now => answer(self.reads.load_one(UseOf { tenant, id }).await),
            View::Then(_) => Ok(Arc::default()),
        }
    }

    /// When a client last used any of its credentials, read together with others that are asked for at
    /// the same time. The past does not know.
    pub(crate) async fn last_use_of_client(
        &self,
        view: View,
        tenant: TenantId,
        client: ClientId,
    ) -> Result<Arc<Option<LastUse>>, Failure> {
        match view {
            View::Now => answer(self.reads.load_one(UseOfClient { tenant, client }).await),
            View::Then(_) => Ok(Arc::default()),
        }
    }

    /// A tenant's signing keys.
    pub(crate) async fn key_ring(&self, view: View, tenant: TenantId) -> Result<KeyRing, Failure> {
        Ok(match view {
            View::Now => self.application.key_ring(&self.caller, tenant).await?,
            View::Then(moment) => self.application.key_ring_then(moment).await?,
        })
    }
}

/// What was read for one key, or why it was not.
type Read<T> = Result<Arc<T>, Arc<Error>>;

fn answer<T>(read: Result<Option<Read<T>>, Infallible>) -> Result<Arc<T>, Failure> {
    match read {
        Ok(Some(read)) => read.map_err(Failure::from),
        Ok(None) => Err(Failure::Defect("a read gave no answer")),
        Err(never) => match never {},
    }
}

/// Reads in batches: a page whose thousand clients name the same three APIs reads three rows. It
/// keeps nothing, so that a read after a change in the same request sees the change.
struct Reads {
    application: Application,
    caller: Caller,
}

/// The secrets of a client.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct SecretsOf {
    tenant: TenantId,
    client: ClientId,
}

/// The last use of a credential.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct UseOf {
    tenant: TenantId,
    id: CredentialId,
}

/// The last use of a client.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct UseOfClient {
    tenant: TenantId,
    client: ClientId,
}

/// The counts of a tenant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct CountsOf(TenantId);

impl Loader<CountsOf> for Reads {
    type Value = Read<Counts>;
    type Error = Infallible;

    async fn load(&self, keys: &[CountsOf]) -> Result<HashMap<CountsOf, Self::Value>, Infallible> {
        let tenants: Vec<_> = keys.iter().map(|key| key.0).collect();
        let read = self.application.counts_of(&self.caller, &tenants).await;
        let each = answers(&tenants, read).into_iter();
        Ok(each
            .map(|(tenant, read)| (CountsOf(tenant), read))
            .collect())
    }
}

impl Loader<UseOf> for Reads {
    type Value = Read<Option<LastUse>>;
    type Error = Infallible;

    /// A few queries for each tenant, which are those for any page of clients.
    async fn load(&self, keys: &[UseOf]) -> Result<HashMap<UseOf, Self::Value>, Infallible> {
        let mut found = HashMap::with_capacity(keys.len());
        for (tenant, credentials) in by_tenant(keys.iter().map(|key| (key.tenant, key.id))) {
            let names: Vec<_> = credentials.iter().map(ToString::to_string).collect();
            let read = self
                .application
                .last_uses(&self.caller, tenant, &names)
                .await;
            let read = read.map(|mut uses| {
                let each = credentials.iter().zip(&names);
                each.map(|(credential, name)| (*credential, Ok(uses.remove(name))))
                    .collect()
            });
            let of_tenant = answers(&credentials, read).into_iter();
            found.extend(of_tenant.map(|(id, read)| (UseOf { tenant, id }, read)));
        }
        Ok(found)
    }
}

impl Loader<UseOfClient> for Reads {
    type Value = Read<Option<LastUse>>;
    type Error = Infallible;

    async fn load(
        &self,
        keys: &[UseOfClient],
    ) -> Result<HashMap<UseOfClient, Self::Value>, Infallible> {
        let mut found = HashMap::with_capacity(keys.len());
        for (tenant, clients) in by_tenant(keys.iter().map(|key| (key.tenant, key.client))) {
            let read = self
                .application
                .last_uses_of_clients(&self.caller, tenant, &clients)
                .await;
            let read = read.map(|mut uses| {
                let each = clients.iter();
                each.map(|client| (*client, Ok(uses.remove(client))))
                    .collect()
            });
            let of_tenant = answers(&clients, read).into_iter();
            found.extend(of_tenant.map(|(client, read)| (UseOfClient { tenant, client }, read)));
        }
        Ok(found)
    }
}

/// Something as it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Then<K>(Moment, K);

impl Loader<TenantId> for Reads {
    type Value = Read<Row<Tenant>>;
    type Error = Infallible;

    async fn load(&self, keys: &[TenantId]) -> Result<HashMap<TenantId, Self::Value>, Infallible> {
        let read = self.application.tenants_of(&self.caller, keys).await;
        Ok(answers(keys, read))
    }
}

impl Loader<ApiId> for Reads {
    type Value = Read<Row<Api>>;
    type Error = Infallible;

    async fn load(&self, keys: &[ApiId]) -> Result<HashMap<ApiId, Self::Value>, Infallible> {
        let read = self.application.apis_of(&self.caller, keys).await;
        Ok(answers(keys, read))
    }
}

impl Loader<SecretsOf> for Reads {
    type Value = Read<Option<Row<SecretRotation>>>;
    type Error = Infallible;

    /// One query for each tenant, which is one for any page of clients.
    async fn load(
        &self,
        keys: &[SecretsOf],
    ) -> Result<HashMap<SecretsOf, Self::Value>, Infallible> {
        let mut found = HashMap::with_capacity(keys.len());
        for (tenant, clients) in by_tenant(keys.iter().map(|key| (key.tenant, key.client))) {
            let read = self
                .application
                .client_secrets_of(&self.caller, tenant, &clients)
                .await;
            let read = read.map(|mut secrets| {
                let each = clients.iter();
                each.map(|client| (*client, Ok(secrets.remove(client))))
                    .collect()
            });
            let of_tenant = answers(&clients, read).into_iter();
            found.extend(of_tenant.map(|(client, read)| (SecretsOf { tenant, client }, read)));
        }
        Ok(found)
    }
}

impl Loader<Then<TenantId>> for Reads {
    type Value = Read<Row<Tenant>>;
    type Error = Infallible;

    async fn load(
        &self,
        keys: &[Then<TenantId>],
    ) -> Result<HashMap<Then<TenantId>, Self::Value>, Infallible> {
        let mut found = HashMap::with_capacity(keys.len());
        for key in keys {
            let read = self.application.tenant_then(key.0).await;
            found.insert(*key, read.map(Arc::new).map_err(Arc::new));
        }
        Ok(found)
    }
}

impl Loader<Then<ApiId>> for Reads {
    type Value = Read<Row<Api>>;
    type Error = Infallible;

    async fn load(
        &self,
        keys: &[Then<ApiId>],
    ) -> Result<HashMap<Then<ApiId>, Self::Value>, Infallible> {
        let mut found = HashMap::with_capacity(keys.len());
        for (moment, apis) in by_moment(keys) {
            let read = self.application.apis_of_then(moment, &apis).await;
            let read = read.map(|mut rows| {
                let mut row = |api: &ApiId| rows.remove(api).ok_or(Error::NotFound { what: "API" });
                apis.iter().map(|api| (*api, row(api))).collect()
            });
            let of_moment = answers(&apis, read).into_iter();
            found.extend(of_moment.map(|(api, read)| (Then(moment, api), read)));
        }
        Ok(found)
    }
}

impl Loader<Then<ClientId>> for Reads {
    type Value = Read<Option<Row<SecretRotation>>>;
    type Error = Infallible;

    async fn load(
        &self,
        keys: &[Then<ClientId>],
    ) -> Result<HashMap<Then<ClientId>, Self::Value>, Infallible> {
        let mut found = HashMap::with_capacity(keys.len());
        for (moment, clients) in by_moment(keys) {
            let read = self.application.client_secrets_then(moment, &clients).await;
            let read = read.map(|mut secrets| {
                let each = clients.iter();
                each.map(|client| (*client, Ok(secrets.remove(client))))
                    .collect()
            });
            let of_moment = answers(&clients, read).into_iter();
            found.extend(of_moment.map(|(client, read)| (Then(moment, client), read)));
        }
        Ok(found)
    }
}

/// What is asked for of each tenant; mostly there is one.
fn by_tenant<K>(keys: impl Iterator<Item = (TenantId, K)>) -> BTreeMap<TenantId, Vec<K>> {
    let mut tenants: BTreeMap<TenantId, Vec<K>> = BTreeMap::new();
    for (tenant, key) in keys {
        tenants.entry(tenant).or_default().push(key);
    }
    tenants
}

/// The keys of each moment; mostly there is one.
fn by_moment<K: Copy>(keys: &[Then<K>]) -> HashMap<Moment, Vec<K>> {
    let mut moments: HashMap<Moment, Vec<K>> = HashMap::new();
    for Then(moment, key) in keys {
        moments.entry(*moment).or_default().push(*key);
    }
    moments
}

/// The answer for each key; where the read as a whole failed, its failure.
fn answers<K: Copy + Eq + Hash, T>(
    keys: &[K],
    read: Result<BTreeMap<K, Result<T, Error>>, Error>,
) -> HashMap<K, Read<T>> {
    match read {
        Ok(each) => each
            .into_iter()
            .map(|(key, read)| (key, read.map(Arc::new).map_err(Arc::new)))
            .collect(),
        Err(error) => {
            let error = Arc::new(error);
            keys.iter()
                .map(|key| (*key, Err(Arc::clone(&error))))
                .collect()
        }
    }
}
