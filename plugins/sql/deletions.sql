-- What the deletion gate counts, and the deletions that wait for a person.

-- fragment: hold
-- In the order of `values.hold_from`.
id, repository_id, status, gone, live, reason, opened_at, decided_at, decided_by

-- name: waiting_losses
-- Missing and not held: how many, the first loss and the last.
SELECT count(*), min(missing_at), max(missing_at), now() FROM file_records
WHERE repository_id = :repository_id AND state = 'missing' AND held_id IS NULL

-- name: window_losses
-- Missing or deleted since the window began, less what a person decided about.
SELECT count(*) FROM file_records
WHERE repository_id = :repository_id AND missing_at >= now() - :span
  AND (held_id IS NULL
       OR held_id NOT IN (SELECT id FROM held_deletions
                          WHERE repository_id = :repository_id AND status <> 'open'))

-- name: missing_records
-- Of one hold, or of none.
SELECT {record} FROM file_records
WHERE repository_id = :repository_id AND state = 'missing' AND id > :after
  AND held_id = :held_id  -- if held_id
  AND held_id IS NULL  -- unless held_id
ORDER BY id LIMIT :limit

-- name: deleted_records
-- Of one hold, or of none, lost since then.
SELECT {record} FROM file_records
WHERE repository_id = :repository_id AND state = 'deleted' AND missing_at >= :since AND id > :after
  AND held_id = :held_id  -- if held_id
  AND held_id IS NULL  -- unless held_id
ORDER BY id LIMIT :limit

-- name: open_hold
-- Deletions that wait for a person, from now on.
INSERT INTO held_deletions (repository_id, gone, live, reason, opened_at)
VALUES (:repository_id, :gone, :live, :reason, now())
RETURNING {hold}

-- name: holds
-- Oldest first.
SELECT {hold} FROM held_deletions
WHERE status = ANY(:statuses)
  AND repository_id = :repository_id  -- if repository_id
ORDER BY id

-- name: set_hold
-- A decision or a new count. Nothing is returned where it is closed.
UPDATE held_deletions
SET status = :status, gone = coalesce(:gone, gone), decided_by = coalesce(:decided_by, decided_by),
    decided_at = CASE WHEN :status = status THEN decided_at WHEN :status = 'open' THEN NULL ELSE now() END
WHERE id = :id AND status <> 'closed'
RETURNING {hold}

-- name: held_folders
-- What is held by the folders at the top, those with the most files first, and whether a file is left in each.
WITH held AS (
    SELECT {top_folder} AS folder, count(*) AS files, sum(file_size) AS bytes, min(missing_at) AS first,
        max(missing_at) AS last
    FROM file_records
    WHERE repository_id = :repository_id AND state = 'missing' AND held_id = :held_id
    GROUP BY 1)
SELECT folder, files, bytes, first, last, EXISTS (
    SELECT 1 FROM file_records
    WHERE repository_id = :repository_id AND state <> 'deleted' AND state = 'present'
      AND {below_folder})
FROM held ORDER BY files DESC, folder

-- name: held_contents
-- Of one hold: what its files held, and the folder at the top that each was in.
SELECT id, content_hash, {top_folder} FROM file_records
WHERE repository_id = :repository_id AND state = 'missing' AND held_id = :held_id AND id > :after
  AND content_hash IS NOT NULL
ORDER BY id LIMIT :limit

-- name: repositories_under_care
-- Those whose files count as copies.
SELECT id FROM repositories WHERE removed_at IS NULL ORDER BY id

-- name: present_contents
-- What the files of a repository hold that are there, NULL where that is not known: a copy that went bad is
-- none. So that the planner reads on in the order of the key, nothing of the state of hashes is asked for.
SELECT id, CASE WHEN hash_state IN ('done', 'verify') THEN content_hash END FROM file_records
WHERE repository_id = :repository_id AND id > :after AND state = 'present'
ORDER BY id LIMIT :limit
