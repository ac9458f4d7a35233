//! Who is signed in to the console. A session names a client and the credential that it signed in with;
//! what it may do is found out at each request, from the live state of both and of their tenant.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_crypto::sha256;
use chancery_domain::{
    ChangeSet, ClientId, CredentialId, Event, ReadSet, StreamId, TenantId, Timestamp,
    access::AdminScope,
    client::{Client, ClientEvent, ClientState},
    secret_rotation::SecretRotation,
    tenant::TenantEvent,
    value::{ApiIdentifier, Slug},
};
use chancery_event_store::{Session as Kept, SignInLink as KeptLink, StoreError, Tx};
use chancery_projections::{ClientFilter, apis, client_list, client_secrets, clients, tenants};

use crate::{
    Application,
    access::{Caller, Identity, admin_scopes},
    authenticate::BearerRefused,
    error::Error,
};

/// How long a session lasts at most, in seconds: a working day.
const LASTS: i64 = 12 * 3_600;
/// How long a session may rest, in seconds.
const RESTS: i64 = 30 * 60;
/// How exactly it is known when a session was last used, in seconds.
const SEEN: i64 = 60;
/// How long a link can be used, in seconds.
const LINK_LASTS: i64 = 5 * 60;

/// What a browser is signed in with. It is shown to that browser alone.
pub struct SessionToken(String);

/// The code of a link that signs in once.
pub struct LinkCode(String);

/// Somebody who is signed in, as things are now.
pub struct Session {
    /// What they may do.
    pub caller: Caller,
    /// The tenant of their client.
    pub tenant: TenantId,
    /// The slug of that tenant.
    pub slug: Slug,
    /// Their client.
    pub client: ClientId,
    /// What people call it.
    pub name: Option<String>,
    /// What each form of theirs must bring along: only who reads their pages knows it.
    pub form_token: String,
    /// When it ends at the latest.
    pub ends_at: Timestamp,
}

impl SessionToken {
    /// The token, to be handed to the browser.
    pub fn reveal(self) -> String {
        self.0
    }
}

impl LinkCode {
    /// The code, to be shown once.
    pub fn reveal(self) -> String {
        self.0
    }
}

/// What is kept in the place of something secret. The purpose keeps one kind from being taken for
/// another.
fn hashed(purpose: &str, secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(format!("{purpose}\0{secret}").as_bytes()))
}

fn session_hash(token: &str) -> String {
    hashed("chancery console session", token)
}

fn link_hash(code: &str) -> String {
    hashed("chancery console link", code)
}

/// What is kept of somebody who is signed in, or will be by a link.
struct Whom<'a> {
    purpose: &'static str,
    hash: &'a str,
    tenant: TenantId,
    client: ClientId,
    credential: CredentialId,
    /// When it began, where it has, and when it ends.
    moments: (Option<Timestamp>, Timestamp),
}

impl Application {
    /// What vouches for a row: that it was this installation that signed them in. Otherwise whoever can write to the
    /// database could be anybody, and what they did then would stand in the roll under another's name.
    fn vouch(&self, whom: &Whom<'_>) -> String {
        let (began, ends) = whom.moments;
        let proof = self.parts.secrets.vouch(
            whom.purpose,
            &[
                whom.hash,
                &whom.tenant.to_string(),
                &whom.client.to_string(),
                &whom.credential.to_string(),
                &began.map_or_else(String::new, |at| at.micros().to_string()),
                &ends.micros().to_string(),
            ],
        );
        URL_SAFE_NO_PAD.encode(proof)
    }

    /// Whether the row is what this installation made.
    fn is_vouched(&self, whom: &Whom<'_>, proof: &str) -> bool {
        let genuine = sha256(self.vouch(whom).as_bytes()) == sha256(proof.as_bytes());
        if !genuine {
            tracing::error!(
                tenant = %whom.tenant,
                client = %whom.client,
                "ALARM: a row says that somebody is signed in to the console, and this server has not written it: somebody has written to the database"
            );
        }
        genuine
    }
}

