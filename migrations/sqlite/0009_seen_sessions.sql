-- Whoever is signed in to the console can be listed, and signed out: a session has an id that can be shown, and
-- says from where it was begun. Those that were begun before have none of it, and are over.
DELETE FROM console_sessions;
DELETE FROM console_links;
ALTER TABLE console_sessions ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE console_sessions ADD COLUMN address TEXT;
ALTER TABLE console_sessions ADD COLUMN user_agent TEXT;
ALTER TABLE console_links ADD COLUMN id TEXT NOT NULL DEFAULT '';
