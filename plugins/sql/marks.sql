-- Dirty subtrees and problems.

-- name: take_marks
-- The last of as many new marks; also locks the repository.
UPDATE repositories SET last_mark = last_mark + :count WHERE id = :id RETURNING last_mark

-- name: unmark
-- A new mark takes the place of an old one.
DELETE FROM dirty_paths WHERE repository_id = :repository_id AND prefix = :prefix

-- name: mark
-- A subtree that must be scanned.
INSERT INTO dirty_paths (repository_id, mark, prefix, reason, marked_at)
VALUES (:repository_id, :mark, :prefix, :reason, now())

-- name: dirty
-- Longest dirty first.
SELECT prefix, mark, reason FROM dirty_paths WHERE repository_id = :repository_id ORDER BY mark

-- name: clear_dirty
-- Only what still carries the mark that was seen.
DELETE FROM dirty_paths WHERE repository_id = :repository_id AND mark = :mark

-- name: problems
-- Latest first.
SELECT repository_id, path, code, message, first_seen, last_seen FROM problems
WHERE code <> ALL(:without)
  AND repository_id = :repository_id  -- if repository_id
  AND code = :code  -- if code
ORDER BY last_seen DESC, path, code LIMIT :limit

-- name: problems_after
-- What follows a place, which need not be there any more.
SELECT repository_id, path, code, message, first_seen, last_seen FROM problems
WHERE (repository_id, path, code) > (:after_repository, :after_path, :after_code)
  AND code <> ALL(:without)
  AND repository_id = :repository_id  -- if repository_id
  AND code = :code  -- if code
ORDER BY repository_id, path, code LIMIT :limit

-- name: problems_before
-- What was last seen before a scan began.
SELECT path, code FROM problems WHERE repository_id = :repository_id AND last_seen < :before
