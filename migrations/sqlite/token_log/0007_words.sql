-- In a body a number in the place of a word (kind, client, credential, scopes, audience, address, user_agent, reason)
-- stands for the word in that place of the line with this number, which comes before it; the first line has 0. Bodies
-- without such numbers are read as they were. This keeps the numbers of both stores alike.
SELECT 1;
