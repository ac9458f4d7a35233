//! The vault: hashes of secrets and sealed private keys. Its rows have no `Debug` and cannot be
//! serialised, so that none of them ends in a log.

use chancery_domain::{ClientId, KeyId, SecretId, TenantId, VaultRow};

use crate::{
    error::StoreError,
    execute, fetch_all, fetch_optional,
    query::Reads,
    rows::{Cell, Insert},
    store::Store,
    tx::Tx,
};

/// What a tenant's signing keys are sealed for: part of what the seal is bound to.
const SIGNING_KEY: &str = "signing-key";

/// What the keys are sealed for that sign the checkpoints of rolls.
pub(crate) const NOTE_KEY: &str = "note-key";

/// The columns of the hashes of secrets.
const VERIFIER: &[&str] = &["secret_id", "client_id", "tenant_id", "phc"];

/// The hash by which a client's secret is known.
#[derive(Clone)]
pub struct Verifier {
    /// The secret.
    pub secret: SecretId,
    /// The client it belongs to.
    pub client: ClientId,
    /// The Argon2id hash with its parameters, in PHC form.
    pub phc: String,
}

/// A client's secret that keys assertions, sealed.
#[derive(Clone)]
pub struct SealedSecret {
    /// The secret.
    pub secret: SecretId,
    /// Which master key sealed it.
    pub master_key_id: String,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
}

/// A private key of a tenant, sealed: one that signs its tokens, or the one that signs its checkpoints.
#[derive(Clone)]
pub struct SealedKey {
    /// The key.
    pub key: KeyId,
    /// Which master key sealed it.
    pub master_key_id: String,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
}

/// A key of the whole installation, sealed.
#[derive(Clone, sqlx::FromRow)]
pub struct InstallationKey {
    /// Which master key sealed it.
    pub master_key_id: String,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
}

type VerifierRow = (String, String, String);

impl Store {
    /// Which client of which tenant a secret is of, as long as it can be used.
    pub async fn platform_owner_of_secret(
        &self,
        secret: SecretId,
    ) -> Result<Option<(TenantId, ClientId)>, StoreError> {
        let found = fetch_optional!(
            self,
            (String, String),
            "SELECT tenant_id, client_id FROM secret_verifiers WHERE secret_id = $1
             UNION ALL
             SELECT tenant_id, client_id FROM sealed_secrets WHERE secret_id = $1
             LIMIT 1",
            secret.to_string()
        )?;
        let parsed =
            found.map(|(tenant, client)| Some((tenant.parse().ok()?, client.parse().ok()?)));
        Ok(parsed.flatten())
    }

    /// The verifiers of a client's secrets, but for those that were erased; which are live, the read
    /// models know.
    pub async fn verifiers(
        &self,
        tenant: TenantId,
        client: ClientId,
    ) -> Result<Vec<Verifier>, StoreError> {
        let rows = fetch_all!(
            self,
            VerifierRow,
            "SELECT secret_id, client_id, phc FROM secret_verifiers
              WHERE tenant_id = $1 AND client_id = $2 ORDER BY secret_id",
            tenant.to_string(),
            client.to_string()
        )?;
        rows.into_iter().map(verifier).collect()
    }

    /// The verifier of one secret.
    pub async fn verifier(
        &self,
        tenant: TenantId,
        secret: SecretId,
    ) -> Result<Option<Verifier>, StoreError> {
        let row = fetch_optional!(
            self,
            VerifierRow,
            "SELECT secret_id, client_id, phc FROM secret_verifiers WHERE tenant_id = $1 AND secret_id = $2",
            tenant.to_string(),
            secret.to_string()
        )?;
        row.map(verifier).transpose()
    }

    /// A client's secrets that key assertions, but for those that were erased; which are live, the
    /// read models know.
    pub async fn sealed_secrets(
        &self,
        tenant: TenantId,
        client: ClientId,
    ) -> Result<Vec<SealedSecret>, StoreError> {
        let rows = fetch_all!(
            self,
            (String, String, Vec<u8>),
            "SELECT secret_id, master_key_id, sealed FROM sealed_secrets
              WHERE tenant_id = $1 AND client_id = $2 ORDER BY secret_id",
            tenant.to_string(),
            client.to_string()
        )?;
        rows.into_iter()
            .map(|(secret, master_key_id, sealed)| {
                Ok(SealedSecret {
                    secret: id(&secret)?,
                    master_key_id,
                    sealed,
                })
            })
            .collect()
    }

