-- What comes at one moment has an order: on the calendar by its kind, the client's name and the number of the
-- secret or key; on the ring of signing keys by which was made first. Rows are folded again by the next server
-- that starts; until then their version says that they are old ones.
ALTER TABLE agenda ADD COLUMN name TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE agenda ADD COLUMN number BIGINT NOT NULL DEFAULT 0;

DROP INDEX agenda_at_idx;
CREATE INDEX agenda_at_idx ON agenda (tenant_id, at, kind, name, number, subject);

UPDATE read_models SET fold_version = 3 WHERE fold_version > 3;
