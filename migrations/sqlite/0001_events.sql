-- The roll, what numbers it, and the vault beside it.
--
-- Tables are STRICT, so that a column holds what it says here. Times are microseconds since 1970.

-- One row for each tenant. There is one writer at a time, so the order of the numbers is the order of
-- the commits.
CREATE TABLE tenant_log (
    tenant_id   TEXT NOT NULL PRIMARY KEY,
    head        INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT;

-- `payload` is text and keeps every byte. `event_version` is text, because the library that loads
-- streams reads text; `metadata` is there for it alone.
CREATE TABLE events (
    position       INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id       TEXT NOT NULL UNIQUE,
    tenant_id      TEXT NOT NULL,
    tenant_seq     INTEGER NOT NULL CHECK (tenant_seq > 0),
    recorded_at    INTEGER NOT NULL,
    aggregate_type TEXT NOT NULL,
    aggregate_id   TEXT NOT NULL,
    sequence       INTEGER NOT NULL CHECK (sequence > 0),
    event_type     TEXT NOT NULL,
    event_version  TEXT NOT NULL,
    payload        TEXT NOT NULL CHECK (json_valid(payload)),
    metadata       TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    actor_type     TEXT NOT NULL,
    actor_id       TEXT NOT NULL,
    command_id     TEXT,
    trace_id       TEXT,
    UNIQUE (tenant_id, tenant_seq),
    UNIQUE (aggregate_type, aggregate_id, sequence)
) STRICT;

CREATE INDEX events_aggregate_idx ON events (tenant_id, aggregate_type, aggregate_id, tenant_seq);
CREATE INDEX events_type_idx ON events (tenant_id, event_type, tenant_seq);
CREATE INDEX events_actor_idx ON events (tenant_id, actor_type, actor_id, tenant_seq);
-- Whoever was at the command line. Their entries are few, so this costs next to nothing.
CREATE INDEX events_cli_idx ON events (tenant_id, tenant_seq) WHERE actor_type = 'cli';

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are final: none can be changed or deleted');
END;

CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are final: none can be changed or deleted');
END;

-- What a command was answered, for those who repeat it.
CREATE TABLE commands (
    caller_id    TEXT NOT NULL,
    command_id   TEXT NOT NULL,
    input_digest BLOB NOT NULL,
    result       TEXT NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (caller_id, command_id)
) STRICT;

CREATE INDEX commands_at_idx ON commands (at);

-- The vault: what must be kept and must never be in an event. Only hashes and sealed values are here.
CREATE TABLE secret_verifiers (
    secret_id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    phc       TEXT NOT NULL
) STRICT;

CREATE INDEX secret_verifiers_client_idx ON secret_verifiers (tenant_id, client_id);

-- Secrets that key assertions: an HMAC needs the secret itself.
CREATE TABLE sealed_secrets (
    secret_id     TEXT NOT NULL PRIMARY KEY,
    client_id     TEXT NOT NULL,
    tenant_id     TEXT NOT NULL,
    master_key_id TEXT NOT NULL,
    sealed        BLOB NOT NULL
) STRICT;

CREATE INDEX sealed_secrets_client_idx ON sealed_secrets (tenant_id, client_id);

CREATE TABLE sealed_keys (
    key_id        TEXT NOT NULL PRIMARY KEY,
    tenant_id     TEXT NOT NULL,
    purpose       TEXT NOT NULL,
    master_key_id TEXT NOT NULL,
    sealed        BLOB NOT NULL
) STRICT;

CREATE INDEX sealed_keys_tenant_idx ON sealed_keys (tenant_id, purpose);

CREATE TABLE installation_keys (
    purpose       TEXT NOT NULL PRIMARY KEY,
    master_key_id TEXT NOT NULL,
    sealed        BLOB NOT NULL
) STRICT;
