-- What token traffic writes, in a schema of its own: it is never joined with the roll.
--
-- Times are microseconds since 1970. Texts are COLLATE "C", so that both stores sort alike.

-- Read in the order of (at, position). Partitioned by day; rows of days without a partition go to the
-- default one.
CREATE SEQUENCE activity_position;

CREATE TABLE activity (
    at            BIGINT NOT NULL,
    position      BIGINT NOT NULL DEFAULT nextval('activity_position'),
    tenant_id     TEXT COLLATE "C" NOT NULL,
    kind          TEXT COLLATE "C" NOT NULL,
    client_id     TEXT COLLATE "C",
    credential_id TEXT COLLATE "C",
    scopes        TEXT COLLATE "C",
    audience      TEXT COLLATE "C",
    jti           TEXT COLLATE "C",
    expires_at    BIGINT,
    address       TEXT COLLATE "C",
    user_agent    TEXT COLLATE "C",
    reason        TEXT COLLATE "C",
    trace_id      TEXT COLLATE "C",
    times         BIGINT NOT NULL DEFAULT 1
) PARTITION BY RANGE (at);

ALTER SEQUENCE activity_position OWNED BY activity.position;

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

CREATE TABLE activity_default PARTITION OF activity DEFAULT;

-- When and from where each credential was used, by hour. The latest row of each is kept for ever.
-- Updated in place, so each page keeps room for it.
CREATE TABLE credential_use (
    tenant_id     TEXT COLLATE "C" NOT NULL,
    credential_id TEXT COLLATE "C" NOT NULL,
    hour          BIGINT NOT NULL,
    client_id     TEXT COLLATE "C" NOT NULL,
    uses          BIGINT NOT NULL,
    last_at       BIGINT NOT NULL,
    last_address  TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, credential_id, hour)
) WITH (fillfactor = 50);

CREATE INDEX credential_use_client_idx ON credential_use (tenant_id, client_id, hour);
CREATE INDEX credential_use_hour_idx ON credential_use (hour);
-- What a whole tenant used, told from the index alone.
CREATE INDEX credential_use_tenant_idx ON credential_use (tenant_id, hour, client_id, uses);

-- The ids of assertions that were used, until they could not be used again anyway.
CREATE TABLE assertion_ids (
    tenant_id  TEXT COLLATE "C" NOT NULL,
    client_id  TEXT COLLATE "C" NOT NULL,
    jti        TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, client_id, jti)
);

CREATE INDEX assertion_ids_expires_idx ON assertion_ids (expires_at);
