-- SQLite compresses nothing. This keeps the numbers of both stores alike.
SELECT 1;
