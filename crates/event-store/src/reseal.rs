//! Everything that is sealed, to be sealed again under another master key. Rows have no `Debug`: see the vault.

use crate::{error::StoreError, execute, fetch_all, store::Store, tx::Tx};

/// A table of the vault that holds sealed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealings {
    /// Keys of the whole installation.
    Installation,
    /// Private keys of tenants.
    Keys,
    /// Client secrets that key assertions.
    Secrets,
}

/// Id, tenant, purpose, the key that sealed it, and the sealed value.
type Row = (String, String, String, String, Vec<u8>);

/// A sealed value with what it is bound to.
#[derive(Clone)]
pub struct Sealing {
    /// The key of its row: a purpose, or the id of a key or a secret.
    pub id: String,
    /// The tenant; empty for a key of the installation.
    pub tenant: String,
    /// What it is for.
    pub purpose: String,
    /// Which master key sealed it.
    pub master_key_id: String,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
}

impl Sealings {
    /// Every table; the installation's own keys first.
    pub const ALL: [Self; 3] = [Self::Installation, Self::Keys, Self::Secrets];

    const fn table(self) -> (&'static str, &'static str) {
        match self {
            Self::Installation => ("installation_keys", "purpose"),
            Self::Keys => ("sealed_keys", "key_id"),
            Self::Secrets => ("sealed_secrets", "secret_id"),
        }
    }

    /// The columns of a [`Sealing`].
    const fn columns(self) -> &'static str {
        match self {
            Self::Installation => {
                "purpose, '' AS tenant_id, 'installation-key' AS what, master_key_id, sealed"
            }
            Self::Keys => "key_id, tenant_id, purpose AS what, master_key_id, sealed",
            Self::Secrets => "secret_id, tenant_id, 'client-secret' AS what, master_key_id, sealed",
        }
    }
}

impl Store {
    /// How many values of a table each master key has sealed.
    pub async fn platform_sealed_under(
        &self,
        which: Sealings,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let (table, _) = which.table();
        let sql = format!("SELECT master_key_id, COUNT(*) FROM {table} GROUP BY master_key_id");
        fetch_all!(self, (String, i64), &sql)
    }

    /// So many values of a table past this row that another master key than this one has sealed.
    pub async fn platform_sealings(
        &self,
        which: Sealings,
        not_under: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Sealing>, StoreError> {
        let (table, id) = which.table();
        let sql = format!(
            "SELECT {} FROM {table} WHERE master_key_id <> $1 AND {id} > $2 ORDER BY {id} LIMIT $3",
            which.columns()
        );
        let rows = fetch_all!(self, Row, &sql, not_under, after, i64::from(limit))?;
        let sealing = |(id, tenant, purpose, master_key_id, sealed): Row| Sealing {
            id,
            tenant,
            purpose,
            master_key_id,
            sealed,
        };
        Ok(rows.into_iter().map(sealing).collect())
    }
}

impl Tx {
    /// Puts a value that was sealed anew in the place of the one that was read. Nothing happens where that
    /// is gone, or was sealed anew by another.
    pub async fn reseal(
        &mut self,
        which: Sealings,
        before: &Sealing,
        master_key_id: &str,
        sealed: &[u8],
    ) -> Result<u64, StoreError> {
        let (table, id) = which.table();
        let sql = format!(
            "UPDATE {table} SET master_key_id = $1, sealed = $2 WHERE {id} = $3 AND master_key_id = $4"
        );
        execute!(
            self,
            &sql,
            master_key_id,
            sealed,
            &*before.id,
            &*before.master_key_id
        )
    }
}
