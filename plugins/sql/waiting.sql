-- What waits for a person: as an engine noted it, and what it is noted from.

-- fragment: waiting
-- In the order of `values.waiting_from`.
key, kind, repository_id, message, since, told_at, told, over_at

-- name: waiting
-- Longest first.
SELECT {waiting} FROM attention
WHERE key <> ''
  AND over_at IS NULL  -- unless over
ORDER BY since, key

-- name: note_waiting
-- Anew, or once more.
INSERT INTO attention ({waiting})
VALUES (:key, :kind, :repository_id, :message, :since, :told_at, :told, :over_at)
ON CONFLICT (key) DO UPDATE
SET message = excluded.message, since = excluded.since, told_at = excluded.told_at, told = excluded.told,
    over_at = excluded.over_at

-- name: forget_waiting
-- It waits no longer, and who knew of it knows.
DELETE FROM attention WHERE key = :key

-- name: corrupted_files
-- Of each repository: how many, the first path, since when.
SELECT repository_id, count(*), min(path), min(first_seen) FROM problems
WHERE code = 'corrupted' GROUP BY repository_id ORDER BY repository_id

-- name: dead_jobs
-- Of each action: how many, why the newest failed, since when. They are counted in their index.
WITH dead AS (
    SELECT action, count(*) AS many, min(id) AS oldest, max(id) AS newest
    FROM jobs WHERE state = 'dead' GROUP BY action)
SELECT dead.action, dead.many, newest.last_error, oldest.created_at
FROM dead
JOIN jobs AS newest ON newest.id = dead.newest
JOIN jobs AS oldest ON oldest.id = dead.oldest
ORDER BY dead.action
