//! Who is signed in now, for whoever may know it.

use std::collections::{BTreeSet, HashMap};

use chancery_domain::{
    ClientId, CredentialId, TenantId, Timestamp, secret_rotation::SecretRotation,
};
use chancery_event_store::{SESSIONS_LISTED as LISTED, Session as Kept};
use chancery_projections::{client_secrets, clients};

use super::{Arrival, Session, Whom, accepted};
use crate::{
    Application,
    access::{Caller, Needs, admin_scopes},
    error::Error,
};

/// A session of the console, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// What it is called.
    pub id: String,
    /// Who is signed in.
    pub client: ClientId,
    /// What they signed in with.
    pub credential: CredentialId,
    /// Since when.
    pub began_at: Timestamp,
    /// When it was last used, to within a minute.
    pub seen_at: Timestamp,
    /// When it ends at the latest.
    pub ends_at: Timestamp,
    /// From where it was begun.
    pub address: Option<String>,
    /// With what software, as that says.
    pub user_agent: Option<String>,
    /// From where else it was last used; where nowhere, from where it was begun.
    pub last_address: Option<String>,
    /// With what software, as that says.
    pub last_user_agent: Option<String>,
    /// Whether whoever asks may end it.
    pub may_be_ended: bool,
}

/// Who of a tenant's clients is signed in, as far as whoever asks may know it.
#[derive(Clone, Debug, Default)]
pub struct SignedInOf {
    /// The newest sessions.
    pub sessions: Vec<SignedIn>,
    /// How many sessions each client has.
    pub counted: HashMap<ClientId, i64>,
}

/// Whether a session can be called so: base64url, of twelve bytes.
fn is_session_id(text: &str) -> bool {
    let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == 16 && text.bytes().all(is_of_it)
}

