-- The journal: numbered, committed changes.

-- fragment: entry
-- In the order of `values.entry_from`.
n, at, repository_id, record_id, operation_id, kind, path, path_before, size, mtime_ns, ctime_ns,
file_system, inode, mode, size_before, mtime_ns_before, ctime_ns_before, file_system_before,
inode_before, mode_before, hash_algorithm, hash, hash_before

-- fragment: first_since
-- The first entry not before a time, found by halves: numbers have no gaps, times never run backwards.
(WITH RECURSIVE halves (low, high) AS (
    SELECT oldest, n + 1 FROM journal_head
    UNION ALL
    SELECT CASE WHEN c.at < :since THEN c.n + 1 ELSE low END, CASE WHEN c.at < :since THEN high ELSE c.n END
    FROM halves JOIN changes c ON c.n = (low + high) / 2
    WHERE low < high)
SELECT low FROM halves WHERE low >= high)

-- name: head
-- Where the journal ends, and where it begins.
SELECT epoch, n, oldest FROM journal_head

-- name: entries
-- In order. One bound: of two SQLite would take the first for the index, and read from there.
SELECT {entry} FROM changes
WHERE n > :after  -- unless since
WHERE n >= greatest(:after + 1, {first_since})  -- if since
  AND repository_id = :repository_id  -- if repository_id
  AND record_id = :record_id  -- if record_id
ORDER BY n LIMIT :limit

-- name: newest_entries
-- The last ones, newest first.
SELECT {entry} FROM changes
WHERE n > :after  -- unless since
WHERE n >= greatest(:after + 1, {first_since})  -- if since
  AND repository_id = :repository_id  -- if repository_id
  AND record_id = :record_id  -- if record_id
ORDER BY n DESC LIMIT :limit

-- name: records_then
-- The records as the journal says they were at a time: the last entry of each before it.
SELECT c.record_id, c.repository_id, c.path, c.size, c.mtime_ns, c.ctime_ns, c.file_system, c.inode,
    c.mode, c.state, c.hash_algorithm, c.hash, c.at
FROM changes c
WHERE c.n IN (SELECT max(n) FROM changes
              WHERE repository_id = :repository_id AND at <= :at GROUP BY record_id)
  AND c.state = ANY(:states)
  AND c.path >= :low
  AND c.path < :high  -- if high
  AND c.path {like} :like ESCAPE '\'  -- if like
ORDER BY c.path, c.record_id LIMIT :limit

-- name: old_entries
-- The first number that is to be kept: among the oldest :limit entries before :before.
SELECT max(n) + 1 FROM (
    SELECT n, at FROM changes WHERE n < :before ORDER BY n LIMIT :limit) AS oldest
WHERE at < now() - :age

-- name: keep_entries
-- From now on the journal starts here.
UPDATE journal_head SET oldest = :oldest

-- name: drop_entries
-- What is before its beginning.
DELETE FROM changes WHERE n < :oldest
