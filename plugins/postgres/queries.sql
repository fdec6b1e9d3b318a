-- What PostgreSQL does in its own way. sqlite/queries.sql has the same names, but for the engine lock.
--
-- A statement with `:rows` takes any number of rows at once, as JSON, one with `:all_x` likewise, as an
-- array for each column: one round trip, and nothing that outlives the transaction, so that it works
-- behind a pooler.

-- fragment: time
-- The type of a time.
timestamptz

-- fragment: like
-- In the collation of paths, C, it knows the letters of ASCII in either case, as SQLite's LIKE does.
ILIKE

-- fragment: scrub_verified
-- When a record was verified last, in the words of the index file_records_scrub.
coalesce(CASE WHEN hash_state = 'corrupted' THEN read_at ELSE last_verified END, to_timestamp(0))

-- fragment: scrub_read
-- When it was read last, likewise.
coalesce(read_at, to_timestamp(0))

-- fragment: clock
-- The time after the lock was waited for, not that of the beginning.
clock_timestamp()

-- fragment: top_folder
-- The folder at the top of the repository that a file is in; '' for one that is in none.
CASE strpos(file_path, '/') WHEN 0 THEN '' ELSE split_part(file_path, '/', 1) END

-- fragment: below_folder
-- Whether a file is in a folder at the top, named `folder`. The digit 0 follows the slash.
left(file_path, 600) >= left(folder || '/', 600) AND file_path >= folder || '/'
AND left(file_path, 600) <= left(folder || '0', 600) AND file_path < folder || '0'

-- name: never_analyzed
-- Whether the planner knows nothing of a table that has grown.
SELECT reltuples < 0 AND pg_relation_size(oid) > 0 FROM pg_class WHERE oid = to_regclass('file_records')

-- name: analyze
-- Acquaints the planner with the tables that grow.
ANALYZE file_records, changes

-- name: has_migrations
-- Whether this is a ledger at all.
SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('schema_migrations')

-- name: lock_migrations
-- Until the transaction ends. The number is that of the word "ledger".
SELECT pg_advisory_xact_lock(119182731994482)

-- name: lock_roots
-- Until the transaction ends. The number is that of the word "roots".
SELECT pg_advisory_xact_lock(491495847027)

-- name: new_record_ids
-- A sequence never gives an id twice.
SELECT nextval('file_records_id_seq') FROM generate_series(1, :count)

-- name: insert_records
-- New records.
INSERT INTO file_records (
    id, repository_id, file_path, file_size, mtime_ns, ctime_ns, file_system, inode, mode, state,
    hash_state, hash_algorithm, content_hash, hash_tries, hash_retry_at, read_at, last_verified, held_id,
    version, scan_generation, last_scanned, missing_at, deleted_at, created_at, updated_at)
SELECT
    id, repository_id, file_path, file_size, mtime_ns, ctime_ns, file_system, inode, mode, state,
    hash_state, hash_algorithm, content_hash, hash_tries, hash_retry_at, read_at, last_verified, held_id,
    version, scan_generation, last_scanned, missing_at, deleted_at, created_at, updated_at
FROM json_populate_recordset(CAST(NULL AS file_records), :rows)

-- name: last_record_id
-- Whatever is added later has a greater one: the repository is locked.
SELECT coalesce(max(id), 0) FROM file_records WHERE repository_id = :repository_id

-- name: add_records
-- New files; the columns come as arrays, which costs 15 % more than COPY and needs no turn of its own.
INSERT INTO file_records (
    repository_id, file_path, file_size, mtime_ns, ctime_ns, file_system, inode, mode, state, hash_state,
    hash_algorithm, content_hash, hash_tries, read_at, version, scan_generation, last_scanned, created_at,
    updated_at)
SELECT
    :repository_id, path, size, mtime_ns, ctime_ns, file_system, inode, mode, 'present', hash_state,
    CASE hash_state WHEN 'done' THEN :algorithm END, content_hash, 0,
    CASE hash_state WHEN 'done' THEN CAST(:read_at AS timestamptz) END, 1, :generation, :now, :now, :now
FROM unnest(
    CAST(:all_path AS text[]), CAST(:all_size AS bigint[]), CAST(:all_mtime_ns AS bigint[]),
    CAST(:all_ctime_ns AS bigint[]), CAST(:all_file_system AS bigint[]), CAST(:all_inode AS bigint[]),
    CAST(:all_mode AS bigint[]), CAST(:all_hash_state AS text[]), CAST(:all_content_hash AS text[])
) AS n (path, size, mtime_ns, ctime_ns, file_system, inode, mode, hash_state, content_hash)

-- name: journal_added
-- Entries of the records that were just added, numbered in their order.
INSERT INTO changes (
    n, at, repository_id, record_id, operation_id, kind, state, path, size, mtime_ns, ctime_ns,
    file_system, inode, mode, hash_algorithm, hash)
SELECT
    :first - 1 + row_number() OVER (ORDER BY id), :at, repository_id, id, :operation_id, 'added', state,
    file_path, file_size, mtime_ns, ctime_ns, file_system, inode, mode, hash_algorithm, content_hash
