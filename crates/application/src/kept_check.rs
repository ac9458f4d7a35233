//! What is kept beside the roll and follows from no event: whether sealed values open and are what they are
//! for, and whether every seal is one of its roll.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use chancery_crypto::{Sealed, SigningKey};
use chancery_domain::{KeyId, Row, TenantId, key_ring::KeyRing};
use chancery_event_store::{Sealing, Sealings};
use chancery_projections::{Difference, How, Watch, key_rings};

use crate::{
    Application, error::Error, master_key::context, mint::crypto_algorithm, sealing::SealError,
};

/// How many rows are read at once.
const PAGE: u32 = 500;

/// What a check of what is kept has looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct KeptChecked {
    /// Sealed values that were opened.
    pub opened: u64,
    /// Entries that were compared with what was sealed of them.
    pub sealed: u64,
}

impl Application {
    /// Opens every sealed value under the master key and holds each private key against its public one; holds
    /// every seal against its key, its tiles, its entries, and what this node has seen. `watch` hears of what
    /// is wrong. A seal that is not one of its roll raises the alarm.
    ///
    /// # Errors
    /// [`Error`] when the store cannot be read.
    pub async fn platform_check_kept(&self, watch: &mut dyn Watch) -> Result<KeptChecked, Error> {
        let mut checked = KeptChecked::default();
        for which in Sealings::ALL {
            checked.opened += self.check_sealed_values(which, watch).await?;
        }
        let (mut after, mut with_roll) = (None, HashSet::new());
        loop {
            let tenants = self.parts.store.platform_heads(after, PAGE).await?;
            for (tenant, _) in &tenants {
                self.check_seal(*tenant, &mut checked.sealed, watch).await?;
                with_roll.insert(*tenant);
            }
            after = tenants.last().map(|(tenant, _)| *tenant);
            if tenants.len() < PAGE as usize {
                break;
            }
        }
        // A tenant of which nothing is left in the database is still one that this node remembers.
        for tenant in self.parts.witness.after(None, usize::MAX) {
            if !with_roll.contains(&tenant) {
                self.check_seal(tenant, &mut checked.sealed, watch).await?;
            }
        }
        Ok(checked)
    }

    async fn check_seal(
        &self,
        tenant: TenantId,
        entries: &mut u64,
        watch: &mut dyn Watch,
    ) -> Result<(), Error> {
        match self.inspect_seal(tenant, entries).await {
            Err(SealError::Stopped(fault)) => {
                watch.differs(unusable("seals", tenant.to_string(), fault));
            }
            Err(SealError::NoRoll | SealError::NotBegun) | Ok(()) => {}
            Err(SealError::Failed(error)) => return Err(error),
        }
        Ok(())
    }

    async fn check_sealed_values(
        &self,
        which: Sealings,
        watch: &mut dyn Watch,
    ) -> Result<u64, Error> {
        let table = match which {
            Sealings::Installation => "installation_keys",
            Sealings::Keys => "sealed_keys",
            Sealings::Secrets => "sealed_secrets",
        };
        let mut rings = HashMap::new();
        let (mut after, mut opened) = (String::new(), 0);
        loop {
            let store = &self.parts.store;
            let page = store.platform_sealings(which, "", &after, PAGE).await?;
            for row in &page {
                let sealed = Sealed {
                    master_key_id: row.master_key_id.clone(),
                    bytes: row.sealed.clone(),
                };
                let reason = match self.parts.sealer.open(&context(which, row), &sealed) {
                    Err(error) => Some(format!("it does not open: {error}")),
                    Ok(pkcs8) if which == Sealings::Keys && row.purpose != "note-key" => {
                        self.is_key_of_ring(row, &pkcs8, &mut rings).await?
                    }
                    Ok(_) => None,
                };
                opened += 1;
                if let Some(reason) = reason {
                    watch.differs(unusable(table, row.id.clone(), reason));
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE as usize => after.clone_from(&last.id),
                _ => return Ok(opened),
            }
        }
    }

    /// Why a private key is not that of the public key on its tenant's ring. Whether it should be there is
    /// not asked here.
    async fn is_key_of_ring(
        &self,
        row: &Sealing,
        pkcs8: &[u8],
        rings: &mut HashMap<TenantId, Option<Row<KeyRing>>>,
    ) -> Result<Option<String>, Error> {
        let (Ok(tenant), Ok(key)) = (row.tenant.parse::<TenantId>(), row.id.parse::<KeyId>())
        else {
            return Ok(Some("its id or its tenant's is none".to_owned()));
        };
        let ring = match rings.entry(tenant) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                unknown.insert(key_rings::get(&self.parts.store, tenant).await?)
            }
        };
        let Some(on_ring) = ring.as_ref().and_then(|ring| ring.state.keys.get(&key)) else {
            return Ok(None);
        };
        let private = SigningKey::from_pkcs8(crypto_algorithm(on_ring.algorithm), &row.id, pkcs8);
        Ok(match private {
            Err(error) => Some(format!("it is no private key for its ring: {error}")),
            Ok(private)
                if serde_json::to_value(private.public_jwk())?
                    != serde_json::to_value(&on_ring.public_jwk)? =>
            {
                Some("its public key is another one than the tenant publishes".to_owned())
            }
            Ok(_) => None,
        })
    }

    async fn inspect_seal(&self, tenant: TenantId, entries: &mut u64) -> Result<(), SealError> {
        let Some((seal, sealed)) = self.attested(tenant).await? else {
            return Ok(());
        };
        match self.note_key(tenant, &seal).await {
            // One that does not open was named among the sealed values.
            Ok(_) | Err(SealError::Failed(_)) => {}
            Err(error) => return Err(error),
        }
        self.inspect_or_alarm(&sealed, &mut |_| ()).await?;
        // What is told on the way counts whole tiles.
        *entries += sealed.checkpoint.size;
        match seal.fault {
            Some(fault) => Err(SealError::Stopped(format!(
                "its sealing was stopped: {fault}. All that is sealed is as it was sealed; `chancery audit export` lets the sealing go on"
            ))),
            None => Ok(()),
        }
    }
}

fn unusable(table: &'static str, id: String, reason: String) -> Difference {
    let how = How::Unusable { reason };
    Difference { table, id, how }
}
