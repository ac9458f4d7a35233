-- How credentials were used in what was put together lately: a row for all of them each time, and once there are some of
-- these, they are counted in credential_use and client_days together, which would else be two rows for each client each time.
CREATE TABLE activity_uses (
    tenant_id TEXT COLLATE "C" NOT NULL,
    -- The least number of the records that it counts, and the moment of the first of them.
    position  BIGINT NOT NULL,
    first_at  BIGINT NOT NULL,
    -- How many they are.
    records   BIGINT NOT NULL,
    -- A JSON array of rows of credential_use, each an array: credential_id, hour, client_id, uses, last_at, last_address.
    uses      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, position)
);

-- As activity_fresh: in its row, where the server has a method that is quick.
DO $$
BEGIN
    ALTER TABLE activity_uses ALTER COLUMN uses SET COMPRESSION lz4;
    ALTER TABLE activity_uses ALTER COLUMN uses SET STORAGE MAIN;
EXCEPTION
    WHEN feature_not_supported THEN NULL;
END
$$;
