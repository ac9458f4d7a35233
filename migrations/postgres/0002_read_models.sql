-- The read models: one row for each stream, which is a fold of its events. They can be dropped and
-- rebuilt from the roll to the same rows. `body` is the aggregate's state as JSON; the columns beside
-- it are what queries filter and sort by.

CREATE TABLE tenants (
    tenant_id    TEXT COLLATE "C" PRIMARY KEY,
    slug         TEXT COLLATE "C" NOT NULL UNIQUE,
    display_name TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    changed_at   BIGINT NOT NULL,
    body         TEXT NOT NULL
);

CREATE TABLE key_rings (
    tenant_id  TEXT COLLATE "C" PRIMARY KEY,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    body       TEXT NOT NULL
);

CREATE TABLE apis (
    api_id     TEXT COLLATE "C" PRIMARY KEY,
    tenant_id  TEXT COLLATE "C" NOT NULL,
    identifier TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    state      TEXT COLLATE "C" NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    body       TEXT NOT NULL,
    UNIQUE (tenant_id, identifier)
);

CREATE INDEX apis_tenant_idx ON apis (tenant_id, api_id);

CREATE TABLE clients (
    client_id  TEXT COLLATE "C" PRIMARY KEY,
    tenant_id  TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C",
    state      TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    body       TEXT NOT NULL
);

CREATE INDEX clients_tenant_idx ON clients (tenant_id, client_id);

CREATE TABLE client_secrets (
    client_id  TEXT COLLATE "C" PRIMARY KEY,
    tenant_id  TEXT COLLATE "C" NOT NULL,
    due_at     BIGINT,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    body       TEXT NOT NULL
);

CREATE INDEX client_secrets_tenant_idx ON client_secrets (tenant_id, client_id);

-- What the steward looks for.
CREATE INDEX client_secrets_due_idx ON client_secrets (due_at, client_id) WHERE due_at IS NOT NULL;

-- Which folds made these rows. A binary whose folds are newer rebuilds them before it is ready. One row.
CREATE TABLE read_models (
    fold_version BIGINT NOT NULL
);

INSERT INTO read_models (fold_version) VALUES (1);
