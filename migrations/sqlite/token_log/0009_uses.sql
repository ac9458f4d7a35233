-- How credentials were used in what was put together lately: a row for all of them each time, and once there are some of
-- these, they are counted in credential_use and client_days together, which would else be two rows for each client each time.
CREATE TABLE activity_uses (
    tenant_id TEXT NOT NULL,
    -- The least number of the records that it counts, and the moment of the first of them.
    position  INTEGER NOT NULL,
    first_at  INTEGER NOT NULL,
    -- How many they are.
    records   INTEGER NOT NULL,
    -- A JSON array of rows of credential_use, each an array: credential_id, hour, client_id, uses, last_at, last_address.
    uses      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, position)
) STRICT, WITHOUT ROWID;

-- What is put together takes the place of its parts with one statement: an insert into this view. The one of before stays
-- for a program of before. `fresh`, `segments` and
-- `notes` are JSON arrays of the rows of activity_fresh, activity_segments and activity_uses that go, each as [position,
-- first_at, records]; where one of them is not there as it was, another was first, and nothing is done. `note` is what a row
-- of activity_uses says, with its other columns before it, or null; `uses` has rows of credential_use as arrays,
-- `by_client` rows of client_days as [begins_at, client_id, uses]. Without records no segment is made.
CREATE VIEW activity_made AS
SELECT position, last_position, tenant_id, first_at, last_at, records, expires_at, rare, summary, runs, body,
       '[]' AS fresh, '[]' AS segments, '[]' AS notes, 0 AS note_position, 0 AS note_first_at, 0 AS note_records,
       '[]' AS note, '[]' AS uses, '[]' AS by_client
  FROM activity_segments;

CREATE TRIGGER activity_made_insert INSTEAD OF INSERT ON activity_made
BEGIN
    SELECT RAISE(ABORT, 'put together by another')
     WHERE json_array_length(NEW.fresh) <>
           (SELECT count(*) FROM json_each(NEW.fresh) AS part JOIN activity_fresh AS known
                ON known.tenant_id = NEW.tenant_id AND known.position = part.value->>0
               AND known.first_at = part.value->>1 AND known.records = part.value->>2)
        OR json_array_length(NEW.segments) <>
           (SELECT count(*) FROM json_each(NEW.segments) AS part JOIN activity_segments AS known
                ON known.tenant_id = NEW.tenant_id AND known.position = part.value->>0
               AND known.first_at = part.value->>1 AND known.records = part.value->>2)
        OR json_array_length(NEW.notes) <>
           (SELECT count(*) FROM json_each(NEW.notes) AS part JOIN activity_uses AS known
                ON known.tenant_id = NEW.tenant_id AND known.position = part.value->>0
               AND known.first_at = part.value->>1 AND known.records = part.value->>2);

    DELETE FROM activity_fresh
     WHERE tenant_id = NEW.tenant_id AND position IN (SELECT value->>0 FROM json_each(NEW.fresh));

    DELETE FROM activity_segments WHERE position IN (SELECT value->>0 FROM json_each(NEW.segments));

    DELETE FROM activity_uses
     WHERE tenant_id = NEW.tenant_id AND position IN (SELECT value->>0 FROM json_each(NEW.notes));

    INSERT INTO activity_uses (tenant_id, position, first_at, records, uses)
    SELECT NEW.tenant_id, NEW.note_position, NEW.note_first_at, NEW.note_records, NEW.note WHERE NEW.note IS NOT NULL;

    INSERT INTO credential_use (tenant_id, credential_id, hour, client_id, uses, last_at, last_address)
    SELECT NEW.tenant_id, value->>0, value->>1, value->>2, value->>3, value->>4, value->>5
      FROM json_each(NEW.uses) WHERE true
        ON CONFLICT (tenant_id, credential_id, hour) DO UPDATE SET
           uses = credential_use.uses + excluded.uses,
           last_address = CASE WHEN credential_use.last_at > excluded.last_at
                               THEN credential_use.last_address ELSE excluded.last_address END,
           last_at = max(credential_use.last_at, excluded.last_at);

    INSERT INTO client_days (tenant_id, begins_at, client_id, uses)
    SELECT NEW.tenant_id, value->>0, value->>1, value->>2 FROM json_each(NEW.by_client) WHERE true
        ON CONFLICT (tenant_id, begins_at, client_id) DO UPDATE SET uses = client_days.uses + excluded.uses;

    INSERT INTO activity_segments (position, last_position, tenant_id, first_at, last_at, records, expires_at, rare,
                                   summary, runs, body)
    SELECT NEW.position, NEW.last_position, NEW.tenant_id, NEW.first_at, NEW.last_at, NEW.records, NEW.expires_at,
           NEW.rare, NEW.summary, NEW.runs, NEW.body WHERE NEW.records > 0;
END;
