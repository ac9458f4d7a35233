//! A tenant's roll from some place on, and then as it grows.

use std::vec;

use chancery_domain::{Recorded, TenantId, Timestamp};
use chancery_event_store::Watch;
use chancery_token_log::Kind;
use futures_util::{Stream, stream};

use crate::{
    Application,
    access::{Caller, Needs},
    authenticate::BearerRefused,
    error::Error,
    roll::EntryNumber,
};

/// How many entries are read at once. A slow reader keeps the server from reading the next ones.
const PAGE: u32 = 100;

impl Application {
    /// Every entry of a tenant's roll past `after`, each once and in order; at the end of the roll it
    /// waits for the next one. Entries of every node come, since what is followed is the roll itself.
    ///
    /// Before entries are handed on, the caller is looked at again: nobody gets an entry that was
    /// recorded after they lost the right to it.
    ///
    /// # Errors
    /// At once: [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Invalid`] where `after` lies beyond
    /// the end. Later, as the stream's last item: [`Error::CallerEnded`], [`Error::Forbidden`], or why
    /// the roll could not be read; whoever follows begins again past the last entry that came.
    pub async fn follow(
        &self,
        caller: &Caller,
        tenant: TenantId,
        after: Option<EntryNumber>,
    ) -> Result<impl Stream<Item = Result<Recorded, Error>> + Send + use<>, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        self.record_reading(caller, tenant, Kind::RollRead).await?;
        self.follow_on(caller, tenant, after).await
    }

    /// Goes on with what was followed a moment ago, of which there is a record.
    ///
    /// # Errors
    /// As [`Self::follow`].
    pub async fn follow_on(
        &self,
        caller: &Caller,
        tenant: TenantId,
        after: Option<EntryNumber>,
    ) -> Result<impl Stream<Item = Result<Recorded, Error>> + Send + use<>, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        let following = Following {
            application: self.clone(),
            caller: caller.clone(),
            tenant,
            after: self.place(tenant, after).await?,
            page: Vec::new().into_iter(),
            head: self.heads.watch(tenant),
        };
        Ok(stream::try_unfold(following, Following::next))
    }

    /// Waits until the caller is no longer good: its token has expired, or its client, credential or
    /// tenant has ended. Says which.
    pub async fn until_ended(&self, caller: &Caller) -> &'static str {
        let Some(identity) = caller.identity() else {
            return std::future::pending().await;
        };
        let mut head = self.heads.watch(identity.home);
        loop {
            head.seen();
            let check = self.live_caller(&self.parts.store, identity.clone()).await;
            let good_until = match check {
                Ok(now) if !caller.scopes().is_subset(now.scopes()) => {
                    return "a scope of the token is not granted any more";
                }
                Ok(now) => now
                    .seen()
                    .map_or_else(|| self.now(), |seen| seen.good_until),
                Err(BearerRefused::NotUsable(reason)) => return reason,
                Err(BearerRefused::Failed(error)) => {
                    tracing::warn!(
                        error = chancery_telemetry::causes(&error),
                        "a caller could not be looked at again"
                    );
                    // Without the store there is nothing that it could be told. Ask again soon.
                    self.now()
                }
            };
            tokio::select! {
                () = head.changed() => {}
                () = self.until(good_until) => {}
            }
        }
    }

    /// Waits until this moment has passed by the application's clock.
    async fn until(&self, moment: Timestamp) {
        loop {
            tokio::time::sleep(chancery_event_store::LOOK_AGAIN).await;
            if self.now() >= moment {
                return;
            }
        }
    }
}

struct Following {
    application: Application,
    caller: Caller,
    tenant: TenantId,
    after: i64,
    page: vec::IntoIter<Recorded>,
    head: Watch,
}

impl Following {
    async fn next(mut self) -> Result<Option<(Recorded, Self)>, Error> {
        loop {
            if let Some(entry) = self.page.next() {
                self.after = entry.tenant_seq;
                return Ok(Some((entry, self)));
            }
            // Marked before the roll is read: what is committed from here on wakes the wait below.
            self.head.seen();
            let store = &self.application.parts.store;
            let page = store.events_page(self.tenant, self.after, PAGE).await?;
            if page.is_empty() {
                self.application
                    .place(self.tenant, Some(EntryNumber(self.after)))
                    .await?;
                self.head.changed().await;
                continue;
            }
            self.application
                .looked_at_again(&self.caller)
                .await?
                .require(Needs::AuditRead, self.tenant)?;
            self.page = page.into_iter();
        }
    }
}
