-- What will end and what is due, of clients, secrets and signing keys. Beside the read models, and rebuilt
-- with them. A closed tenant has no rows.

-- `subject` is the id of what it is about, `record_at` from when on the steward has something to do.
CREATE TABLE agenda (
    tenant_id TEXT NOT NULL,
    kind      TEXT NOT NULL,
    subject   TEXT NOT NULL,
    client_id TEXT,
    at        INTEGER NOT NULL,
    record_at INTEGER,
    PRIMARY KEY (tenant_id, kind, subject)
) STRICT;

-- A tenant's calendar.
CREATE INDEX agenda_at_idx ON agenda (tenant_id, at, kind, subject);

-- What the steward looks for.
CREATE INDEX agenda_record_idx ON agenda (record_at, tenant_id, kind, subject) WHERE record_at IS NOT NULL;

DROP INDEX client_secrets_due_idx;
ALTER TABLE client_secrets DROP COLUMN due_at;
