-- What SQLite does in its own way. postgres/queries.sql has the same names.

-- fragment: time
-- The type of a time: microseconds since 1970.
integer

-- fragment: like
-- LIKE knows the letters of ASCII in either case.
LIKE

-- fragment: scrub_verified
-- When a record was verified last, in the words of the index file_records_scrub.
coalesce(CASE WHEN hash_state = 'corrupted' THEN read_at ELSE last_verified END, 0)

-- fragment: scrub_read
-- When it was read last, likewise.
coalesce(read_at, 0)

-- fragment: clock
-- The time of this transaction, which begins when it has the lock.
now()

-- fragment: top_folder
-- The folder at the top of the repository that a file is in; '' for one that is in none.
CASE instr(file_path, '/') WHEN 0 THEN '' ELSE substr(file_path, 1, instr(file_path, '/') - 1) END

-- fragment: below_folder
-- Whether a file is in a folder at the top, named `folder`. The digit 0 follows the slash.
file_path >= folder || '/' AND file_path < folder || '0'

-- name: has_migrations
-- Whether this is a ledger at all.
SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'

-- name: lock_migrations
-- BEGIN IMMEDIATE has locked everybody else out.
SELECT 1

-- name: lock_roots
-- BEGIN IMMEDIATE has locked everybody else out.
SELECT 1

-- name: new_record_ids
-- The next ids; no other transaction can take them before they are inserted.
WITH RECURSIVE ids (id) AS (
    SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'file_records'), 0) + 1
    UNION ALL
    SELECT id + 1 FROM ids LIMIT :count)
SELECT id FROM ids

-- name: insert_records
-- New records. What has `:rows` takes many at once, at half the price: indexes are prepared once. FAIL
-- instead of ABORT keeps no journal of the statement; the transaction is rolled back anyway.
INSERT OR FAIL INTO file_records ({record}) VALUES :rows

-- name: last_record_id
-- The last that was ever given: those given next follow it without a gap.
SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'file_records'

-- name: add_records
-- New files.
INSERT OR FAIL INTO file_records (
    repository_id, file_path, file_size, mtime_ns, ctime_ns, file_system, inode, mode, state, hash_state,
    hash_algorithm, content_hash, hash_tries, read_at, version, scan_generation, last_scanned, created_at,
    updated_at)
SELECT
    :repository_id, column1, column2, column3, column4, column5, column6, column7, 'present', column8,
    CASE column8 WHEN 'done' THEN :algorithm END, column9, 0, CASE column8 WHEN 'done' THEN :read_at END,
    1, :generation, :now, :now, :now
FROM (VALUES :rows)

-- name: journal_added
-- Entries of the records that were just added, numbered as they are. (row_number() would take as long
-- as all the rest.)
INSERT OR FAIL INTO changes (
    n, at, repository_id, record_id, operation_id, kind, state, path, size, mtime_ns, ctime_ns,
    file_system, inode, mode, hash_algorithm, hash)
SELECT
    :first - 1 + id - :after, :at, repository_id, id, :operation_id, 'added', state,
    file_path, file_size, mtime_ns, ctime_ns, file_system, inode, mode, hash_algorithm, content_hash
FROM file_records WHERE id > :after ORDER BY id

-- name: update_records
-- Records as they are now, by id.
WITH n ({record}) AS (VALUES :rows)
UPDATE OR FAIL file_records AS r
SET file_path = n.file_path, file_size = n.file_size, mtime_ns = n.mtime_ns, ctime_ns = n.ctime_ns,
    file_system = n.file_system, inode = n.inode, mode = n.mode, state = n.state,
    hash_state = n.hash_state, hash_algorithm = n.hash_algorithm, content_hash = n.content_hash,
    hash_tries = n.hash_tries, hash_retry_at = n.hash_retry_at, read_at = n.read_at,
    last_verified = n.last_verified, held_id = n.held_id, version = n.version,
    scan_generation = n.scan_generation, last_scanned = n.last_scanned, missing_at = n.missing_at,
    deleted_at = n.deleted_at, updated_at = n.updated_at
FROM n WHERE r.id = n.id

-- name: update_moved
-- Records of which a rename changed all that did.
WITH n (repository_id, id, file_path, ctime_ns, mode, version, scan_generation, last_scanned, updated_at)
AS (VALUES :rows)
UPDATE OR FAIL file_records AS r
SET file_path = n.file_path, ctime_ns = n.ctime_ns, mode = n.mode, version = n.version,
    scan_generation = n.scan_generation, last_scanned = n.last_scanned, updated_at = n.updated_at
FROM n WHERE r.id = n.id

-- name: park_records
-- Moves records out of the way of others in their batch. No real path starts with two slashes.
UPDATE file_records SET file_path = '//' || id WHERE repository_id = :repository_id AND id = :id

