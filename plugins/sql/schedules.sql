-- What is noted of scheduled work.

-- name: schedules
-- In the order of `values.schedule_from`.
SELECT repository_id, kind, started_at, ended_at, due_at FROM schedules
WHERE kind <> ''
  AND repository_id = :repository_id  -- if repository_id
ORDER BY repository_id, kind

-- name: note_schedule
-- In the place of what was noted before.
INSERT INTO schedules (repository_id, kind, started_at, ended_at, due_at)
VALUES (:repository_id, :kind, :started_at, :ended_at, :due_at)
ON CONFLICT (repository_id, kind) DO UPDATE
SET started_at = excluded.started_at, ended_at = excluded.ended_at, due_at = excluded.due_at

-- name: purge_schedules
-- Of a repository that was removed.
DELETE FROM schedules WHERE repository_id = :id
