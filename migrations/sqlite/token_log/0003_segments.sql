-- Tokens that left are the bulk of the log: they stand many to a row, and rows of their own are for what is
-- rare. Nothing of the earlier form was released, so it is let go.
DELETE FROM activity WHERE kind IN ('token_issued', 'token_refreshed');

DROP INDEX activity_kind_idx;
CREATE INDEX activity_kind_idx ON activity (tenant_id, kind, at, position);
DROP INDEX activity_jti_idx;
CREATE INDEX activity_jti_idx ON activity (tenant_id, jti, at, position) WHERE jti IS NOT NULL;

-- The number of the next record. A row takes 1,024 of them, so that the records of a batch have theirs.
CREATE TABLE activity_number (next INTEGER NOT NULL) STRICT;
INSERT INTO activity_number SELECT coalesce(max(position), 0) + 1024 FROM activity;

-- What batches wrote, until it goes into a segment: for each tenant and hour one row. Which credentials
-- were used is told from here, until it is counted in credential_use.
CREATE TABLE activity_fresh (
    tenant_id TEXT NOT NULL,
    -- The number of its first record; the others follow.
    position  INTEGER NOT NULL,
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    records   INTEGER NOT NULL,
    -- A JSON array of records, each an array: at, kind, client, credential, scopes, audience, jti,
    -- expires_at, address, user_agent, reason, trace_id.
    body      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, position)
) STRICT, WITHOUT ROWID;

-- Records of one tenant and hour, which are counted in credential_use.
CREATE TABLE activity_segments (
    -- The least number in it, and the greatest.
    position      INTEGER PRIMARY KEY,
    last_position INTEGER NOT NULL,
    tenant_id     TEXT NOT NULL,
    first_at      INTEGER NOT NULL,
    last_at       INTEGER NOT NULL,
    records       INTEGER NOT NULL,
    -- When the last of its tokens ends.
    expires_at    INTEGER NOT NULL,
    -- How many of its records have a reason, or are not of the kind token_issued.
    rare          INTEGER NOT NULL,
    -- Which clients, credentials and traces are not in it: a Bloom filter.
    summary       BLOB NOT NULL,
    -- A JSON array of [number, records]: what the records in the body have as their numbers.
    runs          TEXT NOT NULL,
    body          TEXT NOT NULL
) STRICT;

CREATE INDEX activity_segments_place_idx
    ON activity_segments (tenant_id, first_at, position, last_at, last_position);
CREATE INDEX activity_segments_rare_idx ON activity_segments (tenant_id, first_at, position) WHERE rare > 0;
CREATE INDEX activity_segments_last_idx ON activity_segments (last_at);
