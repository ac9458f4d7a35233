-- A segment takes the place of its parts with one statement: an insert into this view. `fresh` is a JSON array of the
-- fresh rows that go for it, each as [position, first_at, records], `segments` one of smaller segments, `uses` of rows of
-- credential_use as arrays, `day` when its day begins, `by_client` of [client, uses]. Where one of the parts is not
-- there as it was, another was first, and nothing is done.
CREATE VIEW activity_put_together AS
SELECT position, last_position, tenant_id, first_at, last_at, records, expires_at, rare, summary, runs, body,
       '[]' AS fresh, '[]' AS segments, '[]' AS uses, 0 AS day, '[]' AS by_client
  FROM activity_segments;

CREATE TRIGGER activity_put_together_insert INSTEAD OF INSERT ON activity_put_together
BEGIN
    SELECT RAISE(ABORT, 'put together by another')
     WHERE json_array_length(NEW.fresh) <>
           (SELECT count(*) FROM json_each(NEW.fresh) AS part JOIN activity_fresh AS known
                ON known.tenant_id = NEW.tenant_id AND known.position = part.value->>0
               AND known.first_at = part.value->>1 AND known.records = part.value->>2)
        OR json_array_length(NEW.segments) <>
           (SELECT count(*) FROM json_each(NEW.segments) AS part JOIN activity_segments AS known
                ON known.tenant_id = NEW.tenant_id AND known.position = part.value->>0
               AND known.first_at = part.value->>1 AND known.records = part.value->>2);

    DELETE FROM activity_fresh
     WHERE tenant_id = NEW.tenant_id AND position IN (SELECT value->>0 FROM json_each(NEW.fresh));

    DELETE FROM activity_segments WHERE position IN (SELECT value->>0 FROM json_each(NEW.segments));

    INSERT INTO credential_use (tenant_id, credential_id, hour, client_id, uses, last_at, last_address)
    SELECT NEW.tenant_id, value->>0, value->>1, value->>2, value->>3, value->>4, value->>5
      FROM json_each(NEW.uses) WHERE true
        ON CONFLICT (tenant_id, credential_id, hour) DO UPDATE SET
           uses = credential_use.uses + excluded.uses,
           last_address = CASE WHEN credential_use.last_at > excluded.last_at
                               THEN credential_use.last_address ELSE excluded.last_address END,
           last_at = max(credential_use.last_at, excluded.last_at);

    INSERT INTO client_days (tenant_id, begins_at, client_id, uses)
    SELECT NEW.tenant_id, NEW.day, value->>0, value->>1 FROM json_each(NEW.by_client) WHERE true
        ON CONFLICT (tenant_id, begins_at, client_id) DO UPDATE SET uses = client_days.uses + excluded.uses;

    INSERT INTO activity_segments (position, last_position, tenant_id, first_at, last_at, records, expires_at, rare,
                                   summary, runs, body)
    VALUES (NEW.position, NEW.last_position, NEW.tenant_id, NEW.first_at, NEW.last_at, NEW.records, NEW.expires_at,
            NEW.rare, NEW.summary, NEW.runs, NEW.body);
END;