    /// All private keys of a tenant; which of them sign, the read models know.
    pub async fn sealed_keys(&self, tenant: TenantId) -> Result<Vec<SealedKey>, StoreError> {
        let rows = fetch_all!(
            self,
            (String, String, Vec<u8>),
            "SELECT key_id, master_key_id, sealed FROM sealed_keys
              WHERE tenant_id = $1 AND purpose = $2 ORDER BY key_id",
            tenant.to_string(),
            SIGNING_KEY
        )?;
        rows.into_iter()
            .map(|(key, master_key_id, sealed)| {
                Ok(SealedKey {
                    key: id(&key)?,
                    master_key_id,
                    sealed,
                })
            })
            .collect()
    }

    /// The key that signs the checkpoints of a tenant's roll.
    pub async fn note_key(
        &self,
        tenant: TenantId,
        key: KeyId,
    ) -> Result<Option<SealedKey>, StoreError> {
        let row = fetch_optional!(
            self,
            (String, Vec<u8>),
            "SELECT master_key_id, sealed FROM sealed_keys WHERE tenant_id = $1 AND purpose = $2 AND key_id = $3",
            tenant.to_string(),
            NOTE_KEY,
            key.to_string()
        )?;
        Ok(row.map(|(master_key_id, sealed)| SealedKey {
            key,
            master_key_id,
            sealed,
        }))
    }

    /// The installation's key for this purpose.
    pub async fn installation_key(
        &self,
        purpose: &str,
    ) -> Result<Option<InstallationKey>, StoreError> {
        fetch_optional!(
            self,
            InstallationKey,
            "SELECT master_key_id, sealed FROM installation_keys WHERE purpose = $1",
            purpose
        )
    }
}

/// The tables of the vault whose rows belong to tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultTable {
    /// Hashes of secrets.
    Verifiers,
    /// Secrets that key assertions.
    Secrets,
    /// Keys that sign tokens.
    Keys,
}

impl VaultTable {
    /// Every table.
    pub const ALL: [Self; 3] = [Self::Verifiers, Self::Secrets, Self::Keys];

    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verifiers => "secret_verifiers",
            Self::Secrets => "sealed_secrets",
            Self::Keys => "sealed_keys",
        }
    }

    /// The column of its key.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Verifiers | Self::Secrets => "secret_id",
            Self::Keys => "key_id",
        }
    }
}

/// Which rows the vault has of a tenant, by id, each with the client that it belongs to, if it does to one.
/// The key that signs checkpoints is not among them.
pub async fn vault_rows(
    on: impl Reads<'_>,
    tenant: TenantId,
    which: VaultTable,
) -> Result<Vec<(String, Option<String>)>, StoreError> {
    let (table, id) = (which.name(), which.id());
    let sql = match which {
        VaultTable::Keys => format!(
            "SELECT {id}, CAST(NULL AS TEXT) FROM {table} WHERE tenant_id = $1 AND purpose <> '{NOTE_KEY}'"
        ),
        VaultTable::Verifiers | VaultTable::Secrets => {
            format!("SELECT {id}, client_id FROM {table} WHERE tenant_id = $1")
        }
    };
    fetch_all!(on, (String, Option<String>), &sql, tenant.to_string())
}

