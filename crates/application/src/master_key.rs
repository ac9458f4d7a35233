//! A new master key: everything that is sealed is sealed again.
//!
//! The installation's own key is first. Which master key has sealed it says which one seals everything from
//! then on: the store takes nothing that another one has sealed, and every process that runs changes over
//! as soon as it hears of it. Until it is done both keys are needed, and wherever it is interrupted every
//! value is sealed under one of the two.

use std::{collections::BTreeMap, ops::ControlFlow};

use chancery_crypto::{Entropy, OpenError, SealContext, Sealed, Sealer};
use chancery_event_store::{Sealing, Sealings, Store, StoreError};
use serde::Serialize;

use crate::{Application, error::Error, install};

/// What re-sealing came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Resealed {
    /// The id of the master key that has sealed everything now.
    pub master_key: String,
    /// How many values were sealed anew.
    pub resealed: u64,
    /// How many were sealed under this key already.
    pub already: u64,
    /// Values that do not open, each in a sentence. They are left as they are.
    pub damaged: Vec<String>,
    /// Whether nothing is left to be done.
    pub complete: bool,
}

/// Why nothing was sealed anew.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    /// Something is sealed under a key that was not given.
    #[error(
        "{count} values are sealed under the master key {id}, which was not given: neither the new key ({new}) nor the one before it; nothing was changed. Give the key that seals this database as `master_key_previous_file`"
    )]
    UnknownKey {
        /// The key that is missing.
        id: String,
        /// How many values it has sealed.
        count: i64,
        /// The new key.
        new: String,
    },
    /// The installation's own key does not open.
    #[error("the installation's own key does not open, so nothing was changed: {0}")]
    Damaged(#[source] OpenError),
    /// Nothing was ever sealed here.
    #[error("the database is empty; start `chancery serve` first")]
    Empty,
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect.
    #[error("a value could not be sealed: {0}")]
    Seal(#[from] chancery_crypto::SealError),
}

/// Seals everything under the current key of this sealer that another key has sealed which it accepts, in
/// transactions of so many values. `watch` hears after each how many are done of how many, and may stop it;
/// whatever was begun is finished by calling this again.
///
/// # Errors
/// [`ResealError`]; before anything is changed, but for a store that fails on the way.
pub async fn reseal(
    store: &Store,
    sealer: &Sealer,
    entropy: &dyn Entropy,
    batch: u32,
    mut watch: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Resealed, ResealError> {
    let new = sealer.current_id();
    let mut total = 0;
    let mut done = Resealed {
        master_key: new.to_string(),
        ..Resealed::default()
    };
    let mut under: BTreeMap<String, i64> = BTreeMap::new();
    for which in Sealings::ALL {
        for (id, count) in store.platform_sealed_under(which).await? {
            *under.entry(id).or_default() += count;
        }
    }
    for (id, count) in under {
        if id == new.as_str() {
            done.already = count.unsigned_abs();
        } else if sealer.accepts(&id) {
            total += count.unsigned_abs();
        } else {
            let new = new.to_string();
            return Err(ResealError::UnknownKey { id, count, new });
        }
    }
    // It says whether these are the keys of this database at all.
    let Some(own) = store.installation_key(install::ROW).await? else {
        return Err(ResealError::Empty);
    };
    let own = Sealed {
        master_key_id: own.master_key_id,
        bytes: own.sealed,
    };
    sealer
        .open(&SealContext::installation_key(install::ROW), &own)
        .map_err(ResealError::Damaged)?;

    for which in Sealings::ALL {
        let mut after = String::new();
        loop {
            let page = store
                .platform_sealings(which, new.as_str(), &after, batch)
                .await?;
            let Some(last) = page.last() else {
                break;
            };
            after.clone_from(&last.id);
            let mut tx = store.begin().await?;
            let mut count = 0;
            for before in &page {
                let stored = Sealed {
                    master_key_id: before.master_key_id.clone(),
                    bytes: before.sealed.clone(),
                };
                let context = context(which, before);
                let opened = match sealer.open(&context, &stored) {
                    Ok(opened) => opened,
                    Err(error) => {
                        let what = format!("{} {}: {error}", before.purpose, before.id);
                        done.damaged.push(what);
                        continue;
                    }
                };
                let anew = sealer.seal(&context, &opened, entropy)?;
                let (id, bytes) = (&anew.master_key_id, &anew.bytes);
                count += tx.reseal(which, before, id, bytes).await?;
            }
            tx.commit().await?;
            done.resealed += count;
            if watch(done.resealed, total).is_break() {
                return Ok(done);
            }
        }
    }
    done.complete = done.damaged.is_empty();
    Ok(done)
}

/// Where a value belongs: what its seal is bound to.
pub(crate) fn context(which: Sealings, row: &Sealing) -> SealContext {
    match (which, &*row.purpose) {
        (Sealings::Installation, _) => SealContext::installation_key(&row.id),
        (Sealings::Secrets, _) => SealContext::client_secret(&row.tenant, &row.id),
        (Sealings::Keys, "note-key") => SealContext::note_key(&row.tenant, &row.id),
        (Sealings::Keys, _) => SealContext::signing_key(&row.tenant, &row.id),
    }
}

impl Application {
    /// Seals under the master key that the installation is sealed under now: it may have been changed while
    /// this process runs. Some: the id of that key, which is not configured here; what it has sealed cannot be
    /// opened, and nothing new can be sealed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn follow_master_key(&self) -> Result<Option<String>, Error> {
        let own = self.parts.store.installation_key(install::ROW).await?;
        let id = own.map(|own| own.master_key_id);
        Ok(id.filter(|id| !self.parts.sealer.seal_under(id)))
    }
}
