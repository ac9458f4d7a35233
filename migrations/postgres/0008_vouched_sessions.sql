-- Sessions of the console and links to it are vouched for by the installation's key: who has the database alone
-- can make none, and turn none into another's. Those that were begun before are over.
DELETE FROM console_sessions;
DELETE FROM console_links;
ALTER TABLE console_sessions ADD COLUMN proof TEXT NOT NULL DEFAULT '';
ALTER TABLE console_links ADD COLUMN proof TEXT NOT NULL DEFAULT '';