impl Tx {
    /// Puts rows into the vault. The hashes of secrets go in together, since whoever makes many clients has many.
    pub async fn keep(&mut self, tenant: TenantId, rows: &[VaultRow]) -> Result<(), StoreError> {
        let mut verifiers = Vec::new();
        for row in rows {
            match row {
                VaultRow::Verifier {
                    secret,
                    client,
                    phc,
                } => {
                    let ids = [secret.to_string(), client.to_string(), tenant.to_string()];
                    let cells = ids.into_iter().chain([phc.clone()]);
                    verifiers.push(cells.map(Cell::text).collect());
                }
                VaultRow::SealedSecret {
                    secret,
                    client,
                    master_key_id,
                    sealed,
                } => {
                    self.check_master_key(master_key_id).await?;
                    execute!(
                        self,
                        "INSERT INTO sealed_secrets (secret_id, client_id, tenant_id, master_key_id, sealed)
                         VALUES ($1, $2, $3, $4, $5)",
                        secret.to_string(),
                        client.to_string(),
                        tenant.to_string(),
                        &**master_key_id,
                        &**sealed
                    )?;
                }
                VaultRow::SealedKey {
                    key,
                    master_key_id,
                    sealed,
                } => {
                    let key = SealedKey {
                        key: *key,
                        master_key_id: master_key_id.clone(),
                        sealed: sealed.clone(),
                    };
                    self.keep_sealed_key(tenant, SIGNING_KEY, &key).await?;
                }
            }
        }
        let insert = Insert::into("secret_verifiers", VERIFIER);
        self.insert(&insert, verifiers).await
    }

    /// Refuses what is sealed under another master key than the installation's own key: a process that
    /// has not heard of a new master key would seal what nobody can open later. Whoever changes the master
    /// key re-seals that key first, and waits for those who are writing.
    async fn check_master_key(&mut self, master_key_id: &str) -> Result<(), StoreError> {
        let lock = match self {
            Self::Postgres(_) => " FOR SHARE",
            Self::Sqlite(_) => "",
        };
        let sql = format!("SELECT master_key_id FROM installation_keys{lock}");
        for (current,) in fetch_all!(&mut *self, (String,), &sql)? {
            if current != master_key_id {
                return Err(StoreError::MasterKeyLeft {
                    found: master_key_id.to_owned(),
                    current,
                });
            }
        }
        Ok(())
    }

    pub(crate) async fn keep_sealed_key(
        &mut self,
        tenant: TenantId,
        purpose: &str,
        key: &SealedKey,
    ) -> Result<(), StoreError> {
        self.check_master_key(&key.master_key_id).await?;
        execute!(
            self,
            "INSERT INTO sealed_keys (key_id, tenant_id, purpose, master_key_id, sealed) VALUES ($1, $2, $3, $4, $5)",
            key.key.to_string(),
            tenant.to_string(),
            purpose,
            &*key.master_key_id,
            &*key.sealed
        )
        .map(drop)
    }

    /// Takes what the vault has of a secret out of it, if there is anything.
    pub async fn erase(&mut self, tenant: TenantId, secret: SecretId) -> Result<(), StoreError> {
        execute!(
            self,
            "DELETE FROM secret_verifiers WHERE tenant_id = $1 AND secret_id = $2",
            tenant.to_string(),
            secret.to_string()
        )?;
        execute!(
            self,
            "DELETE FROM sealed_secrets WHERE tenant_id = $1 AND secret_id = $2",
            tenant.to_string(),
            secret.to_string()
        )
        .map(drop)
    }

    /// Takes a private signing key out of the vault, if it is there.
    pub async fn erase_key(&mut self, tenant: TenantId, key: KeyId) -> Result<(), StoreError> {
        execute!(
            self,
            "DELETE FROM sealed_keys WHERE tenant_id = $1 AND purpose = $2 AND key_id = $3",
            tenant.to_string(),
            SIGNING_KEY,
            key.to_string()
        )
        .map(drop)
    }

    /// Puts the installation's key for a purpose into the vault.
    /// [`UniqueRule::InstallationKey`](crate::UniqueRule::InstallationKey): there is one; another
    /// process was faster, so read that one.
    pub async fn keep_installation_key(
        &mut self,
        purpose: &str,
        key: &InstallationKey,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "INSERT INTO installation_keys (purpose, master_key_id, sealed) VALUES ($1, $2, $3)",
            purpose,
            &*key.master_key_id,
            &*key.sealed
        )
        .map(drop)
    }
}

fn verifier((secret, client, phc): VerifierRow) -> Result<Verifier, StoreError> {
    Ok(Verifier {
        secret: id(&secret)?,
        client: id(&client)?,
        phc,
    })
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| {
        StoreError::Corrupt(format!("the vault has a row for `{text}`, which is no id"))
    })
}
