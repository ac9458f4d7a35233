-- Who is signed in to the console. Nothing here is history: a row goes when its session has ended.
--
-- `token_hash`, `code_hash`: SHA-256 in base64url. What was hashed is known to one browser alone.

CREATE TABLE console_sessions (
    token_hash    TEXT NOT NULL PRIMARY KEY,
    tenant_id     TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    began_at      INTEGER NOT NULL,
    seen_at       INTEGER NOT NULL,
    ends_at       INTEGER NOT NULL
) STRICT;

CREATE INDEX console_sessions_client_idx ON console_sessions (tenant_id, client_id);
CREATE INDEX console_sessions_ends_idx ON console_sessions (ends_at);

-- Links that sign in once.
CREATE TABLE console_links (
    code_hash     TEXT NOT NULL PRIMARY KEY,
    tenant_id     TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    ends_at       INTEGER NOT NULL
) STRICT;

CREATE INDEX console_links_ends_idx ON console_links (ends_at);
