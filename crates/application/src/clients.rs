//! Clients: created, changed, disabled, enabled, deleted, read.

use std::collections::{BTreeMap, BTreeSet};

use chancery_crypto::AssertionKey;
use chancery_domain::{
    ApiId, ClientId, Faults, Invalid, KeyId, Row, StreamId, TenantId,
    client::{
        Client, CreateClient, DeleteClient, DisableClient, EnableClient, Expiry, GrantRequest,
        NewClientKey, RevokeClientKey, UpdateClient,
    },
    json::JsonObject,
    secret_rotation::SecretRotation,
    tenant::AuthMethod,
    value::{
        ApiIdentifier, ClientJwks, ClientName, CustomClaims, Description, Patch, Reason, RoleName,
        ScopeSet,
    },
};
use chancery_projections::{ClientFilter, Place, client_list, client_secrets, clients};
use quick_cache::sync::Cache;

use crate::{
    Application,
    access::{Caller, Guarded, Needs},
    error::Error,
    execute::{ClientAnswer, Executed, Request},
    mint::IssuedSecret,
    page::{Page, PageRequest},
};

/// What a client may ask for at one API, by the API's identifier.
pub struct GrantInput {
    /// The API.
    pub api: ApiIdentifier,
    /// Scopes of the API.
    pub scopes: ScopeSet,
    /// Roles of the API.
    pub roles: BTreeSet<RoleName>,
}

/// A client to be created.
pub struct NewClient {
    /// The tenant.
    pub tenant: TenantId,
    /// The name for people.
    pub name: Option<ClientName>,
    /// What it is for.
    pub description: Option<Description>,
    /// What the operator notes about it.
    pub metadata: JsonObject,
    /// When it ends.
    pub expiry: Option<Expiry>,
    /// Claims that it adds to its tokens.
    pub custom_claims: CustomClaims,
    /// The APIs whose tokens it may introspect.
    pub serves: Vec<ApiIdentifier>,
    /// What it may ask for.
    pub grants: Vec<GrantInput>,
    /// What it authenticates with.
    pub auth_method: AuthMethod,
    /// Its public keys, where it authenticates with them.
    pub jwks: Option<ClientJwks>,
}

/// What shall change about a client.
pub struct ClientChange {
    /// The client.
    pub client: ClientId,
    /// The name for people.
    pub name: Patch<ClientName>,
    /// What it is for.
    pub description: Patch<Description>,
    /// What the operator notes about it.
    pub metadata: Option<JsonObject>,
    /// When it ends.
    pub expiry: Patch<Expiry>,
    /// Claims that it adds to its tokens.
    pub custom_claims: Option<CustomClaims>,
    /// The APIs whose tokens it may introspect.
    pub serves: Option<Vec<ApiIdentifier>>,
    /// What it may ask for.
    pub grants: Option<Vec<GrantInput>>,
    /// What it authenticates with. Another way ends what it authenticated with before.
    pub auth_method: Option<AuthMethod>,
    /// Its public keys, where it authenticates with them.
    pub jwks: Option<ClientJwks>,
    /// The version on which this was decided: on another one nothing changes. `None`: on whichever it has.
    pub expected_version: Option<i64>,
}

/// A client that was created.
pub struct ClientCreated {
    /// The client.
    pub client: ClientId,
    /// What is known of it.
    pub row: Row<Client>,
    /// Its first secret; none where it authenticates with keys.
    pub secret: Option<IssuedSecret>,
    /// Whether a retry is answered.
    pub replayed: bool,
}

/// A client that was changed.
pub struct ClientChanged {
    /// The client.
    pub client: ClientId,
    /// What is known of it now.
    pub row: Row<Client>,
    /// Whether a retry is answered.
    pub replayed: bool,
}

/// How many clients' tenants are remembered. Each takes some 60 bytes.
const HOMES: usize = 10_000;

/// Which tenant a client is of. It never becomes another's, and its id is never given again, so this may be
/// remembered for ever; whether the client is there is another question.
pub(crate) struct Homes(Cache<ClientId, TenantId>);

impl Default for Homes {
    fn default() -> Self {
        Self(Cache::new(HOMES))
    }
}

