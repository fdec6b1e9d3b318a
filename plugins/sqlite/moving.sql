-- Files whose directory was renamed. postgres/moving.sql has the same names.

-- name: movable_between
-- Present records in byte order of the path, without those whose trouble is known by their path.
SELECT id, file_path, file_size, mtime_ns, ctime_ns, file_system, inode, mode FROM file_records
WHERE repository_id = :repository_id AND state <> 'deleted' AND file_path >= :low AND file_path <= :high
  AND state = 'present' AND hash_state NOT IN ('failed', 'corrupted')
ORDER BY file_path LIMIT :limit

-- name: any_live_between
-- Whether any path of a range is taken.
SELECT 1 FROM file_records
WHERE repository_id = :repository_id AND state <> 'deleted' AND file_path >= :low AND file_path <= :high
LIMIT 1

-- name: move_records
-- Records go below another directory: the first characters of their paths, up to :start, are replaced.
UPDATE file_records
SET file_path = :target || substr(file_path, :start), version = version + 1,
    scan_generation = max(scan_generation, :generation), last_scanned = :now, updated_at = :now
WHERE id IN (SELECT value FROM json_each(:ids))

-- name: journal_moves
-- Their entries, in the order of the ids, numbered from :first. A rename changes no stat and no content.
INSERT INTO changes (
    n, at, repository_id, record_id, operation_id, kind, state, path, path_before, size, mtime_ns, ctime_ns,
    file_system, inode, mode, size_before, mtime_ns_before, ctime_ns_before, file_system_before,
    inode_before, mode_before, hash_algorithm, hash, hash_before)
SELECT
    :first + i.key, :at, r.repository_id, r.id, :operation_id, 'moved', r.state, r.file_path,
    :source || substr(r.file_path, :start), r.file_size, r.mtime_ns, r.ctime_ns,
    r.file_system, r.inode, r.mode, r.file_size, r.mtime_ns, r.ctime_ns, r.file_system,
    r.inode, r.mode, r.hash_algorithm, r.content_hash, r.content_hash
FROM json_each(:ids) AS i CROSS JOIN file_records AS r ON r.id = i.value
