-- The roll, what numbers it, and the vault beside it.
--
-- Text ids are COLLATE "C", so that both stores sort alike. Times are microseconds since 1970.

-- One row for each tenant. Its lock, held to the commit, makes the order of the numbers the order of
-- the commits.
CREATE TABLE tenant_log (
    tenant_id   TEXT COLLATE "C" PRIMARY KEY,
    head        BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL
);

-- `payload` is JSON and not JSONB: it keeps its text byte for byte. `event_version` is text, because
-- the library that loads streams reads text; `metadata` is there for it alone. A global order is not
-- built yet: `position` by itself is not one, since a transaction that began early may commit late.
-- The pair (`xact`, `position`) is, read below pg_snapshot_xmin in the same statement.
CREATE TABLE events (
    position       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id       TEXT COLLATE "C" NOT NULL UNIQUE,
    tenant_id      TEXT COLLATE "C" NOT NULL,
    tenant_seq     BIGINT NOT NULL CHECK (tenant_seq > 0),
    recorded_at    BIGINT NOT NULL,
    aggregate_type TEXT COLLATE "C" NOT NULL,
    aggregate_id   TEXT COLLATE "C" NOT NULL,
    sequence       BIGINT NOT NULL CHECK (sequence > 0),
    event_type     TEXT COLLATE "C" NOT NULL,
    event_version  TEXT COLLATE "C" NOT NULL,
    payload        JSON NOT NULL,
    metadata       JSON NOT NULL DEFAULT '{}',
    actor_type     TEXT COLLATE "C" NOT NULL,
    actor_id       TEXT COLLATE "C" NOT NULL,
    command_id     TEXT COLLATE "C",
    trace_id       TEXT COLLATE "C",
    xact           XID8 NOT NULL DEFAULT pg_current_xact_id(),
    UNIQUE (tenant_id, tenant_seq),
    UNIQUE (aggregate_type, aggregate_id, sequence)
);

CREATE INDEX events_aggregate_idx ON events (tenant_id, aggregate_type, aggregate_id, tenant_seq);
CREATE INDEX events_type_idx ON events (tenant_id, event_type, tenant_seq);
CREATE INDEX events_actor_idx ON events (tenant_id, actor_type, actor_id, tenant_seq);
-- Whoever was at the command line. Their entries are few, so this costs next to nothing.
CREATE INDEX events_cli_idx ON events (tenant_id, tenant_seq) WHERE actor_type = 'cli';

CREATE FUNCTION events_are_final() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are final: none can be changed or deleted';
END
$$;

CREATE TRIGGER events_are_final
    BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION events_are_final();

-- What a command was answered, for those who repeat it.
CREATE TABLE commands (
    caller_id    TEXT COLLATE "C" NOT NULL,
    command_id   TEXT COLLATE "C" NOT NULL,
    input_digest BYTEA NOT NULL,
    result       TEXT NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (caller_id, command_id)
);

CREATE INDEX commands_at_idx ON commands (at);

-- The vault: what must be kept and must never be in an event. Only hashes and sealed values are here.
CREATE TABLE secret_verifiers (
    secret_id TEXT COLLATE "C" PRIMARY KEY,
    client_id TEXT COLLATE "C" NOT NULL,
    tenant_id TEXT COLLATE "C" NOT NULL,
    phc       TEXT NOT NULL
);

CREATE INDEX secret_verifiers_client_idx ON secret_verifiers (tenant_id, client_id);

-- Secrets that key assertions: an HMAC needs the secret itself.
CREATE TABLE sealed_secrets (
    secret_id     TEXT COLLATE "C" PRIMARY KEY,
    client_id     TEXT COLLATE "C" NOT NULL,
    tenant_id     TEXT COLLATE "C" NOT NULL,
    master_key_id TEXT COLLATE "C" NOT NULL,
    sealed        BYTEA NOT NULL
);

CREATE INDEX sealed_secrets_client_idx ON sealed_secrets (tenant_id, client_id);

CREATE TABLE sealed_keys (
    key_id        TEXT COLLATE "C" PRIMARY KEY,
    tenant_id     TEXT COLLATE "C" NOT NULL,
    purpose       TEXT COLLATE "C" NOT NULL,
    master_key_id TEXT COLLATE "C" NOT NULL,
    sealed        BYTEA NOT NULL
);

CREATE INDEX sealed_keys_tenant_idx ON sealed_keys (tenant_id, purpose);

CREATE TABLE installation_keys (
    purpose       TEXT COLLATE "C" PRIMARY KEY,
    master_key_id TEXT COLLATE "C" NOT NULL,
    sealed        BYTEA NOT NULL
);