impl Application {
    /// Creates a client with its grants and its first secret.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_client(
        &self,
        caller: &Caller,
        input: NewClient,
        request: &Request,
    ) -> Result<ClientCreated, Error> {
        caller.require(Needs::TenantAdmin, input.tenant)?;
        let tenant = input.tenant;
        if let Some(answer) = self.replayed::<ClientAnswer>(caller, request).await? {
            return self.client_again(tenant, answer).await;
        }
        let client = ClientId::new(self.now(), self.random());
        let serves = self.api_ids(tenant, &input.serves).await?;
        let grants = self.grant_requests(tenant, input.grants).await?;
        let auth_method = input.auth_method;
        let keys = self.client_keys(input.jwks.as_ref())?;
        let (plaintext, secret) = if auth_method.has_secrets() {
            let (plaintext, secret) = self.mint_secret(tenant, client, auth_method).await?;
            (Some(plaintext), Some(secret))
        } else {
            (None, None)
        };
        let answer = ClientAnswer {
            client,
            secret: secret.as_ref().map(|secret| secret.secret),
        };
        let command = CreateClient {
            tenant,
            client,
            name: input.name,
            description: input.description,
            metadata: input.metadata,
            expiry: input.expiry,
            custom_claims: input.custom_claims,
            serves,
            grants,
            auth_method,
            secret,
            keys,
        };
        match self.execute(caller, command, request, answer).await? {
            Executed::Done(answer, done) => {
                let secret = match plaintext {
                    Some(plaintext) => Some(IssuedSecret::of(
                        answer,
                        &done.after.secrets(client),
                        Some(plaintext),
                    )?),
                    None => None,
                };
                let row = done.recorded.iter().fold(None, Row::project);
                let row = row.ok_or(Error::NotFound { what: "client" })?;
                Ok(ClientCreated {
                    client,
                    row,
                    secret,
                    replayed: false,
                })
            }
            Executed::Replayed(answer) => self.client_again(tenant, answer).await,
        }
    }

    /// What a retry is told.
    async fn client_again(
        &self,
        tenant: TenantId,
        answer: ClientAnswer,
    ) -> Result<ClientCreated, Error> {
        let client = answer.client;
        let row = clients::get(&self.parts.store, tenant, client).await?;
        let secret = match answer.secret {
            Some(_) => Some(self.secret_again(tenant, answer).await?),
            None => None,
        };
        Ok(ClientCreated {
            client,
            row: row.ok_or(Error::NotFound { what: "client" })?,
            secret,
            replayed: true,
        })
    }

    /// Changes a client.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn update_client(
        &self,
        caller: &Caller,
        change: ClientChange,
        request: &Request,
    ) -> Result<ClientChanged, Error> {
        let client = change.client;
        let tenant = self.tenant_of(caller, client).await?;
        caller.require(Needs::TenantAdmin, tenant)?;
        let request = request.expecting(StreamId::Client(client), change.expected_version);
        let serves = match &change.serves {
            Some(identifiers) => Some(self.api_ids(tenant, identifiers).await?),
            None => None,
        };
        let grants = match change.grants {
            Some(grants) => Some(self.grant_requests(tenant, grants).await?),
            None => None,
        };
        let command = UpdateClient {
            tenant,
            client,
            name: change.name,
            description: change.description,
            metadata: change.metadata,
            expiry: change.expiry,
            custom_claims: change.custom_claims,
            serves,
            grants,
            auth_method: change.auth_method,
            keys: self.client_keys(change.jwks.as_ref())?,
        };
        self.execute_for_client(caller, command, &request, client)
            .await
    }

    /// Carries a command out that changes a client, or what belongs to it.
    pub(crate) async fn execute_for_client<C: Guarded + 'static>(
        &self,
        caller: &Caller,
        command: C,
        request: &Request,
        client: ClientId,
    ) -> Result<ClientChanged, Error> {
        let tenant = command.tenant();
        caller.require(C::NEEDS, tenant)?;
        let (replayed, saved) = if self.replayed::<ClientId>(caller, request).await?.is_some() {
            (true, None)
        } else {
            match self.execute(caller, command, request, client).await? {
                Executed::Done(_, done) => (false, done.saved.client(client)),
                Executed::Replayed(_) => (true, None),
            }
        };
        let row = match saved {
            Some(row) => row,
            None => clients::get(&self.parts.store, tenant, client)
                .await?
                .ok_or(Error::NotFound { what: "client" })?,
        };
        Ok(ClientChanged {
            client,
            row,
            replayed,
        })
    }

    /// Ends a client's key at once and for good.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn revoke_client_key(
        &self,
        caller: &Caller,
        client: ClientId,
        key: KeyId,
        reason: Reason,
        compromised: bool,
        request: &Request,
    ) -> Result<ClientChanged, Error> {
        let tenant = self.tenant_of(caller, client).await?;
        let command = RevokeClientKey {
            tenant,
            client,
            key,
            reason,
            compromised,
        };
        self.execute_for_client(caller, command, request, client)
            .await
    }

    /// Keys as they come in, each with an id in case that it is new.
    fn client_keys(&self, jwks: Option<&ClientJwks>) -> Result<Option<Vec<NewClientKey>>, Error> {
        let Some(jwks) = jwks else {
            return Ok(None);
        };
        let mut faults = Faults::default();
        for (index, jwk) in jwks.keys().iter().enumerate() {
            let algorithm = jwk.algorithm().as_str();
            if AssertionKey::from_jwk(algorithm, jwk.public().members()).is_err() {
                let invalid = Invalid::new("jwk_point", "must be a point on its curve");
                faults.add(format!("jwks.keys[{index}]"), invalid);
            }
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let id = || KeyId::new(self.now(), self.random());
        Ok(Some(NewClientKey::of(jwks, id)))
    }

    /// Stops a client from obtaining tokens until it is enabled.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn disable_client(
        &self,
        caller: &Caller,
        client: ClientId,
        reason: Reason,
        request: &Request,
    ) -> Result<ClientChanged, Error> {
        let tenant = self.tenant_of(caller, client).await?;
        self.execute_for_client(
            caller,
            DisableClient {
                tenant,
                client,
                reason,
            },
            request,
            client,
        )
        .await
    }

    /// Lets a disabled client obtain tokens again.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn enable_client(
        &self,
        caller: &Caller,
        client: ClientId,
        request: &Request,
    ) -> Result<ClientChanged, Error> {
        let tenant = self.tenant_of(caller, client).await?;
        self.execute_for_client(caller, EnableClient { tenant, client }, request, client)
            .await
    }

    /// Ends a client for good.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_client(
        &self,
        caller: &Caller,
        client: ClientId,
        reason: Reason,
        request: &Request,
    ) -> Result<ClientChanged, Error> {
        let tenant = self.tenant_of(caller, client).await?;
        self.execute_for_client(
            caller,
            DeleteClient {
                tenant,
                client,
                reason,
            },
            request,
            client,
        )
        .await
    }

    /// A client, of whichever tenant, as far as the caller sees it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn client(&self, caller: &Caller, client: ClientId) -> Result<Row<Client>, Error> {
        let tenant = self.tenant_of(caller, client).await?;
        caller.require(Needs::TenantRead, tenant)?;
        clients::get(&self.parts.store, tenant, client)
            .await?
            .ok_or(Error::NotFound { what: "client" })
    }

    /// Those of these clients that there are in the tenant. One query, however many clients.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn clients_of(
        &self,
        caller: &Caller,
        tenant: TenantId,
        clients: &[ClientId],
    ) -> Result<BTreeMap<ClientId, Row<Client>>, Error> {
        caller.require(Needs::TenantRead, tenant)?;
        let rows = clients::of_tenant(&self.parts.store, tenant, clients).await?;
        Ok(rows.into_iter().collect())
    }

    /// The secrets of a tenant's clients: all that is known of them but themselves. A client that has
    /// none is not among the answers. One query, however many clients.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn client_secrets_of(
        &self,
        caller: &Caller,
        tenant: TenantId,
        clients: &[ClientId],
    ) -> Result<BTreeMap<ClientId, Row<SecretRotation>>, Error> {
        caller.require(Needs::TenantRead, tenant)?;
        let rows = client_secrets::of_clients(&self.parts.store, tenant, clients).await?;
        Ok(rows.into_iter().collect())
    }

    /// A tenant's clients that a filter lets through, in the filter's order.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn clients(
        &self,
        caller: &Caller,
        tenant: TenantId,
        filter: &ClientFilter,
        page: PageRequest<Place<ClientId>>,
    ) -> Result<Page<Place<ClientId>, (ClientId, Row<Client>)>, Error> {
        caller.require(Needs::TenantRead, tenant)?;
        let PageRequest { first, after } = page;
        let (store, now) = (&self.parts.store, self.now());
        let listed = client_list::list(store, tenant, filter, now, after, first).await?;
        Ok(listed.into())
    }

    /// The tenant of a client that the caller sees.
    pub(crate) async fn tenant_of(
        &self,
        caller: &Caller,
        client: ClientId,
    ) -> Result<TenantId, Error> {
        let tenant = if let Some(tenant) = self.homes.0.get(&client) {
            Some(tenant)
        } else {
            let tenant = clients::platform_tenant_of(&self.parts.store, client).await?;
            if let Some(tenant) = tenant {
                self.homes.0.insert(client, tenant);
            }
            tenant
        };
        match tenant {
            Some(tenant) if caller.sees(tenant) => Ok(tenant),
            _ => Err(Error::NotFound { what: "client" }),
        }
    }

    async fn grant_requests(
        &self,
        tenant: TenantId,
        grants: Vec<GrantInput>,
    ) -> Result<Vec<GrantRequest>, Error> {
        let identifiers: Vec<_> = grants.iter().map(|grant| grant.api.clone()).collect();
        let apis: Vec<ApiId> = self.api_ids(tenant, &identifiers).await?;
        Ok(apis
            .into_iter()
            .zip(grants)
            .map(|(api, grant)| GrantRequest {
                api,
                scopes: grant.scopes,
                roles: grant.roles,
            })
            .collect())
    }
}
