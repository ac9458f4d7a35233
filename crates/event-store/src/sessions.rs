//! Who is signed in to the console. Tokens and codes come in hashed and are never known here.

use chancery_domain::{ClientId, CredentialId, Invalid, TenantId, Timestamp};

use crate::{error::StoreError, execute, fetch_optional, store::Store, tx::Tx};

/// A session of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The tenant of its client.
    pub tenant: TenantId,
    /// Who is signed in.
    pub client: ClientId,
    /// What it signed in with.
    pub credential: CredentialId,
    /// Since when.
    pub began_at: Timestamp,
    /// When it was last used, to within a minute.
    pub seen_at: Timestamp,
    /// When it ends, however much it is used.
    pub ends_at: Timestamp,
    /// What vouches for all that does not change.
    pub proof: String,
}

/// Whom a link signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInLink {
    /// The tenant of the client.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientId,
    /// The credential that its session is bound to.
    pub credential: CredentialId,
    /// When the link ends.
    pub ends_at: Timestamp,
    /// What vouches for it.
    pub proof: String,
}

type SessionRow = (String, String, String, i64, i64, i64, String);
type LinkRow = (String, String, String, i64, String);

impl Store {
    /// The session with this hash. Whether it has ended, the caller decides.
    pub async fn platform_session(&self, token_hash: &str) -> Result<Option<Session>, StoreError> {
        let row = fetch_optional!(
            self,
            SessionRow,
            "SELECT tenant_id, client_id, credential_id, began_at, seen_at, ends_at, proof
               FROM console_sessions WHERE token_hash = $1",
            token_hash
        )?;
        row.map(|(tenant, client, credential, began, seen, ends, proof)| {
            Ok(Session {
                tenant: read(&tenant)?,
                client: read(&client)?,
                credential: read(&credential)?,
                began_at: Timestamp::from_micros(began),
                seen_at: Timestamp::from_micros(seen),
                ends_at: Timestamp::from_micros(ends),
                proof,
            })
        })
        .transpose()
    }

    /// Whether there is a link with this hash.
    pub async fn platform_has_link(&self, code_hash: &str) -> Result<bool, StoreError> {
        let found = fetch_optional!(
            self,
            (i64,),
            "SELECT ends_at FROM console_links WHERE code_hash = $1",
            code_hash
        )?;
        Ok(found.is_some())
    }
}

impl Tx {
    /// Keeps a new session.
    pub async fn keep_session(
        &mut self,
        token_hash: &str,
        session: &Session,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "INSERT INTO console_sessions
                (token_hash, tenant_id, client_id, credential_id, began_at, seen_at, ends_at, proof)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            token_hash,
            session.tenant.to_string(),
            session.client.to_string(),
            session.credential.to_string(),
            session.began_at.micros(),
            session.seen_at.micros(),
            session.ends_at.micros(),
            &*session.proof
        )
        .map(drop)
    }

    /// Notes that a session was used.
    pub async fn platform_session_seen(
        &mut self,
        token_hash: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "UPDATE console_sessions SET seen_at = $2 WHERE token_hash = $1 AND seen_at < $2",
            token_hash,
            at.micros()
        )
        .map(drop)
    }

    /// Ends a session.
    pub async fn platform_end_session(&mut self, token_hash: &str) -> Result<(), StoreError> {
        execute!(
            self,
            "DELETE FROM console_sessions WHERE token_hash = $1",
            token_hash
        )
        .map(drop)
    }

    /// Ends every session of a client, and every link that would begin one. Gives how many sessions
    /// there were.
    pub async fn end_sessions_of(
        &mut self,
        tenant: TenantId,
        client: ClientId,
    ) -> Result<u64, StoreError> {
        let (tenant, client) = (tenant.to_string(), client.to_string());
        execute!(
            self,
            "DELETE FROM console_links WHERE tenant_id = $1 AND client_id = $2",
            &*tenant,
            &*client
        )?;
        execute!(
            self,
            "DELETE FROM console_sessions WHERE tenant_id = $1 AND client_id = $2",
            &*tenant,
            &*client
        )
    }

    /// Ends every session of a tenant's clients, and every link that would begin one.
    pub async fn end_sessions_in(&mut self, tenant: TenantId) -> Result<(), StoreError> {
        let tenant = tenant.to_string();
        execute!(
            self,
            "DELETE FROM console_links WHERE tenant_id = $1",
            &*tenant
        )?;
        execute!(
            self,
            "DELETE FROM console_sessions WHERE tenant_id = $1",
            &*tenant
        )
        .map(drop)
    }

    /// Deletes every tenant's sessions and links that have ended by now.
    pub async fn platform_delete_ended_sessions(
        &mut self,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "DELETE FROM console_sessions WHERE ends_at <= $1",
            now.micros()
        )?;
        execute!(
            self,
            "DELETE FROM console_links WHERE ends_at <= $1",
            now.micros()
        )
        .map(drop)
    }

    /// Keeps a new link.
    pub async fn keep_link(
        &mut self,
        code_hash: &str,
        link: &SignInLink,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "INSERT INTO console_links (code_hash, tenant_id, client_id, credential_id, ends_at, proof)
             VALUES ($1, $2, $3, $4, $5, $6)",
            code_hash,
            link.tenant.to_string(),
            link.client.to_string(),
            link.credential.to_string(),
            link.ends_at.micros(),
            &*link.proof
        )
        .map(drop)
    }

    /// Takes a link out: of several that ask at once, one gets it.
    pub async fn platform_take_link(
        &mut self,
        code_hash: &str,
    ) -> Result<Option<SignInLink>, StoreError> {
        let row = fetch_optional!(
            &mut *self,
            LinkRow,
            "DELETE FROM console_links WHERE code_hash = $1
             RETURNING tenant_id, client_id, credential_id, ends_at, proof",
            code_hash
        )?;
        row.map(|(tenant, client, credential, ends, proof)| {
            Ok(SignInLink {
                tenant: read(&tenant)?,
                client: read(&client)?,
                credential: read(&credential)?,
                ends_at: Timestamp::from_micros(ends),
                proof,
            })
        })
        .transpose()
    }
}

fn read<T: std::str::FromStr<Err = Invalid>>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|invalid: Invalid| {
        StoreError::Corrupt(format!("a session of the console for `{text}`: {invalid}"))
    })
}
