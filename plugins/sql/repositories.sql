-- Repositories, their leases, and file systems.

-- fragment: repository
-- In the order of `values.repository_from`.
id, name, host, root, settings, declared, paused, clean, generation, fence, owner, lease_until,
root_file_system, root_inode, files, bytes, hashed, missing, ignored, health, created_at, removed_at

-- name: repositories
-- All that are under care, by name.
SELECT {repository} FROM repositories WHERE removed_at IS NULL ORDER BY name

-- name: repository
-- One repository, removed or not.
SELECT {repository} FROM repositories WHERE id = :id

-- name: repository_ids
-- All that are under care, in the order in which `files` lists them.
SELECT id FROM repositories WHERE removed_at IS NULL ORDER BY id

-- name: count_rare
-- How many of its records are in the states that few are in.
SELECT missing, ignored FROM repositories WHERE id = :id

-- name: repository_names
-- Who has this name already, and every root of this host.
SELECT id, name, host, root FROM repositories WHERE removed_at IS NULL AND (name = :name OR host = :host)
ORDER BY name

-- name: add_repository
-- Nothing is returned where the name, the root or the id is taken.
INSERT INTO repositories (id, name, host, root, settings, declared, paused, health, created_at)
VALUES (:id, :name, :host, :root, :settings, :declared, :paused, :health, now())
ON CONFLICT DO NOTHING
RETURNING id

-- name: revive_repository
-- A removed repository comes back under its id, with the records it kept.
UPDATE repositories
SET name = :name, host = :host, root = :root, settings = :settings, declared = :declared,
    paused = :paused, health = :health, removed_at = NULL, root_file_system = NULL, root_inode = NULL
WHERE id = :id AND removed_at IS NOT NULL
RETURNING id

-- name: update_repository
-- Sets what is given.
UPDATE repositories
SET name = coalesce(:name, name), root = coalesce(:root, root),
    settings = coalesce(:settings, settings), declared = coalesce(:declared, declared),
    paused = coalesce(:paused, paused), health = coalesce(:health, health),
    root_file_system = coalesce(:root_file_system, root_file_system),
    root_inode = coalesce(:root_inode, root_inode)
WHERE id = :id AND removed_at IS NULL
RETURNING id

-- name: remove_repository
-- The raised fence stops whoever still writes.
UPDATE repositories
SET removed_at = coalesce(removed_at, now()), owner = NULL, lease_until = NULL, fence = fence + 1
WHERE id = :id
RETURNING id

-- name: zero_counters
-- After a purge nothing is left to count.
UPDATE repositories SET files = 0, bytes = 0, hashed = 0, missing = 0, ignored = 0 WHERE id = :id

-- name: purge_records
-- One batch of a removed repository's records.
DELETE FROM file_records
WHERE repository_id = :id
  AND id IN (SELECT id FROM file_records WHERE repository_id = :id LIMIT :limit)
RETURNING id

-- name: purge_scopes
-- What scans of it covered.
DELETE FROM scan_scopes WHERE repository_id = :id

-- name: purge_dirty
-- Its dirty subtrees.
DELETE FROM dirty_paths WHERE repository_id = :id

-- name: purge_problems
-- Its problems.
DELETE FROM problems WHERE repository_id = :id

-- name: purge_holds
-- Its held deletions, decided or not.
DELETE FROM held_deletions WHERE repository_id = :id

-- name: claim
-- Takes the lease unless another owner's runs.
UPDATE repositories
SET owner = :owner, fence = fence + 1, lease_until = now() + :lease, clean = false
WHERE id = :id AND removed_at IS NULL
  AND (owner IS NULL OR owner = :owner OR lease_until < now())
RETURNING fence

-- name: free_leases
-- What engines held, and said of it, that are gone: somebody else has their lock.
UPDATE repositories SET owner = NULL, lease_until = NULL, health = '{}'
WHERE owner <> :owner
  AND host = :host  -- if host

-- name: renew
-- Extends leases; those that are lost are not returned.
UPDATE repositories SET lease_until = now() + :lease
WHERE id = ANY(:ids) AND owner = :owner
RETURNING id, fence

-- name: release
-- Gives the lease back.
UPDATE repositories SET owner = NULL, lease_until = NULL, clean = :clean
WHERE id = :id AND fence = :fence AND owner = :owner
RETURNING id

-- name: hold_lease
-- Locks the row of the repository, which serialises its writers, if the lease is still good.
WITH held AS MATERIALIZED (
    SELECT id FROM repositories WHERE id = :id AND fence = :fence AND owner = :owner FOR NO KEY UPDATE)
SELECT {clock} FROM held

-- name: count_files
-- Adds what a batch changed to the counters.
UPDATE repositories
SET files = files + :files, bytes = bytes + :bytes, hashed = hashed + :hashed,
    missing = missing + :missing, ignored = ignored + :ignored
WHERE id = :id

-- name: find_file_system
-- By identity where there is one, else by the place it is mounted at.
SELECT number, mount_path, device FROM file_systems
WHERE host = :host AND type = :type AND identity = :identity
  AND mount_path = :mount_path  -- unless identity

-- name: add_file_system
-- Nothing is returned where another process was faster.
INSERT INTO file_systems (host, mount_path, type, identity, device)
VALUES (:host, :mount_path, :type, :identity, :device)
ON CONFLICT DO NOTHING
RETURNING number

-- name: touch_file_system
-- Where it is mounted now.
UPDATE file_systems SET mount_path = :mount_path, device = :device WHERE number = :number

-- name: file_system
-- How a file system was last identified.
SELECT host, mount_path, type, identity, device FROM file_systems WHERE number = :number
