//! When a credential was last used, of whatever kind it is.

use async_graphql::Context;
use chancery_domain::{CredentialId, TenantId};

use crate::{
    error::Failure,
    scalars::DateTime,
    session::{Session, View},
};

/// A credential of a client of a tenant, as of when it is seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credential {
    pub(crate) view: View,
    pub(crate) tenant: TenantId,
    pub(crate) id: CredentialId,
}

impl Credential {
    /// When it was last used.
    pub(crate) async fn last_used_at(self, ctx: &Context<'_>) -> Result<Option<DateTime>, Failure> {
        let last = Session::of(ctx)?.last_use(self).await?;
        Ok((*last).as_ref().map(|last| last.at.into()))
    }

    /// From which address it was.
    pub(crate) async fn last_used_from(self, ctx: &Context<'_>) -> Result<Option<String>, Failure> {
        let last = Session::of(ctx)?.last_use(self).await?;
        Ok((*last).as_ref().and_then(|last| last.address.clone()))
    }
}
