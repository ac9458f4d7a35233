//! Who is signed in to the console. Tokens and codes come in hashed and are never known here.

use std::collections::HashMap;

use chancery_domain::{ClientId, CredentialId, Invalid, TenantId, Timestamp};

use crate::{error::StoreError, execute, fetch_all, fetch_optional, store::Store, tx::Tx};

/// A session of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What it is called where it is shown.
    pub id: String,
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
    /// From where it was begun.
    pub address: Option<String>,
    /// With what software, as that says.
    pub user_agent: Option<String>,
    /// From where else it was last used; where nowhere, from where it was begun.
    pub last_address: Option<String>,
    /// With what software, as that says.
    pub last_user_agent: Option<String>,
    /// What vouches for all that does not change, but from where it was begun.
    pub proof: String,
}

/// Whom a link signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInLink {
    /// What it is called, and its session.
    pub id: String,
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

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: String,
    tenant_id: String,
    client_id: String,
    credential_id: String,
    began_at: i64,
    seen_at: i64,
    ends_at: i64,
    address: Option<String>,
    user_agent: Option<String>,
    last_address: Option<String>,
    last_user_agent: Option<String>,
    proof: String,
}

#[derive(sqlx::FromRow)]
struct HashedRow {
    token_hash: String,
    #[sqlx(flatten)]
    session: SessionRow,
}

type LinkRow = (String, String, String, String, i64, String);

/// The columns of a session, but the hash of its token.
const COLUMNS: &str = "id, tenant_id, client_id, credential_id, began_at, seen_at, ends_at, address, user_agent, last_address, last_user_agent, proof";

/// How many sessions are listed at most.
pub const SESSIONS_LISTED: i64 = 500;

impl SessionRow {
    fn read(self) -> Result<Session, StoreError> {
        Ok(Session {
            id: self.id,
            tenant: read(&self.tenant_id)?,
            client: read(&self.client_id)?,
            credential: read(&self.credential_id)?,
            began_at: Timestamp::from_micros(self.began_at),
            seen_at: Timestamp::from_micros(self.seen_at),
            ends_at: Timestamp::from_micros(self.ends_at),
            address: self.address,
            user_agent: self.user_agent,
            last_address: self.last_address,
            last_user_agent: self.last_user_agent,
            proof: self.proof,
        })
    }
}