impl Whom<'_> {
    fn of_session<'a>(hash: &'a str, kept: &Kept) -> Whom<'a> {
        Whom {
            purpose: "console session",
            hash,
            tenant: kept.tenant,
            client: kept.client,
            credential: kept.credential,
            moments: (Some(kept.began_at), kept.ends_at),
        }
    }

    fn of_link<'a>(hash: &'a str, link: &KeptLink) -> Whom<'a> {
        Whom {
            purpose: "console link",
            hash,
            tenant: link.tenant,
            client: link.client,
            credential: link.credential,
            moments: (None, link.ends_at),
        }
    }
}

impl Application {
    /// Signs in a client that has just proved who it is.
    ///
    /// # Errors
    /// [`Error::CallerEnded`] for a caller that is no client, [`Error`].
    pub async fn begin_session(&self, caller: &Caller) -> Result<SessionToken, Error> {
        let identity = caller.identity().ok_or(Error::CallerEnded)?;
        self.sign_in(identity.home, identity.client, identity.credential)
            .await
    }

    async fn sign_in(
        &self,
        tenant: TenantId,
        client: ClientId,
        credential: CredentialId,
    ) -> Result<SessionToken, Error> {
        let token = URL_SAFE_NO_PAD.encode(self.random::<32>());
        let now = self.now();
        let hash = session_hash(&token);
        let mut session = Kept {
            tenant,
            client,
            credential,
            began_at: now,
            seen_at: now,
            ends_at: now.plus_seconds(LASTS),
            proof: String::new(),
        };
        session.proof = self.vouch(&Whom::of_session(&hash, &session));
        let mut tx = self.parts.store.begin().await?;
        tx.platform_delete_ended_sessions(now).await?;
        tx.keep_session(&hash, &session).await?;
        tx.commit().await?;
        Ok(SessionToken(token))
    }

