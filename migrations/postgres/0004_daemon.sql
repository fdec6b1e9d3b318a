-- What a daemon keeps across restarts: when its schedules ran, and what it told people about. Where it listens.

ALTER TABLE engine_locks ADD COLUMN address text NOT NULL DEFAULT '';  -- of its API; '' for none

CREATE TABLE schedules (
    repository_id uuid NOT NULL REFERENCES repositories (id),
    kind text NOT NULL CHECK (kind IN ('full', 'quick', 'scrub')),
    started_at timestamptz,                  -- of the last run
    ended_at timestamptz,                    -- of the last run that was completed
    due_at timestamptz,                      -- of the next one, as it was computed last
    PRIMARY KEY (repository_id, kind)
);

-- What waits for a person; a row is kept until it no longer waits, and those who were told know that.
CREATE TABLE attention (
    key text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('held', 'offline', 'degraded', 'corrupted', 'dead_job')),
    repository_id uuid,
    message text NOT NULL,
    since timestamptz NOT NULL,
    told_at timestamptz,                     -- when it was sent last; NULL: not yet
    told integer NOT NULL DEFAULT 0,         -- how often it was sent
    over_at timestamptz                      -- it waits no longer since then; NULL: it does
);

-- Few rows of many: what is corrupted, and what is dead.
CREATE INDEX problems_corrupted ON problems (repository_id) WHERE code = 'corrupted';
CREATE INDEX jobs_dead ON jobs (action, id) WHERE state = 'dead';
