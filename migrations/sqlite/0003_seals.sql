-- What seals each roll: one Merkle tree for each tenant (RFC 6962), stored as tiles, and the latest signed
-- statement of its size and root.

-- When the first entry was recorded that is not sealed yet: what the sealer looks for.
ALTER TABLE tenant_log ADD COLUMN unsealed_since INTEGER;

UPDATE tenant_log SET unsealed_since = recorded_at WHERE head > 0;

CREATE INDEX tenant_log_unsealed_idx ON tenant_log (unsealed_since, tenant_id) WHERE unsealed_since IS NOT NULL;

-- Origin and key never change. `fault`: what was found to be not as it was sealed, since when nothing more
-- is sealed.
CREATE TABLE seals (
    tenant_id    TEXT NOT NULL PRIMARY KEY,
    origin       TEXT NOT NULL,
    key_id       TEXT NOT NULL,
    verifier_key TEXT NOT NULL,
    size         INTEGER NOT NULL CHECK (size >= 0),
    note         TEXT NOT NULL,
    fault        TEXT
) STRICT;

CREATE INDEX seals_fault_idx ON seals (tenant_id) WHERE fault IS NOT NULL;

-- Up to 256 hashes of 32 bytes, side by side. A tile at the edge of its tree grows; what it holds stays.
CREATE TABLE tiles (
    tenant_id TEXT NOT NULL,
    level     INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    hashes    BLOB NOT NULL,
    PRIMARY KEY (tenant_id, level, number)
) STRICT;
