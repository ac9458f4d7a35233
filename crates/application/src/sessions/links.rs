//! Links from the command line that sign in once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_domain::{
    ClientId, CredentialId, TenantId, Timestamp,
    access::AdminScope,
    client::{Client, ClientState},
    secret_rotation::SecretRotation,
    value::{ApiIdentifier, Slug},
};
use chancery_event_store::SignInLink as KeptLink;
use chancery_projections::{ClientFilter, apis, client_list, client_secrets, clients};
use chancery_token_log::{Entry, Kind};

use super::{Arrival, SessionToken, Whom, accepted, link_hash};
use crate::{
    Application,
    access::{Caller, admin_scopes},
    error::Error,
};

/// How long a link can be used, in seconds.
const LINK_LASTS: i64 = 5 * 60;

/// What the record of signing in says where it was by a link: the credential is what the session stands on, and nobody
/// used it.
const BY_LINK: &str = "by_link";

/// The code of a link that signs in once.
pub struct LinkCode(String);

impl LinkCode {
    /// The code, to be shown once.
    pub fn reveal(self) -> String {
        self.0
    }
}

impl Application {
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
            id: self.session_id(),
            tenant,
            client,
            credential,
            ends_at: now.plus_seconds(LINK_LASTS),
            proof: String::new(),
        };
        link.proof = self.vouch(&Whom::of_link(&hash, &link));
        let nowhere = Arrival::default();
        let entry = Entry {
            client: Some(caller.actor().id().into()),
            // Whom it lets in; the session that it begins has its id.
            audience: Some(client.to_string().into()),
            credential: Some(credential.to_string().into()),
            jti: Some(link.id.as_str().into()),
            ..self.at_the_console(tenant, Kind::ConsoleLinkMade, &nowhere)
        };
        self.note(entry).await?;
        let mut tx = store.begin().await?;
        let over = self.sweep(&mut tx, now).await?;
        tx.keep_link(&hash, &link).await?;
        tx.commit().await?;
        for (why, ended) in &over {
            self.note_ends(ended, *why).await;
        }
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

    /// Signs in whoever brings the code of a link first; `None`: it was used, has ended, or never was, or what it was for
    /// has ended since.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn use_sign_in_link(
        &self,
        code: &str,
        arrival: &Arrival,
    ) -> Result<Option<SessionToken>, Error> {
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
                let (tenant, client) = (link.tenant, link.client);
                let whom = (tenant, client, link.credential);
                let how = (link.id, Some(BY_LINK));
                let token = self.sign_in(how, whom, arrival).await?;
                if token.is_some() {
                    tracing::info!(%tenant, %client, "signed in by a link");
                }
                Ok(token)
            }
            _ => Ok(None),
        }
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
