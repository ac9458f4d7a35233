-- The read models: one row for each stream, which is a fold of its events. They can be dropped and
-- rebuilt from the roll to the same rows. `body` is the aggregate's state as JSON; the columns beside
-- it are what queries filter and sort by. Lists are sorted by an index that ends in the id, so that a page
-- is one short walk along it, wherever it begins.

CREATE TABLE tenants (
    tenant_id    TEXT NOT NULL PRIMARY KEY,
    slug         TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    state        TEXT NOT NULL,
    version      INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    changed_at   INTEGER NOT NULL,
    body         TEXT NOT NULL
) STRICT;

CREATE INDEX tenants_created_idx ON tenants (created_at, tenant_id);
CREATE INDEX tenants_state_idx ON tenants (state, created_at, tenant_id);

-- What a tenant is found by: its slug, and its name for people in lower case.
CREATE TABLE tenant_terms (
    tenant_id TEXT NOT NULL,
    term      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, term)
) STRICT;

CREATE INDEX tenant_terms_term_idx ON tenant_terms (term, tenant_id);

CREATE TABLE key_rings (
    tenant_id  TEXT NOT NULL PRIMARY KEY,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    body       TEXT NOT NULL
) STRICT;

CREATE TABLE apis (
    api_id     TEXT NOT NULL PRIMARY KEY,
    tenant_id  TEXT NOT NULL,
    identifier TEXT NOT NULL,
    name       TEXT NOT NULL,
    state      TEXT NOT NULL,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    body       TEXT NOT NULL,
    UNIQUE (tenant_id, identifier)
) STRICT;

CREATE INDEX apis_tenant_idx ON apis (tenant_id, api_id);

-- `search_name` is the name in lower case, `notes` how many members the metadata has.
CREATE TABLE clients (
    client_id   TEXT NOT NULL PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    name        TEXT,
    search_name TEXT,
    state       TEXT NOT NULL,
    auth_method TEXT NOT NULL,
    expires_at  INTEGER,
    notes       INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    changed_at  INTEGER NOT NULL,
    body        TEXT NOT NULL
) STRICT;

-- By id: the check against the roll and the rebuild.
CREATE INDEX clients_tenant_idx ON clients (tenant_id, client_id);
CREATE INDEX clients_created_idx ON clients (tenant_id, created_at, client_id);
CREATE INDEX clients_name_idx ON clients (tenant_id, search_name, client_id);
CREATE INDEX clients_state_idx ON clients (tenant_id, state, created_at, client_id);
CREATE INDEX clients_expiry_idx ON clients (tenant_id, state, expires_at, client_id);
CREATE INDEX clients_method_idx ON clients (tenant_id, auth_method, created_at, client_id);
-- Whom a policy without metadata would touch.
CREATE INDEX clients_notes_idx ON clients (tenant_id, notes, client_id) WHERE notes > 0;

-- Which clients an API is granted to, with what those lists are sorted by.
CREATE TABLE client_grants (
    client_id   TEXT NOT NULL,
    api_id      TEXT NOT NULL,
    tenant_id   TEXT NOT NULL,
    search_name TEXT,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (client_id, api_id)
) STRICT;

CREATE INDEX client_grants_created_idx ON client_grants (tenant_id, api_id, created_at, client_id);
CREATE INDEX client_grants_name_idx ON client_grants (tenant_id, api_id, search_name, client_id);

-- Of the secrets whose end is not recorded: how many there are, and how long the longest lives, in
-- microseconds.
CREATE TABLE client_secrets (
    client_id  TEXT NOT NULL PRIMARY KEY,
    tenant_id  TEXT NOT NULL,
    due_at     INTEGER,
    open_count INTEGER NOT NULL,
    open_life  INTEGER,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    body       TEXT NOT NULL
) STRICT;

CREATE INDEX client_secrets_tenant_idx ON client_secrets (tenant_id, client_id);
-- Whom a policy with fewer or shorter secrets would touch.
CREATE INDEX client_secrets_count_idx ON client_secrets (tenant_id, open_count, client_id) WHERE open_count > 0;
CREATE INDEX client_secrets_life_idx ON client_secrets (tenant_id, open_life, client_id) WHERE open_life > 0;

-- What the steward looks for.
CREATE INDEX client_secrets_due_idx ON client_secrets (due_at, client_id) WHERE due_at IS NOT NULL;

-- How many rows of each kind a tenant has, counted in the transaction that changes them.
CREATE TABLE row_counts (
    tenant_id TEXT NOT NULL,
    kind      TEXT NOT NULL,
    count     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, kind)
) STRICT;

-- Which folds made these rows. A binary whose folds are newer rebuilds them before it is ready. One row.
CREATE TABLE read_models (
    fold_version INTEGER NOT NULL
) STRICT;

INSERT INTO read_models (fold_version) VALUES (1);
