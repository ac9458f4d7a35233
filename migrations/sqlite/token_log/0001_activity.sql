-- What token traffic writes, in a file of its own: it is never joined with the roll.
--
-- Times are microseconds since 1970. Tables are STRICT, so that a column holds what it says here.

-- Read in the order of (at, position).
CREATE TABLE activity (
    position      INTEGER PRIMARY KEY,
    at            INTEGER NOT NULL,
    tenant_id     TEXT NOT NULL,
    kind          TEXT NOT NULL,
    client_id     TEXT,
    credential_id TEXT,
    scopes        TEXT,
    audience      TEXT,
    jti           TEXT,
    expires_at    INTEGER,
    address       TEXT,
    user_agent    TEXT,
    reason        TEXT,
    trace_id      TEXT,
    times         INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE INDEX activity_tenant_idx ON activity (tenant_id, at, position);
CREATE INDEX activity_client_idx ON activity (tenant_id, client_id, at, position);
CREATE INDEX activity_credential_idx ON activity (tenant_id, credential_id, at, position)
    WHERE credential_id IS NOT NULL;
-- Tokens issued are the bulk; whoever asks for something else must not read past them.
CREATE INDEX activity_kind_idx ON activity (tenant_id, kind, at, position)
    WHERE kind <> 'token_issued';
CREATE INDEX activity_reason_idx ON activity (tenant_id, reason, at, position)
    WHERE reason IS NOT NULL;
-- The id of a token says when it was issued, so that its record is found by that; of what was done with it
-- afterwards there is little. An index by something random would cost more than the rest of the record.
CREATE INDEX activity_jti_idx ON activity (tenant_id, jti, at, position)
    WHERE kind <> 'token_issued' AND jti IS NOT NULL;

-- When and from where each credential was used, by hour. The latest row of each is kept for ever.
CREATE TABLE credential_use (
    tenant_id     TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    hour          INTEGER NOT NULL,
    client_id     TEXT NOT NULL,
    uses          INTEGER NOT NULL,
    last_at       INTEGER NOT NULL,
    last_address  TEXT,
    PRIMARY KEY (tenant_id, credential_id, hour)
) STRICT, WITHOUT ROWID;

CREATE INDEX credential_use_client_idx ON credential_use (tenant_id, client_id, hour);
CREATE INDEX credential_use_hour_idx ON credential_use (hour);
-- What a whole tenant used, told from the index alone.
CREATE INDEX credential_use_tenant_idx ON credential_use (tenant_id, hour, client_id, uses);

-- The ids of assertions that were used, until they could not be used again anyway.
CREATE TABLE assertion_ids (
    tenant_id  TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    jti        TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, client_id, jti)
) STRICT, WITHOUT ROWID;

CREATE INDEX assertion_ids_expires_idx ON assertion_ids (expires_at);
