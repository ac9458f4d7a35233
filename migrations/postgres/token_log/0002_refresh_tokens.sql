-- Refresh tokens, what was revoked before its end, and limits that outlive a node.

-- Refresh tokens that came one from the other. Of each only the latest is good, and of that only the
-- hash is here. Updated in place, so each page keeps room for it.
CREATE TABLE refresh_families (
    tenant_id       TEXT COLLATE "C" NOT NULL,
    family_id       TEXT COLLATE "C" NOT NULL,
    client_id       TEXT COLLATE "C" NOT NULL,
    -- What authenticated the client when the family began, and when it was used last.
    credential_id   TEXT COLLATE "C" NOT NULL,
    last_credential TEXT COLLATE "C" NOT NULL,
    scopes          TEXT COLLATE "C" NOT NULL,
    audience        TEXT COLLATE "C" NOT NULL,
    roles           TEXT COLLATE "C" NOT NULL,
    began_at        BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    current_hash    TEXT COLLATE "C" NOT NULL,
    previous_hash   TEXT COLLATE "C",
    rotated_at      BIGINT,
    revoked_at      BIGINT,
    -- When neither it nor an access token that it gave can be presented any more.
    forget_at       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, family_id)
) WITH (fillfactor = 50);

CREATE INDEX refresh_families_forget_idx ON refresh_families (forget_at);

-- Access tokens that belong to a family, and those that were revoked, until they end.
CREATE TABLE access_tokens (
    tenant_id  TEXT COLLATE "C" NOT NULL,
    jti        TEXT COLLATE "C" NOT NULL,
    family_id  TEXT COLLATE "C",
    revoked_at BIGINT,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, jti)
);

CREATE INDEX access_tokens_expires_idx ON access_tokens (expires_at);

-- What is used up of the limits whose windows are an hour or longer. The tenant's own has no client.
CREATE TABLE quotas (
    tenant_id TEXT COLLATE "C" NOT NULL,
    client_id TEXT COLLATE "C" NOT NULL,
    began_at  BIGINT NOT NULL,
    ends_at   BIGINT NOT NULL,
    taken     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, client_id)
) WITH (fillfactor = 50);

CREATE INDEX quotas_ends_idx ON quotas (ends_at);
