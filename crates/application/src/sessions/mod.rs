//! Who is signed in to the console. A session names a client and the credential that it signed in with;
//! what it may do is found out at each request, from the live state of both and of their tenant.

mod ended;
mod links;
mod listed;
mod vouched;

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_crypto::sha256;
use chancery_domain::{
    ClientId, CredentialId, TenantId, Timestamp, access::AdminScope, client::Client,
    secret_rotation::SecretRotation, value::Slug,
};
use chancery_event_store::Session as Kept;
use chancery_projections::{client_secrets, clients, tenants};
use chancery_token_log::{Entry, Kind, Operation, RecordError, shown_user_agent};

use ended::Why;
pub(crate) use ended::{Ended, end_sessions};
pub use links::LinkCode;
pub use listed::{SignedIn, SignedInOf};
use vouched::Whom;

use crate::{
    Application,
    access::{Caller, Identity},
    authenticate::BearerRefused,
    error::Error,
};

/// How long a session lasts at most, in seconds: a working day.
const LASTS: i64 = 12 * 3_600;
/// How long a session may rest, in seconds.
const RESTS: i64 = 30 * 60;
/// How exactly it is known when a session was last used, in seconds.
const SEEN: i64 = 60;
/// How many sessions one client has at a time: the oldest gives way.
const MOST: i64 = 50;

/// What a browser is signed in with. It is shown to that browser alone.
pub struct SessionToken(String);

/// From where somebody comes in, or goes.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// The address, as far as it is to be believed.
    pub address: Option<IpAddr>,
    /// With what software, as it says.
    pub user_agent: Option<String>,
    /// The W3C trace in which it happens.
    pub trace_id: Option<String>,
}

impl Arrival {
    /// The address and the software, fit to be kept and shown.
    fn shown(&self) -> Whence {
        let address = self.address.map(|address| address.to_string());
        let agent = self.user_agent.as_deref();
        let agent = agent.map(|text| shown_user_agent(text.into()).into_owned());
        (address, agent)
    }
}

/// How a session was last used.
struct Seen {
    /// When, to within a minute.
    at: Timestamp,
    /// From where it was begun.
    began_from: Whence,
    /// From where else it was last used; where nowhere, from where it was begun.
    last_from: Whence,
}

/// An address, and the software there.
type Whence = (Option<String>, Option<String>);

/// Somebody who is signed in, as things are now.
pub struct Session {
    /// What they may do.
    pub caller: Caller,
    /// The tenant of their client.
    pub tenant: TenantId,
    /// What it is called where sessions are listed.
    pub id: String,
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

impl Application {
    /// Signs in a client that has just proved who it is. That it did is recorded before it is let in.
    ///
    /// # Errors
    /// [`Error::CallerEnded`] for a caller that is no client, [`Error`].
    pub async fn begin_session(
        &self,
        caller: &Caller,
        arrival: &Arrival,
    ) -> Result<SessionToken, Error> {
        let identity = caller.identity().ok_or(Error::CallerEnded)?;
        let id = self.session_id();
        let whom = (identity.home, identity.client, identity.credential);
        let token = self.sign_in((id, None), whom, arrival).await?;
        token.ok_or(Error::CallerEnded)
    }

