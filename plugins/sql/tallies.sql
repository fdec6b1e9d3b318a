-- How much is left to do, and how much is wrong.

-- name: tally_unread
-- Each state has an index of its own. SQLite looks at the rows, too, so it must not count on and on.
SELECT id, 'pending', (SELECT count(*) FROM (
    SELECT 1 FROM file_records
    WHERE repository_id = repositories.id AND state = 'present' AND hash_state = 'pending' LIMIT :most) pending)
FROM repositories WHERE removed_at IS NULL
UNION ALL
SELECT id, 'failed', (SELECT count(*) FROM (
    SELECT 1 FROM file_records
    WHERE repository_id = repositories.id AND state = 'present' AND hash_state = 'failed' LIMIT :most) failed)
FROM repositories WHERE removed_at IS NULL
UNION ALL
SELECT id, 'verify', (SELECT count(*) FROM (
    SELECT 1 FROM file_records
    WHERE repository_id = repositories.id AND state = 'present' AND hash_state = 'verify' LIMIT :most) verify)
FROM repositories WHERE removed_at IS NULL

-- name: tally_dirty
-- Subtrees that must be scanned.
SELECT repository_id, count(*) FROM dirty_paths GROUP BY repository_id

-- name: tally_problems
-- Notes are counted, too.
SELECT repository_id, code, count(*) FROM problems GROUP BY repository_id, code

-- name: tally_cursors
-- How far the actions have read.
SELECT action, epoch, n FROM action_cursors