-- name: number_entries
-- The last step of a transaction: the row is locked until commit, so no reader ever sees a gap
-- that fills later. The time never runs backwards either.
UPDATE journal_head
SET n = n + :count, at = max(at, now())
RETURNING n, at

-- name: update_contents
-- Records that stay where they were, in the state they had: the indexes of those columns are not touched.
WITH n ({record}) AS (VALUES :rows)
UPDATE OR FAIL file_records AS r
SET file_size = n.file_size, mtime_ns = n.mtime_ns, ctime_ns = n.ctime_ns, mode = n.mode,
    hash_state = n.hash_state, hash_algorithm = n.hash_algorithm, content_hash = n.content_hash,
    hash_tries = n.hash_tries, hash_retry_at = n.hash_retry_at, read_at = n.read_at,
    last_verified = n.last_verified, version = n.version, scan_generation = n.scan_generation,
    last_scanned = n.last_scanned, updated_at = n.updated_at
FROM n WHERE r.id = n.id

-- name: insert_entries
-- Entries of the journal, numbered already.
INSERT OR FAIL INTO changes ({entry}, state) VALUES :rows

-- name: standing
-- How the records of a batch stand now.
SELECT id, version, state, file_size, content_hash IS NOT NULL FROM file_records
WHERE repository_id = :repository_id AND id = ANY(:ids)

-- name: occupied_paths
-- The live records at these paths.
SELECT file_path, id FROM file_records
WHERE repository_id = :repository_id AND state <> 'deleted' AND file_path = ANY(:paths)

-- name: live_at_paths
-- The live record at each path.
SELECT {record} FROM file_records
WHERE repository_id = :repository_id AND state <> 'deleted' AND file_path = ANY(:paths)

-- name: deleted_at_paths
-- The one deleted last comes last.
SELECT {record} FROM file_records
WHERE repository_id = :repository_id AND state = 'deleted' AND file_path = ANY(:paths)
ORDER BY deleted_at, id

-- name: keys_between
-- One page of live records in byte order of the path.
SELECT {key} FROM file_records
WHERE repository_id = :repository_id AND state <> 'deleted' AND file_path >= :low
  AND file_path < :high  -- if high
ORDER BY file_path LIMIT :limit

-- name: deleted_between
-- The paths between two, both included, at which a record was deleted.
SELECT file_path FROM file_records
WHERE repository_id = :repository_id AND state = 'deleted' AND file_path >= :low AND file_path <= :high
LIMIT :limit

-- name: deleted_paths
-- Those of these paths at which a record was deleted.
SELECT file_path FROM file_records
WHERE repository_id = :repository_id AND state = 'deleted' AND file_path = ANY(:paths)

-- name: records_pending_within
-- Newest first, of one folder or file: the index that has the order has the path, too.
SELECT {record} FROM file_records INDEXED BY file_records_pending
WHERE repository_id = :repository_id AND state = 'present' AND hash_state = 'pending'
  AND file_path >= :prefix AND file_path < :high AND (file_path = :prefix OR file_path > :low)
  AND id <> ALL(:skip)  -- if skip
  AND file_size <= :largest  -- if largest
ORDER BY mtime_ns DESC LIMIT :limit

-- name: live_files
-- One page of records that are not deleted, as readers see them.
SELECT {record} FROM files
WHERE repository_id = :repository_id AND state <> 'deleted' AND state = ANY(:states)
  AND file_path >= :low
  AND file_path < :high  -- if high
  AND file_path {like} :like ESCAPE '\'  -- if like
  AND {has_twin}  -- if duplicates
ORDER BY file_path LIMIT :limit

-- name: deleted_files
-- One page of deleted records.
SELECT {record} FROM files
WHERE repository_id = :repository_id AND state = 'deleted'
  AND file_path >= :low
  AND file_path < :high  -- if high
  AND file_path {like} :like ESCAPE '\'  -- if like
ORDER BY file_path, id LIMIT :limit

-- name: report_problem
-- Anew, or once more.
INSERT INTO problems (repository_id, path, code, message, first_seen, last_seen)
VALUES (:repository_id, :path, :code, :message, now(), now())
ON CONFLICT (repository_id, path, code) DO UPDATE SET message = excluded.message, last_seen = excluded.last_seen

-- name: forget_path
-- All problems of one path.
DELETE FROM problems WHERE repository_id = :repository_id AND path = :path

-- name: forget_problem
-- Unless it was seen again meanwhile.
DELETE FROM problems
WHERE repository_id = :repository_id AND path = :path AND code = :code AND last_seen < :before

-- name: plan_job
-- The newest payload replaces that of a waiting job.
INSERT INTO jobs (action, key, payload, priority, not_before, created_at)
VALUES (:action, :key, :payload, :priority, now() + :delay, now())
ON CONFLICT (action, key) WHERE state = 'waiting' DO UPDATE
SET payload = excluded.payload, priority = excluded.priority, not_before = excluded.not_before,
    tries = 0, last_error = NULL