    /// What a session is called, or a link: nothing can be done with it but to find it.
    fn session_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.random::<12>())
    }

    async fn sign_in(
        &self,
        (id, how): (String, Option<&'static str>),
        (tenant, client, credential): (TenantId, ClientId, CredentialId),
        arrival: &Arrival,
    ) -> Result<Option<SessionToken>, Error> {
        let token = URL_SAFE_NO_PAD.encode(self.random::<32>());
        let now = self.now();
        let hash = session_hash(&token);
        let (address, user_agent) = arrival.shown();
        let mut session = Kept {
            id,
            tenant,
            client,
            credential,
            began_at: now,
            seen_at: now,
            ends_at: now.plus_seconds(LASTS),
            address: address.clone(),
            user_agent: user_agent.clone(),
            last_address: address,
            last_user_agent: user_agent,
            proof: String::new(),
        };
        session.proof = self.vouch(&Whom::of_session(&hash, &session));
        // What it is to stand on may have ended since a link was made for it.
        if self.signed_in(&session).await?.is_none() {
            return Ok(None);
        }
        let entry = Entry {
            client: Some(client.to_string().into()),
            credential: Some(credential.to_string().into()),
            jti: Some(session.id.as_str().into()),
            reason: how,
            ..self.at_the_console(tenant, Kind::ConsoleSignedIn, arrival)
        };
        self.note(entry).await?;
        let mut tx = self.parts.store.begin().await?;
        let over = self.sweep(&mut tx, now).await?;
        let older = tx.keep_newest_sessions(tenant, client, MOST - 1).await?;
        tx.keep_session(&hash, &session).await?;
        tx.commit().await?;
        for (why, ended) in &over {
            self.note_ends(ended, *why).await;
        }
        self.note_ends(&older, Why::GaveWay).await;
        Ok(Some(SessionToken(token)))
    }

    /// A record of what somebody does who comes from there.
    fn at_the_console<'a>(&self, tenant: TenantId, kind: Kind, arrival: &'a Arrival) -> Entry<'a> {
        Entry {
            address: arrival.address,
            user_agent: arrival.user_agent.as_deref().map(Into::into),
            trace_id: arrival.trace_id.as_deref().map(Into::into),
            ..Entry::new(tenant, self.now(), kind)
        }
    }

    /// Writes a record, durably.
    async fn note(&self, entry: Entry<'_>) -> Result<(), Error> {
        match self.parts.log.record(Operation::of(entry)).await {
            Ok(_) => Ok(()),
            Err(RecordError::Store(error)) => Err(error.into()),
            Err(error) => Err(Error::Unavailable(Box::new(error))),
        }
    }

    /// Who is signed in with this token; `None`: nobody, or not any more. What has ended has ended for good. When it is used is
    /// noted where that can be written, and from where it is used otherwise than before in any case.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn session(&self, token: &str, arrival: &Arrival) -> Result<Option<Session>, Error> {
        let Some((session, seen)) = self.looked_up(token).await? else {
            return Ok(None);
        };
        let now = self.now();
        let from = arrival.shown();
        // Whoever looks at where their session was used must not wipe that out by looking.
        let is_elsewhere = from != seen.began_from && from != seen.last_from;
        if is_elsewhere || seen.at.plus_seconds(SEEN) <= now {
            let used = if is_elsewhere { from } else { seen.last_from };
            match self.note_seen(token, now, used).await {
                // Who has the cookie of another must not be able to come unnoticed.
                Err(error) if is_elsewhere => return Err(error),
                // It rests from then on, and whoever looks for what is wrong with the store is not kept out.
                Err(error) => {
                    tracing::warn!(
                        error = chancery_telemetry::causes(&error),
                        "the use of a session could not be noted"
                    );
                }
                Ok(()) => {}
            }
        }
        Ok(Some(session))
    }

    /// Notes that a session was used now, from there.
    async fn note_seen(
        &self,
        token: &str,
        now: Timestamp,
        (address, user_agent): Whence,
    ) -> Result<(), Error> {
        let mut tx = self.parts.store.begin().await?;
        let from = (address.as_deref(), user_agent.as_deref());
        tx.platform_session_seen(&session_hash(token), now, from)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The same for what a page asks for by itself: that keeps no session from resting.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub async fn session_at_rest(&self, token: &str) -> Result<Option<Session>, Error> {
        let found = self.looked_up(token).await?;
        Ok(found.map(|(session, _)| session))
    }

    /// A session that is good, and how it was last used.
    async fn looked_up(&self, token: &str) -> Result<Option<(Session, Seen)>, Error> {
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
        let over = if kept.ends_at <= now {
            Some(Why::Lasted)
        } else {
            (kept.seen_at.plus_seconds(RESTS) <= now).then_some(Why::Rested)
        };
        let good = match over {
            Some(_) => None,
            None => self.signed_in(&kept).await?,
        };
        let Some((row, slug, caller)) = good else {
            // What it stood on may come back; it does not.
            let mut tx = self.parts.store.begin().await?;
            let is_ended = tx.platform_end_session(&hash).await?;
            tx.commit().await?;
            if is_ended {
                let why = over.unwrap_or(Why::CredentialEnded);
                self.note_ends(&[kept], why).await;
            }
            return Ok(None);
        };
        let session = Session {
            caller,
            tenant: kept.tenant,
            slug,
            client: kept.client,
            id: kept.id,
            name: row.name.map(|name| name.to_string()),
            form_token: hashed("chancery console form", token),
            ends_at: kept.ends_at,
        };
        let seen = Seen {
            at: kept.seen_at,
            began_from: (kept.address, kept.user_agent),
            last_from: (kept.last_address, kept.last_user_agent),
        };
        Ok(Some((session, seen)))
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
            key: None,
            expires: kept.ends_at.seconds(),
            // No token's: a session is ended by itself.
            jti: format!("console {}", kept.id),
            of_token: AdminScope::ALL.iter().copied().collect(),
        };
        let caller = match self.live_caller(store, identity).await {
            Ok(caller) => caller,
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

    /// After which moments a session that is good now was used, and ends.
    fn still_good(&self) -> (Timestamp, Timestamp) {
        let now = self.now();
        (now.plus_seconds(-RESTS), now)
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

impl Session {
    /// Whether a form came from a page of this session. Both are hashes of what nobody else knows, so
    /// how long the comparison takes says nothing of use; it is made over hashes of them all the same.
    pub fn sent(&self, form_token: &str) -> bool {
        sha256(self.form_token.as_bytes()) == sha256(form_token.as_bytes())
    }
}
