//! The first start, and every start: the installation's own key, the operators' tenant, the first
//! operator.

use std::sync::Arc;

use chancery_crypto::{Entropy, InstallationKey, SealContext, Sealed, Sealer, SecretIssuer};
use chancery_domain::{
    Actor, ApiId, ClientId, Command, ReadSet, TenantId,
    access::AdminScope,
    client::{CreateClient, GrantRequest},
    command::Loaded,
    json::JsonObject,
    tenant::{AuthMethod, CreateTenant, Install, TenantPolicy},
    value::{ClientName, CustomClaims, DisplayName, ScopeSet, Slug},
};
use chancery_event_store::{
    InstallationKey as StoredKey, Provenance, Store, StoreError, UniqueRule,
};

use crate::{
    Application,
    error::Error,
    operators::OperatorCredential,
    write::{WriteError, write_first},
};

/// The row of the key that client secrets are bound with.
pub(crate) const ROW: &str = "client_secrets";

/// Why an installation cannot be opened. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The master key is another one than that which sealed this database.
    #[error("the master key does not fit this database: {0}. Nothing was changed")]
    WrongMasterKey(#[source] chancery_crypto::OpenError),
    /// The key of the installation was taken out of a database that is not empty.
    #[error(
        "the key of this installation is not in the database, where its tenants are; put the row of `installation_keys` back from a backup: without it no secret of a client is accepted. Nothing was changed"
    )]
    KeyGone,
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] chancery_event_store::StoreError),
    /// A defect.
    #[error("the installation key cannot be used: {0}")]
    Key(Box<dyn std::error::Error + Send + Sync>),
}

/// An installation's own secret material, open.
pub struct Installation {
    /// What mints and checks client secrets.
    pub secrets: Arc<SecretIssuer>,
    /// A key that is not kept yet: the first start will, together with everything else.
    unsaved: Option<Sealed>,
}

impl Installation {
    /// Opens the installation key with the master key, or makes one where there is none yet.
    ///
    /// # Errors
    /// [`OpenError::WrongMasterKey`] before anything was written.
    pub async fn open(
        store: &Store,
        sealer: &Sealer,
        entropy: &dyn Entropy,
    ) -> Result<Self, OpenError> {
        let context = SealContext::installation_key(ROW);
        let defect = |error: Box<dyn std::error::Error + Send + Sync>| OpenError::Key(error);
        let mut row = store.installation_key(ROW).await?;
        if row.is_none() && !store.platform_heads(None, 1).await?.is_empty() {
            // Another process may have made its first start between the two looks.
            row = store.installation_key(ROW).await?;
            if row.is_none() {
                return Err(OpenError::KeyGone);
            }
        }
        if let Some(row) = row {
            let stored = Sealed {
                master_key_id: row.master_key_id,
                bytes: row.sealed,
            };
            let bytes = sealer
                .open(&context, &stored)
                .map_err(OpenError::WrongMasterKey)?;
            // It was opened with that key, so it is accepted.
            sealer.seal_under(&stored.master_key_id);
            let key = InstallationKey::from_opened(&bytes).map_err(|error| defect(error.into()))?;
            return Ok(Self {
                secrets: Arc::new(SecretIssuer::new(&key)),
                unsaved: None,
            });
        }
        let key = InstallationKey::generate(entropy);
        let unsaved = sealer
            .seal(&context, key.as_bytes(), entropy)
            .map_err(|error| defect(error.into()))?;
        Ok(Self {
            secrets: Arc::new(SecretIssuer::new(&key)),
            unsaved: Some(unsaved),
        })
    }

    /// Whether this is the first start on this database.
    pub fn is_new(&self) -> bool {
        self.unsaved.is_some()
    }
}

impl Application {
    /// The first start: creates the operators' tenant and its first client, in one transaction.
    /// `keep` gets the credential before the commit, so that a committed operator is never one
    /// whose secret nobody has.
    ///
    /// Answers `false` when another process was faster; its credential is the good one.
    ///
    /// # Errors
    /// [`Error`], also when `keep` fails; then nothing has changed.
    pub async fn install(
        &self,
        installation: &Installation,
        keep: impl FnOnce(&OperatorCredential) -> std::io::Result<()>,
    ) -> Result<bool, Error> {
        let Some(key) = &installation.unsaved else {
            return Ok(false);
        };
        let now = self.now();
        self.clock_trusted()?;
        let tenant = TenantId::new(now, self.random());
        let admin_api = ApiId::new(now, self.random());
        let client = ClientId::new(now, self.random());
        let auth_method = AuthMethod::ClientSecret;
        let (plaintext, secret) = self.mint_secret(tenant, client, auth_method).await?;
        let defect = |invalid: chancery_domain::Invalid| Error::Internal(Box::new(invalid));
        let policy = TenantPolicy::default();
        let command = Install {
            system: CreateTenant {
                tenant,
                slug: Slug::system(),
                display_name: DisplayName::parse("System").map_err(defect)?,
                key: self.mint_key(tenant, policy.signing_algorithm).await?,
                policy,
                admin_api,
            },
            operator: CreateClient {
                tenant,
                client,
                name: Some(ClientName::parse("first operator").map_err(defect)?),
                description: None,
                metadata: JsonObject::default(),
                expiry: None,
                custom_claims: CustomClaims::default(),
                serves: Vec::new(),
                grants: vec![GrantRequest {
                    api: admin_api,
                    scopes: ScopeSet::from_iter([AdminScope::PlatformAdmin
                        .to_scope()
                        .map_err(defect)?]),
                    roles: [].into(),
                }],
                auth_method,
                secret: Some(secret),
                keys: None,
            },
        };
        let read = ReadSet::new(command.reads().into_iter().map(Loaded::absent).collect());
        let change = command.decide(&read, now)?;

        let mut tx = self.parts.store.begin().await?;
        let row = StoredKey {
            master_key_id: key.master_key_id.clone(),
            sealed: key.bytes.clone(),
        };
        match tx.keep_installation_key(ROW, &row).await {
            Ok(()) => {}
            Err(StoreError::Unique {
                rule: UniqueRule::InstallationKey,
            }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let provenance = Provenance {
            actor: Actor::Installation,
            command_id: None,
            trace_id: None,
        };
        let ids = self.event_ids(change.events().len(), now);
        let numbers = tx.take_numbers(tenant, change.events().len(), now).await?;
        match write_first(&mut tx, numbers, (&read, &change), &provenance, ids).await {
            Ok(()) => {}
            Err(WriteError::Failed(error)) => return Err(error),
            Err(_) => return Err(Error::Conflict),
        }
        let credential = OperatorCredential::new(self, &Slug::system(), client, plaintext);
        keep(&credential).map_err(|error| Error::Internal(Box::new(error)))?;
        tx.commit().await?;
        Ok(true)
    }
}
