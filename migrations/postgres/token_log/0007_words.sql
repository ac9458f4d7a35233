-- In a body a number in the place of a word (kind, client, credential, scopes, audience, address, user_agent, reason)
-- stands for the word in that place of the line with this number, which comes before it; the first line has 0. Bodies
-- without such numbers are read as they were.

-- Uses are counted again and again in the same rows. An index that holds the count takes a new entry each time, and
-- with it all the others do: without one the row is changed where it stands.
DROP INDEX credential_use_tenant_idx;
CREATE INDEX credential_use_tenant_idx ON credential_use (tenant_id, hour);
ALTER TABLE client_days DROP CONSTRAINT client_days_pkey;
ALTER TABLE client_days ADD PRIMARY KEY (tenant_id, begins_at, client_id);
ALTER TABLE client_days SET (fillfactor = 50);
