-- Operations and what completed scans covered.

-- fragment: operation
-- In the order of `values.operation_from`.
id, repository_id, operation_type, status, scope, generation, files_scanned, files_added,
files_updated, files_removed, files_moved, files_unchanged, files_hashed, bytes_hashed, problems,
start_time, end_time, duration_ms, error_message

-- name: next_generation
-- The generation of a scan that starts now.
UPDATE repositories SET generation = generation + 1 WHERE id = :id RETURNING generation

-- name: begin_operation
-- One run, from now on.
INSERT INTO sync_operations (repository_id, operation_type, status, scope, generation, start_time)
VALUES (:repository_id, :type, 'running', :scope, :generation, now())
RETURNING {operation}

-- name: finish_operation
-- Nothing is returned where it was closed already.
UPDATE sync_operations
SET status = :status, end_time = now(), error_message = :error, files_scanned = :files_scanned,
    files_added = :files_added, files_updated = :files_updated, files_removed = :files_removed,
    files_moved = :files_moved, files_unchanged = :files_unchanged, files_hashed = :files_hashed,
    bytes_hashed = :bytes_hashed, problems = :problems
WHERE id = :id AND status = 'running'
RETURNING {operation}

-- name: abandon_operations
-- Closes what an engine that is gone left running.
UPDATE sync_operations SET status = 'failed', end_time = now(), error_message = :error
WHERE repository_id = :id AND status = 'running'

-- name: abandon_of_gone
-- Closes what engines left running that are gone, in whatever repository.
UPDATE sync_operations SET status = 'failed', end_time = now(), error_message = :error
WHERE status = 'running'
  AND repository_id IN (SELECT id FROM repositories WHERE coalesce(owner, '') <> :owner)
  AND repository_id IN (SELECT id FROM repositories WHERE host = :host)  -- if host

-- name: operation
-- One operation, whatever became of it.
SELECT {operation} FROM sync_operations WHERE id = :id

-- name: operations
-- Newest first.
SELECT {operation} FROM sync_operations
WHERE id > 0
  AND id < :before  -- if before
  AND repository_id = :repository_id  -- if repository_id
  AND (status = 'failed' OR problems > 0)  -- if problems_only
  AND operation_type <> 'realtime'  -- unless bursts
ORDER BY id DESC LIMIT :limit

-- name: last_operations
-- Of one repository, or of each: the last.
SELECT {operation} FROM sync_operations
WHERE id IN (
    SELECT (SELECT max(one.id) FROM sync_operations one WHERE one.repository_id = repositories.id)
    FROM repositories
    WHERE id = :repository_id  -- if repository_id
)

-- name: last_scans
-- As `last_operations`: when the last ended that covered all of it.
SELECT repository_id, max(finished_at) FROM scan_scopes
WHERE prefix = ''
  AND repository_id = :repository_id  -- if repository_id
GROUP BY repository_id

-- name: scopes
-- What earlier scans of a repository covered.
SELECT prefix, generation, unknown FROM scan_scopes WHERE repository_id = :repository_id

-- name: add_scope
-- What a scan that ends now has covered.
INSERT INTO scan_scopes (repository_id, generation, prefix, unknown, finished_at)
VALUES (:repository_id, :generation, :prefix, :unknown, now())

-- name: drop_scope
-- A scope that a newer one covers.
DELETE FROM scan_scopes
WHERE repository_id = :repository_id AND generation = :generation AND prefix = :prefix
