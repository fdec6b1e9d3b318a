-- Records in other orders than that of their paths. No index has these: each that is written would cost every
-- change, and they are asked for now and then. So a page looks at every record, and keeps the first.

-- fragment: cared
-- Of the repositories under care.
repository_id IN (SELECT id FROM repositories WHERE removed_at IS NULL)

-- name: sorted_files
-- The largest, or the newest, first. What readers see of a record is put together only for the page.
SELECT {record} FROM files
WHERE {cared} AND id IN (
    SELECT id FROM file_records
    WHERE state = ANY(:states) AND {cared}
      AND repository_id = :repository_id  -- if repository_id
      AND file_path >= :low  -- if low
      AND file_path < :high  -- if high
      AND file_path {like} :like ESCAPE '\'  -- if like
      AND {has_twin}  -- if duplicates
      AND (file_size < :size OR file_size = :size AND id > :id)  -- if beyond_size
      AND (mtime_ns < :mtime_ns OR mtime_ns = :mtime_ns AND id > :id)  -- if beyond_time
    ORDER BY file_size DESC, id  -- if by_size
    ORDER BY mtime_ns DESC, id  -- if by_time
    LIMIT :limit)
ORDER BY file_size DESC, id  -- if by_size
ORDER BY mtime_ns DESC, id  -- if by_time

-- name: twins
-- Contents that several files have. Grouped by size first: numbers are sorted at half the price of texts.
WITH twins AS (
    SELECT file_size, content_hash, count(*) AS copies, min(id) AS first,
        (count(*) - 1) * CASE WHEN file_size < :most THEN file_size ELSE :most END AS weight
    FROM file_records
    WHERE state = 'present' AND content_hash IS NOT NULL AND file_size > 0 AND {cared}
    GROUP BY file_size, content_hash
    HAVING count(*) > 1
       AND sum(CASE WHEN repository_id = :repository_id THEN 1 ELSE 0 END) > 0  -- if repository_id
)
SELECT content_hash, file_size, copies, first FROM twins
WHERE weight < :weight OR weight = :weight AND content_hash > :hash  -- if hash
ORDER BY weight DESC, content_hash LIMIT :limit

-- name: records
-- Some records, wherever they are.
SELECT {record} FROM files WHERE {cared} AND id = ANY(:ids)

-- name: copies
-- All that have one content.
SELECT {record} FROM files
WHERE {cared} AND id IN (
    SELECT id FROM file_records
    WHERE state = 'present' AND {cared} AND content_hash = :hash AND id > :after ORDER BY id LIMIT :limit)
ORDER BY id
