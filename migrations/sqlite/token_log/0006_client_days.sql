-- How often each client was used on each day: what looks back on a month would else read every hour of every
-- credential. Written as segments are put together, as credential_use is.
CREATE TABLE client_days (
    tenant_id TEXT NOT NULL,
    -- When the day begins, in microseconds.
    begins_at INTEGER NOT NULL,
    client_id TEXT NOT NULL,
    uses      INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, begins_at, client_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX client_days_begin_idx ON client_days (begins_at);

INSERT INTO client_days (tenant_id, begins_at, client_id, uses)
SELECT tenant_id, hour / 24 * 86400000000, client_id, SUM(uses)
  FROM credential_use GROUP BY 1, 2, 3;