FROM file_records WHERE repository_id = :repository_id AND id > :after ORDER BY id

-- fragment: updated
-- PostgreSQL sees for itself which indexes need not be touched.
UPDATE file_records AS r
SET file_path = n.file_path, file_size = n.file_size, mtime_ns = n.mtime_ns, ctime_ns = n.ctime_ns,
    file_system = n.file_system, inode = n.inode, mode = n.mode, state = n.state,
    hash_state = n.hash_state, hash_algorithm = n.hash_algorithm, content_hash = n.content_hash,
    hash_tries = n.hash_tries, hash_retry_at = n.hash_retry_at, read_at = n.read_at,
    last_verified = n.last_verified, held_id = n.held_id, version = n.version,
    scan_generation = n.scan_generation, last_scanned = n.last_scanned, missing_at = n.missing_at,
    deleted_at = n.deleted_at, updated_at = n.updated_at
FROM json_populate_recordset(CAST(NULL AS file_records), :rows) AS n
WHERE r.repository_id = n.repository_id AND r.id = n.id

-- name: update_records
-- Records as they are now, by id.
{updated}

-- name: update_contents
-- Records that stay where they were, in the state they had.
{updated}

-- name: update_moved
-- Records of which a rename changed all that did.
UPDATE file_records AS r
SET file_path = n.file_path, ctime_ns = n.ctime_ns, mode = n.mode, version = n.version,
    scan_generation = n.scan_generation, last_scanned = n.last_scanned, updated_at = n.updated_at
FROM json_populate_recordset(CAST(NULL AS file_records), :rows) AS n
WHERE r.repository_id = n.repository_id AND r.id = n.id

-- name: park_records
-- Moves records out of the way of others in their batch. No real path starts with two slashes.
UPDATE file_records AS r SET file_path = '//' || r.id
FROM json_populate_recordset(CAST(NULL AS file_records), :rows) AS n
WHERE r.repository_id = n.repository_id AND r.id = n.id

-- name: number_entries
-- The last step of a transaction: the row is locked until commit, so no reader ever sees a gap
-- that fills later. The time never runs backwards either. Those who wait hear of it on commit.
UPDATE journal_head SET n = n + :count, at = greatest(at, clock_timestamp())
RETURNING n, at, pg_notify('treeledger_journal', '')

-- name: insert_entries
-- Entries of the journal, numbered already.
INSERT INTO changes (
    n, at, repository_id, record_id, operation_id, kind, state, path, path_before, size, mtime_ns, ctime_ns,
    file_system, inode, mode, size_before, mtime_ns_before, ctime_ns_before, file_system_before,
    inode_before, mode_before, hash_algorithm, hash, hash_before)
SELECT
    n, at, repository_id, record_id, operation_id, kind, state, path, path_before, size, mtime_ns, ctime_ns,
    file_system, inode, mode, size_before, mtime_ns_before, ctime_ns_before, file_system_before,
    inode_before, mode_before, hash_algorithm, hash, hash_before
FROM json_populate_recordset(CAST(NULL AS changes), :rows)

-- fragment: at_each
-- For every path its own search of an index: OFFSET 0 keeps the planner from joining in another way,
-- as it would with a table that it knows nothing of yet.
SELECT * FROM file_records
WHERE repository_id = :repository_id AND left(file_path, 600) = left(p.path, 600) AND file_path = p.path

-- name: standing
-- How the records of a batch stand now.
SELECT r.id, r.version, r.state, r.file_size, r.content_hash IS NOT NULL
FROM unnest(CAST(:ids AS bigint[])) AS w (id)
CROSS JOIN LATERAL (
    SELECT * FROM file_records WHERE repository_id = :repository_id AND id = w.id OFFSET 0) AS r

-- name: occupied_paths
-- The live records at these paths.
SELECT r.file_path, r.id
FROM unnest(CAST(:paths AS text[])) AS p (path)
CROSS JOIN LATERAL ({at_each} AND state <> 'deleted' OFFSET 0) AS r

-- name: live_at_paths
-- The live record at each path.
SELECT {record}
FROM unnest(CAST(:paths AS text[])) AS p (path)
CROSS JOIN LATERAL ({at_each} AND state <> 'deleted' OFFSET 0) AS r

-- name: deleted_at_paths
-- The one deleted last comes last.
SELECT {record}
FROM unnest(CAST(:paths AS text[])) AS p (path)
CROSS JOIN LATERAL ({at_each} AND state = 'deleted' OFFSET 0) AS r
ORDER BY deleted_at, id

-- name: keys_between
-- One page of live records in byte order of the path. Where bounds and paths are shorter than what the index
-- holds, its order is theirs; else `exact` sorts those that begin alike.
SELECT {key} FROM file_records
WHERE repository_id = :repository_id AND state <> 'deleted'
  AND left(file_path, 600) >= left(:low, 600)
  AND left(file_path, 600) < :high  -- if high
  AND file_path >= :low  -- if exact
  AND left(file_path, 600) <= left(:exact_high, 600) AND file_path < :exact_high  -- if exact_high
