-- Records of files. What looks a path up is in the dialects' own files: their indexes differ.

-- fragment: record
-- In the order of `values.record_from`.
id, repository_id, file_path, file_size, mtime_ns, ctime_ns, file_system, inode, mode, state,
hash_state, hash_algorithm, content_hash, hash_tries, hash_retry_at, read_at, last_verified, held_id,
version, scan_generation, last_scanned, missing_at, deleted_at, created_at, updated_at

-- fragment: key
-- In the order of `RecordKey`.
file_path, file_size, mtime_ns, ctime_ns, file_system, inode, mode, state

-- fragment: has_twin
-- Another present file, in any repository under care, has the same content. No index helps: one of
-- random values would slow every hash that is written, and duplicates are asked for now and then.
state = 'present' AND (hash_algorithm, content_hash) IN (
    SELECT hash_algorithm, content_hash FROM file_records
    WHERE state = 'present' AND content_hash IS NOT NULL
      AND repository_id IN (SELECT id FROM repositories WHERE removed_at IS NULL)
    GROUP BY hash_algorithm, content_hash HAVING count(*) > 1)

-- name: record
-- One record, wherever it is; repository_id leads every key.
SELECT {record} FROM files WHERE id = :id AND repository_id IN (SELECT id FROM repositories)

-- name: records_by_inode
-- Of any state.
SELECT {record} FROM file_records
WHERE repository_id = :repository_id AND file_system = :file_system AND inode = ANY(:inodes)

-- name: inodes_on_record
-- Those of these inodes that any record has.
SELECT inode FROM file_records
WHERE repository_id = :repository_id AND file_system = :file_system AND inode = ANY(:inodes)

-- name: records_pending
-- Newest first.
SELECT {record} FROM file_records
WHERE repository_id = :repository_id AND state = 'present' AND hash_state = 'pending'
  AND id <> ALL(:skip)  -- if skip
  AND file_size <= :largest  -- if largest
ORDER BY mtime_ns DESC LIMIT :limit

-- name: records_failed
-- Due again, the longest due first.
SELECT {record} FROM file_records
WHERE repository_id = :repository_id AND state = 'present' AND hash_state = 'failed'
  AND hash_retry_at <= now()
  AND id <> ALL(:skip)  -- if skip
  AND file_size <= :largest  -- if largest
ORDER BY hash_retry_at LIMIT :limit

-- name: records_to_verify
-- Oldest verified first.
SELECT {record} FROM file_records
WHERE repository_id = :repository_id AND state = 'present' AND hash_state = 'verify'
  AND id <> ALL(:skip)  -- if skip
ORDER BY last_verified NULLS FIRST LIMIT :limit

-- name: records_to_scrub_beside
-- Verified at the very time of the last one, and behind it: above all those never verified, oldest read first.
SELECT {record} FROM file_records
WHERE repository_id = :repository_id AND state = 'present' AND hash_state IN ('done', 'verify', 'corrupted')
  AND {scrub_verified} = :verified AND {scrub_read} >= :read AND ({scrub_read} > :read OR id > :id)
ORDER BY {scrub_read}, id LIMIT :limit

-- name: records_to_scrub_beyond
-- Verified later, the oldest verified first.
SELECT {record} FROM file_records
WHERE repository_id = :repository_id AND state = 'present' AND hash_state IN ('done', 'verify', 'corrupted')
  AND {scrub_verified} > :verified AND {scrub_verified} < :before
ORDER BY {scrub_verified}, {scrub_read}, id LIMIT :limit

-- name: renumber_file_system
-- One batch of the records that are on another file system now.
UPDATE file_records SET file_system = :new, version = version + 1
WHERE repository_id = :repository_id AND id IN (
    SELECT id FROM file_records
    WHERE repository_id = :repository_id AND file_system = :old LIMIT :limit)
RETURNING id

-- name: purge_deleted
-- Ends what was deleted long enough ago, oldest first.
DELETE FROM file_records
WHERE repository_id = :repository_id AND id IN (
    SELECT id FROM file_records
    WHERE repository_id = :repository_id AND state = 'deleted' AND deleted_at < now() - :age
    ORDER BY deleted_at LIMIT :limit)
RETURNING id
