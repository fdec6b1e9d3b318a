-- The work of actions: cursors and jobs.

-- fragment: job
-- In the order of `values.job_from`.
id, action, key, payload, state, priority, tries, not_before, lease_until, last_error, created_at

-- name: action_cursor
-- How far an action has read the journal.
SELECT epoch, n FROM action_cursors WHERE action = :action

-- name: new_cursor
-- Also locks the action's jobs against another planner.
INSERT INTO action_cursors (action, epoch, n, updated_at) VALUES (:action, :epoch, :n, now())
ON CONFLICT (action) DO NOTHING
RETURNING action

-- name: move_cursor
-- Also locks the action's jobs against another planner.
UPDATE action_cursors SET epoch = :epoch, n = :n, updated_at = now()
WHERE action = :action AND epoch = :old_epoch AND n = :old_n
RETURNING action

-- name: lock_action
-- Of every action, if none is named.
SELECT action FROM action_cursors
WHERE action <> ''
  AND action = :action  -- if action
ORDER BY action FOR UPDATE

-- name: claim_expired
-- Jobs whose owner let the lease run out.
WITH due AS MATERIALIZED (
    SELECT id FROM jobs
    WHERE action = :action AND state = 'running' AND lease_until < now()
    ORDER BY lease_until LIMIT :limit FOR UPDATE SKIP LOCKED)
UPDATE jobs SET owner = :owner, lease_until = now() + :lease, tries = tries + 1
WHERE id IN (SELECT id FROM due)
RETURNING {job}

-- name: claim_waiting
-- The limit applies with the lock: rows that others hold are not counted.
WITH due AS MATERIALIZED (
    SELECT id FROM jobs
    WHERE action = :action AND state = 'waiting' AND not_before <= now()
    ORDER BY priority DESC, not_before, id LIMIT :limit FOR UPDATE SKIP LOCKED)
UPDATE jobs SET state = 'running', owner = :owner, lease_until = now() + :lease, tries = tries + 1
WHERE id IN (SELECT id FROM due)
RETURNING {job}

-- name: claim_oldest
-- Only the first that is not dead, and only if it is due and nobody has it.
UPDATE jobs SET state = 'running', owner = :owner, lease_until = now() + :lease, tries = tries + 1
WHERE id = (SELECT id FROM jobs WHERE action = :action AND state <> 'dead' ORDER BY id LIMIT 1)
  AND (state = 'waiting' AND not_before <= now() OR state = 'running' AND lease_until < now())
RETURNING {job}

-- name: free_jobs
-- Those of an owner that is gone run out at once.
UPDATE jobs SET lease_until = now() WHERE state = 'running' AND owner = :owner

-- name: finish_job
-- Not if it was claimed again meanwhile: every claim counts as a try.
DELETE FROM jobs WHERE id = :id AND tries = :tries AND state = 'running'

-- name: renew_job
-- Nothing is returned where it was claimed again meanwhile.
UPDATE jobs SET lease_until = now() + :lease
WHERE id = :id AND tries = :tries AND state = 'running'
RETURNING {job}

-- name: bury_job
-- It will not be tried again, unless a person says so.
UPDATE jobs SET state = 'dead', last_error = :error, owner = NULL, lease_until = NULL
WHERE id = :id AND tries = :tries AND state = 'running'

-- name: give_back_job
-- Nothing is returned where a newer job with this key waits.
UPDATE jobs
SET state = 'waiting', last_error = :error, owner = NULL, lease_until = NULL, not_before = now() + :wait
WHERE id = :id AND tries = :tries AND state = 'running'
  AND NOT EXISTS (SELECT 1 FROM jobs newer
                  WHERE newer.action = :action AND newer.key = :key AND newer.state = 'waiting')
RETURNING id

-- name: actions
-- All that ever planned.
SELECT action FROM action_cursors ORDER BY action

-- fragment: in_any_state
-- The ids of an action's jobs: one index has those that are dead in this order, another one the rest.
SELECT id FROM (
    SELECT id FROM jobs WHERE action = :action AND state <> 'dead' AND id > :after
    ORDER BY id LIMIT :limit) AS living
UNION ALL
SELECT id FROM (
    SELECT id FROM jobs WHERE action = :action AND state = 'dead' AND id > :after
    ORDER BY id LIMIT :limit) AS dead

-- name: jobs
-- Oldest first: all, or those of one action, in any state or in one. A state is written out: indexes are of
-- one each, or of all that is not dead. Payloads may be long.
SELECT id, action, key,
    payload,  -- unless brief
    '{}',  -- if brief
    state, priority, tries, not_before, lease_until, last_error, created_at
FROM jobs
WHERE id > :after
  AND id IN ({in_any_state})  -- if in_any_state
  AND action = :action AND state = 'waiting' AND state <> 'dead'  -- if waiting
  AND action = :action AND state = 'running'  -- if running
  AND action = :action AND state = 'dead'  -- if dead
ORDER BY id LIMIT :limit

-- name: count_jobs
-- How many there are of each kind. Indexes of one state each are read, and no row.
SELECT action, 'dead', count(*) FROM jobs WHERE state = 'dead' GROUP BY action
UNION ALL
SELECT action, 'running', count(*) FROM jobs WHERE state = 'running' GROUP BY action
UNION ALL
SELECT action, 'waiting', count(*) FROM jobs WHERE state = 'waiting' GROUP BY action

-- name: prioritize_jobs
-- Those that wait.
UPDATE jobs SET priority = :priority WHERE id = ANY(:ids) AND state = 'waiting' RETURNING id

-- name: dead_job
-- What a dead job is about.
SELECT action, key FROM jobs WHERE id = :id AND state = 'dead'

-- name: revive_job
-- Nothing is returned where a job with this key waits already.
UPDATE jobs SET state = 'waiting', tries = 0, not_before = now()
WHERE id = :id
  AND NOT EXISTS (SELECT 1 FROM jobs other
                  WHERE other.action = :action AND other.key = :key AND other.state = 'waiting')
RETURNING id

-- name: clear_job
-- Whatever its state.
DELETE FROM jobs WHERE id = :id RETURNING id