ORDER BY left(file_path, 600)
    , file_path  -- if exact
LIMIT :limit

-- name: deleted_between
-- The paths between two, both included, at which a record was deleted; some others with the same beginning.
SELECT file_path FROM file_records
WHERE repository_id = :repository_id AND state = 'deleted'
  AND left(file_path, 600) >= left(:low, 600) AND left(file_path, 600) <= left(:high, 600)
LIMIT :limit

-- name: deleted_paths
-- Those of these paths at which a record was deleted.
SELECT r.file_path
FROM unnest(CAST(:paths AS text[])) AS p (path)
CROSS JOIN LATERAL ({at_each} AND state = 'deleted' OFFSET 0) AS r

-- name: records_pending_within
-- Newest first, of one folder or file. OFFSET 0: first all of the folder by its index, then sorted.
SELECT {record} FROM (
    SELECT * FROM file_records
    WHERE repository_id = :repository_id AND state = 'present' AND hash_state = 'pending'
      AND left(file_path, 600) >= left(:prefix, 600) AND left(file_path, 600) <= left(:high, 600)
      AND (file_path = :prefix OR file_path > :low AND file_path < :high)
      AND id <> ALL(:skip)  -- if skip
      AND file_size <= :largest  -- if largest
    OFFSET 0) AS pending
ORDER BY mtime_ns DESC LIMIT :limit

-- name: live_files
-- One page of records that are not deleted, as readers see them; in order as keys_between.
SELECT {record} FROM files
WHERE repository_id = :repository_id AND state <> 'deleted' AND state = ANY(:states)
  AND left(file_path, 600) >= left(:low, 600)
  AND left(file_path, 600) < :high  -- if high
  AND file_path >= :low  -- if exact
  AND left(file_path, 600) <= left(:exact_high, 600) AND file_path < :exact_high  -- if exact_high
  AND file_path {like} :like ESCAPE '\'  -- if like
  AND {has_twin}  -- if duplicates
ORDER BY left(file_path, 600)
    , file_path  -- if exact
LIMIT :limit

-- name: deleted_files
-- One page of deleted records.
SELECT {record} FROM files
WHERE repository_id = :repository_id AND state = 'deleted'
  AND left(file_path, 600) >= left(:low, 600) AND file_path >= :low
  AND left(file_path, 600) <= left(:high, 600) AND file_path < :high  -- if high
  AND file_path {like} :like ESCAPE '\'  -- if like
ORDER BY left(file_path, 600), file_path, id LIMIT :limit

-- name: report_problem
-- Anew, or once more.
INSERT INTO problems (repository_id, path, code, message, first_seen, last_seen)
VALUES (:repository_id, :path, :code, :message, now(), now())
ON CONFLICT (repository_id, md5(path), code) DO UPDATE
SET message = excluded.message, last_seen = excluded.last_seen

-- name: forget_path
-- All problems of one path.
DELETE FROM problems WHERE repository_id = :repository_id AND md5(path) = md5(:path) AND path = :path

-- name: forget_problem
-- Unless it was seen again meanwhile.
DELETE FROM problems
WHERE repository_id = :repository_id AND md5(path) = md5(:path) AND path = :path AND code = :code
  AND last_seen < :before

-- name: plan_job
-- The newest payload replaces that of a waiting job.
INSERT INTO jobs (action, key, payload, priority, not_before, created_at)
VALUES (:action, :key, :payload, :priority, now() + :delay, now())
ON CONFLICT (action, md5(key)) WHERE state = 'waiting' DO UPDATE
SET payload = excluded.payload, priority = excluded.priority, not_before = excluded.not_before,
    tries = 0, last_error = NULL

-- fragment: holder
-- Who has a lock, and whether the lease still runs.
owner, pid, started, pid_space, boot, command, since, address, lease_until > now()

-- name: engine_lock
-- Of one host.
SELECT {holder} FROM engine_locks WHERE host = :host

-- name: engine_locks
-- Of all hosts.
SELECT host, {holder} FROM engine_locks ORDER BY host

-- name: hold_engine_lock
-- As above, with the row locked.
SELECT {holder} FROM engine_locks WHERE host = :host FOR UPDATE

-- name: take_engine_lock
-- Nothing is returned where another process was faster.
INSERT INTO engine_locks (host, owner, pid, started, pid_space, boot, command, address, since, lease_until)
VALUES (:host, :owner, :pid, :started, :pid_space, :boot, :command, :address, now(), now() + :lease)
ON CONFLICT (host) DO NOTHING
RETURNING owner

-- name: drop_engine_lock
-- Only its owner gives it back.
DELETE FROM engine_locks WHERE owner = :owner

-- name: announce_engine
-- Where its owner listens.
UPDATE engine_locks SET address = :address WHERE owner = :owner

-- name: renew_engine_lock
-- Only its owner keeps it.
UPDATE engine_locks SET lease_until = now() + :lease WHERE owner = :owner
RETURNING owner
