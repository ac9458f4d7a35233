-- Refresh tokens, what was revoked before its end, and limits that outlive a node.

-- Refresh tokens that came one from the other. Of each only the latest is good, and of that only the
-- hash is here.
CREATE TABLE refresh_families (
    tenant_id       TEXT NOT NULL,
    family_id       TEXT NOT NULL,
    client_id       TEXT NOT NULL,
    -- What authenticated the client when the family began, and when it was used last.
    credential_id   TEXT NOT NULL,
    last_credential TEXT NOT NULL,
    scopes          TEXT NOT NULL,
    audience        TEXT NOT NULL,
    roles           TEXT NOT NULL,
    began_at        INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    current_hash    TEXT NOT NULL,
    previous_hash   TEXT,
    rotated_at      INTEGER,
    revoked_at      INTEGER,
    -- When neither it nor an access token that it gave can be presented any more.
    forget_at       INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, family_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_families_forget_idx ON refresh_families (forget_at);

-- Access tokens that belong to a family, and those that were revoked, until they end.
CREATE TABLE access_tokens (
    tenant_id  TEXT NOT NULL,
    jti        TEXT NOT NULL,
    family_id  TEXT,
    revoked_at INTEGER,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, jti)
) STRICT, WITHOUT ROWID;

CREATE INDEX access_tokens_expires_idx ON access_tokens (expires_at);

-- What is used up of the limits whose windows are an hour or longer. The tenant's own has no client.
CREATE TABLE quotas (
    tenant_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    began_at  INTEGER NOT NULL,
    ends_at   INTEGER NOT NULL,
    taken     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, client_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX quotas_ends_idx ON quotas (ends_at);
