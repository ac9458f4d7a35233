//! A backup was put back: what a node has seen since then is given up, because somebody says so.

use chancery_domain::{TenantId, value::Slug};
use chancery_event_store::seal;
use chancery_projections::tenants;
use serde::Serialize;

use super::{SealError, attest::verified, witness::Seen};
use crate::{Application, error::Error};

/// How many tenants are looked at together.
const PAGE: usize = 500;

/// What a node goes on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// Whose roll.
    pub tenant: TenantId,
    /// How many entries the seal covers from which it goes on; nothing where the roll has none.
    pub size: Option<u64>,
    /// How many entries the seal covered that the node had seen.
    pub seen: u64,
    /// That seal, which no longer holds: whoever has one like it sees that the roll was put back.
    pub given_up: String,
}

/// Why what is stored is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum NotAccepted {
    /// There is no tenant with this slug.
    #[error(
        "there is no such tenant; name it by its slug, or give --all for tenants that are gone"
    )]
    NoTenant,
    /// What is stored is not whole in itself, so it is no older copy.
    #[error(
        "the roll of {tenant} is not accepted: {fault}. That is no older copy of a roll; put a backup back that is whole"
    )]
    NotWhole {
        /// Whose roll.
        tenant: TenantId,
        /// What is wrong with it.
        fault: String,
    },
    /// It could not be done now.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Application {
    /// Takes what the database says of a tenant's seal, or of every tenant's, in place of what this node has
    /// seen, where that is contradicted and the stored roll is whole in itself. Gives what was given up.
    ///
    /// For the command line of the node, by somebody who has put a backup back.
    ///
    /// # Errors
    /// [`NotAccepted`]; tenants before it stay accepted.
    pub async fn accept_seals(&self, slug: Option<&Slug>) -> Result<Vec<Accepted>, NotAccepted> {
        if let Some(slug) = slug {
            let found = tenants::by_slug(&self.parts.store, slug).await;
            let (tenant, _) = found.map_err(Error::from)?.ok_or(NotAccepted::NoTenant)?;
            return Ok(self.accept_seal(tenant).await?.into_iter().collect());
        }
        let (mut accepted, mut after) = (Vec::new(), None);
        loop {
            let page = self.parts.witness.after(after, PAGE);
            for tenant in &page {
                accepted.extend(self.accept_seal(*tenant).await?);
            }
            after = page.last().copied();
            if page.len() < PAGE {
                return Ok(accepted);
            }
        }
    }

    async fn accept_seal(&self, tenant: TenantId) -> Result<Option<Accepted>, NotAccepted> {
        let not_whole = |error| match error {
            SealError::Stopped(fault) => NotAccepted::NotWhole { tenant, fault },
            error => NotAccepted::Failed(error.into()),
        };
        let witness = &self.parts.witness;
        let Some(seen) = witness.recall(tenant).await? else {
            return Ok(None);
        };
        match self.sealed_roll(tenant).await {
            // It may have been accepted before, and the database did not hear of it any more.
            Ok(_) => {
                self.clear_alarm(tenant).await.map_err(not_whole)?;
                return Ok(None);
            }
            Err(SealError::Stopped(_)) => {}
            Err(error) => return Err(not_whole(error)),
        }
        let stored = seal(&self.parts.store, tenant).await;
        let now = match stored.map_err(Error::from)? {
            None if self
                .parts
                .store
                .was_sealed(tenant)
                .await
                .map_err(Error::from)? =>
            {
                return Err(not_whole(SealError::Stopped(
                    "its seal is not in the database, where its key or its tiles still are"
                        .to_owned(),
                )));
            }
            None => None,
            Some(seal) => {
                let sealed = verified(tenant, &seal).map_err(not_whole)?;
                self.note_key(tenant, &seal).await.map_err(not_whole)?;
                self.inspect_all(&sealed, &mut |_| {})
                    .await
                    .map_err(not_whole)?;
                Some(sealed)
            }
        };
        witness.accept(tenant, now.as_ref().map(Seen::from)).await?;
        let mut tx = self.parts.store.begin().await.map_err(Error::from)?;
        tx.resume_sealing(tenant).await.map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;
        let size = now.map(|sealed| sealed.checkpoint.size);
        tracing::warn!(
            %tenant,
            seen = seen.checkpoint().size,
            size,
            "what this node has seen of a roll was given up, because somebody says that an older copy was put back"
        );
        Ok(Some(Accepted {
            tenant,
            size,
            seen: seen.checkpoint().size,
            given_up: seen.note.note().to_owned(),
        }))
    }
}