impl Store {
    /// The session with this hash. Whether it has ended, the caller decides.
    pub async fn platform_session(&self, token_hash: &str) -> Result<Option<Session>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM console_sessions WHERE token_hash = $1");
        let row = fetch_optional!(self, SessionRow, &sql, token_hash)?;
        row.map(SessionRow::read).transpose()
    }

    /// The sessions of a tenant's clients, or of one of them, with the hashes of their tokens, the newest first and 500 at
    /// most: those that were used since a moment, and end after another.
    pub async fn sessions_of(
        &self,
        (tenant, client): (TenantId, Option<ClientId>),
        (seen_after, ends_after): (Timestamp, Timestamp),
    ) -> Result<Vec<(String, Session)>, StoreError> {
        let of_client = client.map_or("", |_| "AND client_id = $4");
        let sql = format!(
            "SELECT token_hash, {COLUMNS} FROM console_sessions
              WHERE tenant_id = $1 AND seen_at > $2 AND ends_at > $3 {of_client}
              ORDER BY began_at DESC, id LIMIT {SESSIONS_LISTED}"
        );
        let rows = fetch_all!(
            self,
            HashedRow,
            &sql,
            tenant.to_string(),
            seen_after.micros(),
            ends_after.micros(),
            client.map(|client| client.to_string())
        )?;
        hashed(rows)
    }

    /// How many such sessions each client of a tenant has.
    pub async fn sessions_counted(
        &self,
        tenant: TenantId,
        (seen_after, ends_after): (Timestamp, Timestamp),
    ) -> Result<HashMap<ClientId, i64>, StoreError> {
        let rows = fetch_all!(
            self,
            (String, i64),
            "SELECT client_id, COUNT(*) FROM console_sessions
              WHERE tenant_id = $1 AND seen_at > $2 AND ends_at > $3 GROUP BY client_id",
            tenant.to_string(),
            seen_after.micros(),
            ends_after.micros()
        )?;
        rows.into_iter()
            .map(|(client, number)| Ok((read(&client)?, number)))
            .collect()
    }

    /// The session of one of the tenant's clients that is called so, with the hash of its token.
    pub async fn session_called(
        &self,
        tenant: TenantId,
        id: &str,
    ) -> Result<Option<(String, Session)>, StoreError> {
        let sql = format!(
            "SELECT token_hash, {COLUMNS} FROM console_sessions WHERE tenant_id = $1 AND id = $2"
        );
        let row = fetch_optional!(self, HashedRow, &sql, tenant.to_string(), id)?;
        Ok(hashed(row.into_iter().collect())?.pop())
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

fn hashed(rows: Vec<HashedRow>) -> Result<Vec<(String, Session)>, StoreError> {
    rows.into_iter()
        .map(|row| Ok((row.token_hash, row.session.read()?)))
        .collect()
}

fn read_all(rows: Vec<SessionRow>) -> Result<Vec<Session>, StoreError> {
    rows.into_iter().map(SessionRow::read).collect()
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
                (token_hash, id, tenant_id, client_id, credential_id, began_at, seen_at, ends_at, address, user_agent, last_address,
                 last_user_agent, proof)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            token_hash,
            &*session.id,
            session.tenant.to_string(),
            session.client.to_string(),
            session.credential.to_string(),
            session.began_at.micros(),
            session.seen_at.micros(),
            session.ends_at.micros(),
            session.address.as_deref(),
            session.user_agent.as_deref(),
            session.last_address.as_deref(),
            session.last_user_agent.as_deref(),
            &*session.proof
        )
        .map(drop)
    }

    /// Notes that a session was used, and from where.
    pub async fn platform_session_seen(
        &mut self,
        token_hash: &str,
        at: Timestamp,
        (address, user_agent): (Option<&str>, Option<&str>),
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "UPDATE console_sessions SET seen_at = $2, last_address = $3, last_user_agent = $4
              WHERE token_hash = $1 AND seen_at <= $2",
            token_hash,
            at.micros(),
            address,
            user_agent
        )
        .map(drop)
    }

    /// Ends a session. Gives whether there was one.
    pub async fn platform_end_session(&mut self, token_hash: &str) -> Result<bool, StoreError> {
        let ended = execute!(
            self,
            "DELETE FROM console_sessions WHERE token_hash = $1",
            token_hash
        )?;
        Ok(ended > 0)
    }

    /// Ends the session of one of the tenant's clients that is called so, and gives it.
    pub async fn end_session_called(
        &mut self,
        tenant: TenantId,
        id: &str,
    ) -> Result<Option<Session>, StoreError> {
        let sql = format!(
            "DELETE FROM console_sessions WHERE tenant_id = $1 AND id = $2 RETURNING {COLUMNS}"
        );
        let row = fetch_optional!(&mut *self, SessionRow, &sql, tenant.to_string(), id)?;
        row.map(SessionRow::read).transpose()
    }

    /// Ends the oldest sessions of a client, so that no more than so many are left, and gives them. Of those that began
    /// at the same moment any may go: who makes room for a new one does it before that is kept.
    pub async fn keep_newest_sessions(
        &mut self,
        tenant: TenantId,
        client: ClientId,
        most: i64,
    ) -> Result<Vec<Session>, StoreError> {
        let sql = format!(
            "DELETE FROM console_sessions WHERE tenant_id = $1 AND client_id = $2 AND token_hash NOT IN (
                SELECT token_hash FROM console_sessions WHERE tenant_id = $1 AND client_id = $2
                 ORDER BY began_at DESC, token_hash LIMIT $3) RETURNING {COLUMNS}"
        );
        let (tenant, client) = (tenant.to_string(), client.to_string());
        read_all(fetch_all!(
            &mut *self, SessionRow, &sql, tenant, client, most
        )?)
    }

    /// Ends every session of a client, and every link that would begin one. Gives the sessions.
    pub async fn end_sessions_of(
        &mut self,
        tenant: TenantId,
        client: ClientId,
    ) -> Result<Vec<Session>, StoreError> {
        let (tenant, client) = (tenant.to_string(), client.to_string());
        execute!(
            self,
            "DELETE FROM console_links WHERE tenant_id = $1 AND client_id = $2",
            &*tenant,
            &*client
        )?;
        let sql = format!(
            "DELETE FROM console_sessions WHERE tenant_id = $1 AND client_id = $2 RETURNING {COLUMNS}"
        );
        read_all(fetch_all!(
            &mut *self, SessionRow, &sql, &*tenant, &*client
        )?)
    }

    /// Ends every session of a tenant's clients, and every link that would begin one. Gives the sessions.
    pub async fn end_sessions_in(&mut self, tenant: TenantId) -> Result<Vec<Session>, StoreError> {
        let tenant = tenant.to_string();
        execute!(
            self,
            "DELETE FROM console_links WHERE tenant_id = $1",
            &*tenant
        )?;
        let sql = format!("DELETE FROM console_sessions WHERE tenant_id = $1 RETURNING {COLUMNS}");
        read_all(fetch_all!(&mut *self, SessionRow, &sql, &*tenant)?)
    }

    /// Deletes every tenant's sessions and links that have ended by now. Gives the sessions.
    pub async fn platform_delete_ended_sessions(
        &mut self,
        now: Timestamp,
        rested_since: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        execute!(
            self,
            "DELETE FROM console_links WHERE ends_at <= $1",
            now.micros()
        )?;
        let sql = format!(
            "DELETE FROM console_sessions WHERE ends_at <= $1 OR seen_at <= $2 RETURNING {COLUMNS}"
        );
        let (now, rested) = (now.micros(), rested_since.micros());
        read_all(fetch_all!(&mut *self, SessionRow, &sql, now, rested)?)
    }

    /// Keeps a new link.
    pub async fn keep_link(
        &mut self,
        code_hash: &str,
        link: &SignInLink,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "INSERT INTO console_links (code_hash, id, tenant_id, client_id, credential_id, ends_at, proof)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            code_hash,
            &*link.id,
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
             RETURNING id, tenant_id, client_id, credential_id, ends_at, proof",
            code_hash
        )?;
        row.map(|(id, tenant, client, credential, ends, proof)| {
            Ok(SignInLink {
                id,
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