    /// Who is signed in with this token; `None`: nobody, or not any more. What has ended has ended for good.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn session(&self, token: &str) -> Result<Option<Session>, Error> {
        let Some((session, seen_at)) = self.looked_up(token).await? else {
            return Ok(None);
        };
        let now = self.now();
        if seen_at.plus_seconds(SEEN) <= now {
            let mut tx = self.parts.store.begin().await?;
            tx.platform_session_seen(&session_hash(token), now).await?;
            tx.commit().await?;
        }
        Ok(Some(session))
    }

    /// The same for what a page asks for by itself: that keeps no session from resting.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub async fn session_at_rest(&self, token: &str) -> Result<Option<Session>, Error> {
        let found = self.looked_up(token).await?;
        Ok(found.map(|(session, _)| session))
    }

    /// A session that is good, and when it was last used.
    async fn looked_up(&self, token: &str) -> Result<Option<(Session, Timestamp)>, Error> {
        let hash = session_hash(token);
        self.clock_trusted()?;
        let Some(kept) = self.parts.store.platform_session(&hash).await? else {
            return Ok(None);
        };
        if !self.is_vouched(&Whom::of_session(&hash, &kept), &kept.proof) {
            return Ok(None);
        }
        // A session that was used later than now is one that may have rested too long.
        let now = self.now_after(kept.tenant, kept.seen_at)?;
        let is_over = kept.ends_at <= now || kept.seen_at.plus_seconds(RESTS) <= now;
        let good = if is_over {
            None
        } else {
            self.signed_in(&kept).await?
        };
        let Some((row, slug, caller)) = good else {
            // What it stood on may come back; it does not.
            self.end_session(token).await?;
            return Ok(None);
        };
        let session = Session {
            caller,
            tenant: kept.tenant,
            slug,
            client: kept.client,
            name: row.name.map(|name| name.to_string()),
            form_token: hashed("chancery console form", token),
            ends_at: kept.ends_at,
        };
        Ok(Some((session, kept.seen_at)))
    }

    /// The client of a session, its tenant's slug, and what it may do now: every admin scope that it is
    /// granted. One without any has nothing to do here.
    async fn signed_in(&self, kept: &Kept) -> Result<Option<(Client, Slug, Caller)>, Error> {
        let store = &self.parts.store;
        let tenant = tenants::get(store, kept.tenant).await?;
        let Some(tenant) = tenant else {
            return Ok(None);
        };
        let identity = Identity {
            home: kept.tenant,
            of_system: tenant.state.slug.is_system(),
            client: kept.client,
            credential: kept.credential,
            expires: kept.ends_at.seconds(),
            // No token's: a session is ended by itself.
            jti: format!("console {}", kept.began_at),
            of_token: AdminScope::ALL.iter().copied().collect(),
        };
        let caller = match self.live_caller(store, identity).await {
            Ok((caller, _)) => caller,
            Err(BearerRefused::NotUsable(_)) => return Ok(None),
            Err(BearerRefused::Failed(error)) => return Err(error),
        };
        let row = clients::get(store, kept.tenant, kept.client).await?;
        let secrets = client_secrets::get(store, kept.tenant, kept.client).await?;
        let secrets = secrets.map(|row| row.state).unwrap_or_default();
        let Some(client) = row.map(|row| row.state) else {
            return Ok(None);
        };
        // A session does not outlive a secret that was revoked or has ended: unlike a token, it can be
        // asked for again at any time.
        if caller.scopes().is_empty() || !accepted(&client, &secrets, kept.credential, self.now()) {
            return Ok(None);
        }
        Ok(Some((client, tenant.state.slug, caller)))
    }

    /// Ends this session.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn end_session(&self, token: &str) -> Result<(), Error> {
        let mut tx = self.parts.store.begin().await?;
        tx.platform_end_session(&session_hash(token)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends every session of the client that is signed in, on whichever machine. Gives how many there
    /// were.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn end_every_session(&self, session: &Session) -> Result<u64, Error> {
        let mut tx = self.parts.store.begin().await?;
        let ended = tx.end_sessions_of(session.tenant, session.client).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// A link that signs a client in to the console, once, within five minutes. Without a client it is
    /// the oldest one of the tenant that administers it. The session is bound to the newest credential
    /// of the client that is accepted now.
    ///
    /// For the command line, where the database and the master key are at hand anyway.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such client, or none that could sign in.
    pub async fn sign_in_link(
        &self,
        caller: &Caller,
        slug: &Slug,
        client: Option<ClientId>,
    ) -> Result<(ClientId, LinkCode), Error> {
        let tenant = self.tenant_named(caller, slug.as_str()).await?;
        let none = Error::NotFound {
            what: "client of this tenant that holds a scope of the admin API and has a credential",
        };
        let client = match client {
            Some(client) => client,
            None => self
                .administrator(tenant)
                .await?
                .ok_or(Error::NotFound {
                    what: "client that administers this tenant; make one with `chancery operator create`",
                })?,
        };
        let store = &self.parts.store;
        let now = self.now();
        let row = clients::get(store, tenant, client).await?;
        let secrets = client_secrets::get(store, tenant, client).await?;
        let secrets = secrets.map(|row| row.state).unwrap_or_default();
        let able = row
            .filter(|row| row.state.state(now) == ClientState::Active)
            .filter(|row| !admin_scopes(&row.state).is_empty())
            .and_then(|row| newest(&row.state, &secrets, now));
        let credential = able.ok_or(none)?;
        let code = URL_SAFE_NO_PAD.encode(self.random::<32>());
        let hash = link_hash(&code);
        let mut link = KeptLink {
            tenant,
            client,
            credential,
            ends_at: now.plus_seconds(LINK_LASTS),
            proof: String::new(),
        };
        link.proof = self.vouch(&Whom::of_link(&hash, &link));
        let mut tx = store.begin().await?;
        tx.platform_delete_ended_sessions(now).await?;
        tx.keep_link(&hash, &link).await?;
        tx.commit().await?;
        tracing::info!(tenant = %slug, %client, by = %caller.actor(), "a link to the console was made");
        Ok((client, LinkCode(code)))
    }

    /// The oldest client that may do the most in a tenant.
    async fn administrator(&self, tenant: TenantId) -> Result<Option<ClientId>, Error> {
        let store = &self.parts.store;
        let api = apis::id_of(store, tenant, &ApiIdentifier::admin()).await?;
        let filter = ClientFilter {
            states: Some(vec![ClientState::Active]),
            api,
            ..ClientFilter::default()
        };
        let listed = client_list::list(store, tenant, &filter, self.now(), None, 1_000).await?;
        let rank = |client: &Client| {
            let scopes = admin_scopes(client);
            let place = AdminScope::ALL
                .iter()
                .position(|scope| scopes.contains(scope));
            place.unwrap_or(AdminScope::ALL.len())
        };
        let best = listed
            .items
            .into_iter()
            .filter(|(_, _, row)| {
                let scopes = admin_scopes(&row.state);
                scopes.contains(&AdminScope::PlatformAdmin)
                    || scopes.contains(&AdminScope::TenantAdmin)
            })
            .min_by_key(|(_, _, row)| rank(&row.state));
        Ok(best.map(|(_, client, _)| client))
    }

    /// Signs in whoever brings the code of a link first; `None`: it was used, has ended, or never was.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn use_sign_in_link(&self, code: &str) -> Result<Option<SessionToken>, Error> {
        // A link is taken before it is known whether it has ended.
        self.clock_trusted()?;
        let hash = link_hash(code);
        // Nobody makes the server write by guessing.
        if !self.parts.store.platform_has_link(&hash).await? {
            return Ok(None);
        }
        let mut tx = self.parts.store.begin().await?;
        let link = tx.platform_take_link(&hash).await?;
        tx.commit().await?;
        let genuine = |link: &KeptLink| self.is_vouched(&Whom::of_link(&hash, link), &link.proof);
        match link.filter(genuine) {
            Some(link) if link.ends_at > self.now() => {
                tracing::info!(tenant = %link.tenant, client = %link.client, "signed in by a link");
                self.sign_in(link.tenant, link.client, link.credential)
                    .await
                    .map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// Whether a token could be obtained with this credential now.
fn accepted(
    client: &Client,
    secrets: &SecretRotation,
    credential: CredentialId,
    now: Timestamp,
) -> bool {
    match credential {
        CredentialId::Secret(id) => secrets
            .secrets
            .get(&id)
            .is_some_and(|secret| secret.state(now).is_accepted()),
        CredentialId::Key(id) => client.keys.get(&id).is_some_and(|key| key.ended.is_none()),
    }
}

/// The newest credential with which the client could obtain a token now; one that retires only where no other
/// is left.
fn newest(client: &Client, secrets: &SecretRotation, now: Timestamp) -> Option<CredentialId> {
    let accepted_now = |id: CredentialId| accepted(client, secrets, id, now);
    let secrets = secrets.secrets.iter().map(|(id, secret)| {
        let stays = secret.retires_at.is_none();
        ((stays, secret.number), CredentialId::from(*id))
    });
    // By what it authenticates with, a client has keys or secrets.
    let mut keys: Vec<_> = client.keys.iter().collect();
    keys.sort_by_key(|(id, key)| (key.registered_at, **id));
    let keys = (1..)
        .zip(keys)
        .map(|(number, (id, _))| ((true, number), CredentialId::from(*id)));
    secrets
        .chain(keys)
        .filter(|(_, id)| accepted_now(*id))
        .max()
        .map(|(_, id)| id)
}

impl Session {
    /// Whether a form came from a page of this session. Both are hashes of what nobody else knows, so
    /// how long the comparison takes says nothing of use; it is made over hashes of them all the same.
    pub fn sent(&self, form_token: &str) -> bool {
        sha256(self.form_token.as_bytes()) == sha256(form_token.as_bytes())
    }
}

/// Ends what stands on what this change ends, in the same transaction: sessions and links of a client that is
/// disabled, ends or may do nothing here any more, and of a tenant that is suspended or closed. When all that comes
/// back, they do not.
pub(crate) async fn end_sessions(
    tx: &mut Tx,
    tenant: TenantId,
    (read, change): (&ReadSet, &ChangeSet),
) -> Result<(), StoreError> {
    for (stream, event) in change.events() {
        match (event, stream) {
            (
                Event::Tenant(
                    TenantEvent::TenantSuspended { .. } | TenantEvent::TenantClosed { .. },
                ),
                _,
            ) => tx.end_sessions_in(tenant).await?,
            (
                Event::Client(
                    ClientEvent::ClientDisabled { .. }
                    | ClientEvent::ClientExpired { .. }
                    | ClientEvent::ClientDeleted { .. },
                ),
                StreamId::Client(client),
            ) => {
                tx.end_sessions_of(tenant, *client).await?;
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
                    tx.end_sessions_of(tenant, *client).await?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
