//! The export of a roll: streamed from the store, sealed up to its end first.

use std::io::Write;

use chancery_domain::value::Slug;
use chancery_event_store::{StoreError, entries_page};
use chancery_projections::tenants;
use chancery_roll::{
    export::{ExportError, ExportWriter, TenantName},
    tree::Plan,
};

use super::{SealError, SealedRoll};
use crate::{Application, error::Error};

/// How many entries are read at once.
const PAGE: u32 = 1_000;

/// What an export holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The number of its first entry.
    pub from: u64,
    /// The number of its last.
    pub to: u64,
    /// The seal that vouches for it.
    pub sealed: SealedRoll,
}

/// Why there is no export. What was written so far is not a whole one.
#[derive(Debug, thiserror::Error)]
pub enum ExportFailure {
    /// There is no tenant with this slug.
    #[error("there is no such tenant; name it by its slug")]
    NoTenant,
    /// The roll does not reach so far.
    #[error("the roll has {head} entries, so there is none from {from} on")]
    Beyond {
        /// The first entry that was asked for.
        from: u64,
        /// The last one that there is.
        head: u64,
    },
    /// What is stored is not what was sealed: an alarm.
    #[error(
        "the roll is not as it was sealed: {0}; nothing vouches for it any more. Restore a backup, and compare it with a checkpoint that was kept elsewhere"
    )]
    Tampered(String),
    /// It was never sealed, and no server has begun.
    #[error(transparent)]
    NotBegun(SealError),
    /// The export cannot be written.
    #[error(transparent)]
    Write(std::io::Error),
    /// It could not be done now.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<SealError> for ExportFailure {
    fn from(error: SealError) -> Self {
        match error {
            SealError::NoRoll => Self::NoTenant,
            begun @ SealError::NotBegun => Self::NotBegun(begun),
            SealError::Stopped(fault) => Self::Tampered(fault),
            SealError::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<StoreError> for ExportFailure {
    fn from(error: StoreError) -> Self {
        SealError::from(error).into()
    }
}

impl Application {
    /// Writes the roll of a tenant from this entry to what its head is now, page by page, and computes
    /// its root on the way: an export that is whole verifies. `each` hears how many entries were
    /// written, and how many there will be.
    ///
    /// For the command line, where the database and the master key are at hand anyway.
    ///
    /// # Errors
    /// [`ExportFailure`].
    pub async fn export_roll(
        &self,
        slug: &Slug,
        from: u64,
        to: impl Write + Send,
        each: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Exported, ExportFailure> {
        let found = tenants::by_slug(&self.parts.store, slug)
            .await
            .map_err(Error::from)?;
        let (tenant, _) = found.ok_or(ExportFailure::NoTenant)?;
        self.clear_alarm(tenant).await?;
        let sealed = self.seal_roll(tenant).await?;
        let size = sealed.checkpoint.size;
        if from == 0 || from > size {
            return Err(ExportFailure::Beyond { from, head: size });
        }
        let prefix = self.planned(tenant, &Plan::subtrees(from - 1)).await?;
        let name = TenantName {
            id: tenant,
            slug: slug.clone(),
        };
        let begun = ExportWriter::begin(to, name, &sealed.key, &sealed.note, from, prefix);
        let mut export = begun.map_err(not_written)?;
        let all = size + 1 - from;
        while let Some(due) = export.due() {
            let left = size + 1 - due;
            let limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
            let page =
                entries_page(&self.parts.store, tenant, due.cast_signed() - 1, limit).await?;
            if page.is_empty() {
                return Err(ExportFailure::Tampered(format!("entry {due} is missing")));
            }
            for entry in &page {
                export.entry(entry).map_err(not_written)?;
            }
            each(all - left + page.len() as u64, all);
        }
        match export.finish() {
            Ok(_) => Ok(Exported {
                from,
                to: size,
                sealed,
            }),
            Err(ExportError::Root(_)) => {
                // Which entry it is, the tiles know.
                self.inspect_or_alarm(&sealed, &mut |_| {}).await?;
                Err(ExportFailure::Tampered(
                    "its entries do not add up to the root that was signed".to_owned(),
                ))
            }
            Err(error) => Err(not_written(error)),
        }
    }

    /// Where sealing was stopped, everything that is sealed is looked at once more: when all of it is as
    /// it was sealed, because a backup was restored, sealing goes on.
    pub(super) async fn clear_alarm(
        &self,
        tenant: chancery_domain::TenantId,
    ) -> Result<(), SealError> {
        let sealed = self.sealed_roll(tenant).await?;
        let Some(sealed) = sealed.filter(|sealed| sealed.fault.is_some()) else {
            return Ok(());
        };
        self.inspect_or_alarm(&sealed, &mut |_| {}).await?;
        let mut tx = self.parts.store.begin().await.map_err(Error::from)?;
        let resumed = tx.resume_sealing(tenant).await.map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;
        if resumed {
            tracing::warn!(%tenant, "every sealed entry is as it was sealed again; sealing goes on");
        }
        Ok(())
    }

    /// Looks at everything that is sealed, and stops the sealing where it is not as it was.
    pub(crate) async fn inspect_or_alarm(
        &self,
        sealed: &SealedRoll,
        each: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), SealError> {
        match self.inspect_all(sealed, each).await {
            Err(SealError::Stopped(fault)) => {
                self.stop_sealing(sealed.tenant, &fault).await?;
                Err(SealError::Stopped(fault))
            }
            inspected => inspected,
        }
    }
}

fn not_written(error: ExportError) -> ExportFailure {
    match error {
        ExportError::Io(error) => ExportFailure::Write(error),
        error => ExportFailure::Tampered(error.to_string()),
    }
}
