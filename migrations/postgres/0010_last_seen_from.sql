-- A session says from where it was last used, beside from where it was begun: whoever has somebody's cookie begins none.
ALTER TABLE console_sessions ADD COLUMN last_address TEXT;
ALTER TABLE console_sessions ADD COLUMN last_user_agent TEXT;
