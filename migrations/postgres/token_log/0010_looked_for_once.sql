-- Here the statement says how rows that go are looked for. This keeps the numbers of both stores alike.
SELECT 1;