impl Application {
    /// Who of a tenant's clients is signed in to the console, the newest first: everybody for whoever may audit the
    /// tenant, and for anybody else their own client alone.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn signed_in_of(
        &self,
        caller: &Caller,
        tenant: TenantId,
    ) -> Result<SignedInOf, Error> {
        let store = &self.parts.store;
        let own = caller.identity().map(|identity| identity.client);
        if !caller.may(Needs::AuditRead, tenant) {
            let sessions = match own {
                Some(own) => self.sessions_of_client(caller, tenant, own).await?,
                None => Vec::new(),
            };
            let number = i64::try_from(sessions.len()).unwrap_or(i64::MAX);
            let counted = own.into_iter().map(|own| (own, number)).collect();
            return Ok(SignedInOf { sessions, counted });
        }
        let good = self.still_good();
        let kept = store.sessions_of((tenant, None), good).await?;
        let all_are_here = i64::try_from(kept.len()).is_ok_and(|number| number < LISTED);
        let sessions = self.shown(caller, tenant, kept).await?;
        let counted = if all_are_here {
            // Without those whose secret has ended.
            let mut counted = HashMap::new();
            for session in &sessions {
                *counted.entry(session.client).or_default() += 1;
            }
            counted
        } else {
            store.sessions_counted(tenant, good).await?
        };
        Ok(SignedInOf { sessions, counted })
    }

    /// The sessions of one's own client.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn own_sessions(&self, session: &Session) -> Result<Vec<SignedIn>, Error> {
        self.sessions_of_client(&session.caller, session.tenant, session.client)
            .await
    }

    /// The sessions of one client of a tenant, for whoever may audit that.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error`].
    pub async fn sessions_of(
        &self,
        caller: &Caller,
        tenant: TenantId,
        client: ClientId,
    ) -> Result<Vec<SignedIn>, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        self.sessions_of_client(caller, tenant, client).await
    }

    async fn sessions_of_client(
        &self,
        caller: &Caller,
        tenant: TenantId,
        client: ClientId,
    ) -> Result<Vec<SignedIn>, Error> {
        let of = (tenant, Some(client));
        let kept = self.parts.store.sessions_of(of, self.still_good()).await?;
        self.shown(caller, tenant, kept).await
    }

    /// Those of these that are genuine, with whether the caller may end them.
    async fn shown(
        &self,
        caller: &Caller,
        tenant: TenantId,
        mut kept: Vec<(String, Kept)>,
    ) -> Result<Vec<SignedIn>, Error> {
        kept.retain(|(hash, kept)| self.is_vouched(&Whom::of_session(hash, kept), &kept.proof));
        let own = caller.identity().map(|identity| identity.client);
        let whose: BTreeSet<_> = kept.iter().map(|(_, kept)| kept.client).collect();
        let whose: Vec<_> = whose.into_iter().collect();
        let store = &self.parts.store;
        let rows: HashMap<_, _> = clients::of_tenant(store, tenant, &whose)
            .await?
            .into_iter()
            .collect();
        let secrets: HashMap<_, _> = client_secrets::of_clients(store, tenant, &whose)
            .await?
            .into_iter()
            .collect();
        // What somebody came in with may have ended since, and their browser has not asked again.
        let (now, none) = (self.now(), SecretRotation::default());
        kept.retain(|(_, kept)| {
            let secrets = secrets.get(&kept.client).map_or(&none, |row| &row.state);
            rows.get(&kept.client)
                .is_some_and(|row| accepted(&row.state, secrets, kept.credential, now))
        });
        let may_end = caller.may(Needs::TenantAdmin, tenant);
        // Nobody takes anything from a client that may more than they do.
        let lesser: BTreeSet<_> = rows
            .into_iter()
            .filter(|(_, row)| may_end && caller.may_give(&admin_scopes(&row.state)))
            .map(|(client, _)| client)
            .collect();
        Ok(kept
            .into_iter()
            .map(|(_, kept)| SignedIn {
                may_be_ended: Some(kept.client) == own || lesser.contains(&kept.client),
                id: kept.id,
                client: kept.client,
                credential: kept.credential,
                began_at: kept.began_at,
                seen_at: kept.seen_at,
                ends_at: kept.ends_at,
                address: kept.address,
                user_agent: kept.user_agent,
                last_address: kept.last_address,
                last_user_agent: kept.last_user_agent,
            })
            .collect())
    }

    /// Ends the session that is called so: one of the caller's own client, or, for whoever administers the tenant,
    /// of any of its clients that may no more than they do. Gives whether there was one.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error`].
    pub async fn end_session_of(
        &self,
        caller: &Caller,
        tenant: TenantId,
        id: &str,
        arrival: &Arrival,
    ) -> Result<bool, Error> {
        if !is_session_id(id) {
            return Ok(false);
        }
        let (seen, ends) = self.still_good();
        let own = caller.identity().map(|identity| identity.client);
        let sees_all = caller.may(Needs::AuditRead, tenant);
        let found = self.parts.store.session_called(tenant, id).await?;
        let found = found.filter(|(_, kept)| {
            let is_good = kept.seen_at > seen && kept.ends_at > ends;
            is_good && (sees_all || Some(kept.client) == own)
        });
        let found = self.shown(caller, tenant, found.into_iter().collect());
        let Some(found) = found.await?.pop() else {
            return Ok(false);
        };
        if !found.may_be_ended {
            caller.require(Needs::TenantAdmin, tenant)?;
            return Err(Error::Guarded {
                rule: "EXCEEDS_CALLER",
                message: "a caller cannot end a session of a client that holds an admin scope which the caller does not hold",
            });
        }
        let mut tx = self.parts.store.begin().await?;
        self.still_allowed(&mut tx, caller).await?;
        let ended = tx.end_session_called(tenant, id).await?;
        tx.commit().await?;
        if let Some(ended) = &ended {
            self.note_signed_out(ended, Some(caller), arrival).await;
        }
        Ok(ended.is_some())
    }
}
