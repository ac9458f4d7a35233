//! How sessions end, and what is recorded of it. A session has ended whether or not that can be written.

use chancery_domain::{
    ChangeSet, Event, ReadSet, StreamId, TenantId, Timestamp, client::ClientEvent,
    tenant::TenantEvent,
};
use chancery_event_store::{Session as Kept, StoreError, Tx};
use chancery_token_log::{Entry, Kind};

use super::{Arrival, Session, session_hash};
use crate::{
    Application,
    access::{Caller, admin_scopes},
    error::Error,
};

/// Why a session ended that nobody ended by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It had lasted for as long as one may.
    Lasted,
    /// Nobody used it for too long.
    Rested,
    /// Its client signed in too often.
    GaveWay,
    /// What it signed in with is accepted no more.
    CredentialEnded,
    /// Its client was disabled, ended, or may do nothing here any more.
    ClientEnded,
    /// Its tenant was suspended or closed.
    TenantEnded,
}

impl Why {
    /// As records have it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Lasted => "lasted",
            Self::Rested => "rested",
            Self::GaveWay => "gave_way",
            Self::CredentialEnded => "credential_ended",
            Self::ClientEnded => "client_ended",
            Self::TenantEnded => "tenant_ended",
        }
    }
}

/// Sessions that a change has ended.
pub(crate) type Ended = Vec<(Why, Vec<Kept>)>;

impl Application {
    /// Takes away the sessions that are over, whoever they are of. What that was is to be noted once it is committed.
    pub(super) async fn sweep(&self, tx: &mut Tx, now: Timestamp) -> Result<Ended, StoreError> {
        let (rested_since, _) = self.still_good();
        let over = tx.platform_delete_ended_sessions(now, rested_since).await?;
        let (rested, lasted) = over
            .into_iter()
            .partition(|kept| kept.seen_at <= rested_since);
        Ok(vec![(Why::Rested, rested), (Why::Lasted, lasted)])
    }

    /// Ends the session with this token, if there is one.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn end_session(&self, token: &str, arrival: &Arrival) -> Result<(), Error> {
        let hash = session_hash(token);
        let kept = self.parts.store.platform_session(&hash).await?;
        let mut tx = self.parts.store.begin().await?;
        let is_ended = tx.platform_end_session(&hash).await?;
        tx.commit().await?;
        if let Some(kept) = kept.filter(|_| is_ended) {
            self.note_signed_out(&kept, None, arrival).await;
        }
        Ok(())
    }

    /// Ends every session of the client that is signed in, on whichever machine. Gives how many of them were good.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn end_every_session(
        &self,
        session: &Session,
        arrival: &Arrival,
    ) -> Result<usize, Error> {
        let mut tx = self.parts.store.begin().await?;
        let ended = tx.end_sessions_of(session.tenant, session.client).await?;
        tx.commit().await?;
        let (seen, ends) = self.still_good();
        let mut number = 0;
        for kept in &ended {
            if kept.seen_at > seen && kept.ends_at > ends {
                number += 1;
                self.note_signed_out(kept, None, arrival).await;
            } else {
                self.note_ends(std::slice::from_ref(kept), Why::Rested)
                    .await;
            }
        }
        Ok(number)
    }

    /// Writes that sessions ended, and why.
    pub(crate) async fn note_ends(&self, ended: &[Kept], why: Why) {
        for kept in ended {
            let nowhere = Arrival::default();
            let entry = Entry {
                client: Some(kept.client.to_string().into()),
                credential: Some(kept.credential.to_string().into()),
                jti: Some(kept.id.as_str().into()),
                reason: Some(why.as_str()),
                ..self.at_the_console(kept.tenant, Kind::ConsoleSignedOut, &nowhere)
            };
            self.note_end(kept, entry).await;
        }
    }

    /// Writes that somebody ended a session: somebody else, where it was not whoever it is of.
    pub(super) async fn note_signed_out(
        &self,
        ended: &Kept,
        by: Option<&Caller>,
        arrival: &Arrival,
    ) {
        let owner = ended.client.to_string();
        let by = by.map(|caller| {
            let credential = caller.identity().map(|identity| identity.credential);
            (caller.actor().id(), credential)
        });
        let by = by.filter(|(client, _)| *client != owner);
        let is_other = by.is_some();
        let (client, credential) = by.unwrap_or((owner.clone(), Some(ended.credential)));
        let entry = Entry {
            client: Some(client.into()),
            credential: credential.map(|credential| credential.to_string().into()),
            // Whose it was, where somebody else ended it.
            audience: is_other.then(|| owner.into()),
            jti: Some(ended.id.as_str().into()),
            ..self.at_the_console(ended.tenant, Kind::ConsoleSignedOut, arrival)
        };
        self.note_end(ended, entry).await;
    }

    async fn note_end(&self, ended: &Kept, entry: Entry<'_>) {
        if let Err(error) = self.note(entry).await {
            tracing::error!(tenant = %ended.tenant, client = %ended.client, error = chancery_telemetry::causes(&error), "the end of a session of the console could not be recorded");
        }
    }
}

/// Ends what stands on what this change ends, in the same transaction: sessions and links of a client that is
/// disabled, ends or may do nothing here any more, and of a tenant that is suspended or closed. When all that comes
/// back, they do not. Gives the sessions, to be noted once that is committed.
pub(crate) async fn end_sessions(
    tx: &mut Tx,
    tenant: TenantId,
    (read, change): (&ReadSet, &ChangeSet),
) -> Result<Ended, StoreError> {
    let mut ended = Ended::new();
    for (stream, event) in change.events() {
        match (event, stream) {
            (
                Event::Tenant(
                    TenantEvent::TenantSuspended { .. } | TenantEvent::TenantClosed { .. },
                ),
                _,
            ) => ended.push((Why::TenantEnded, tx.end_sessions_in(tenant).await?)),
            (
                Event::Client(
                    ClientEvent::ClientDisabled { .. }
                    | ClientEvent::ClientExpired { .. }
                    | ClientEvent::ClientDeleted { .. },
                ),
                StreamId::Client(client),
            ) => {
                let of_client = tx.end_sessions_of(tenant, *client).await?;
                ended.push((Why::ClientEnded, of_client));
            }
            (
                Event::Client(
                    ClientEvent::ClientGrantRevoked { .. } | ClientEvent::ClientGranted { .. },
                ),
                StreamId::Client(client),
            ) => {
                let after = read.after(change);
                if after
                    .client(*client)
                    .is_ok_and(|client| admin_scopes(client).is_empty())
                {
                    let of_client = tx.end_sessions_of(tenant, *client).await?;
                    ended.push((Why::ClientEnded, of_client));
                }
            }
            _ => {}
        }
    }
    Ok(ended)
}
