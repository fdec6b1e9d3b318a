-- The ledger as SQLite holds it; postgres/0001_ledger.sql holds the same model.
--
-- Times are microseconds since 1970 in UTC, times of files nanoseconds. Paths are relative to the
-- root of their repository, in stored form (see treeledger.names), and compare as bytes.

CREATE TABLE repositories (
    id text PRIMARY KEY,
    name text NOT NULL,
    host text NOT NULL,
    root text NOT NULL,
    settings text NOT NULL DEFAULT '{}',
    declared boolean NOT NULL DEFAULT false,
    paused boolean NOT NULL DEFAULT false,
    clean boolean NOT NULL DEFAULT true,
    generation integer NOT NULL DEFAULT 0,   -- of the last scan that started
    last_mark integer NOT NULL DEFAULT 0,    -- the last one given to a dirty path
    owner text,                              -- the engine that has the lease
    fence integer NOT NULL DEFAULT 0,        -- raised whenever the lease is taken
    lease_until integer,
    root_file_system integer,
    root_inode integer,
    files integer NOT NULL DEFAULT 0,        -- present records, and how many bytes they have
    bytes integer NOT NULL DEFAULT 0,
    missing integer NOT NULL DEFAULT 0,
    ignored integer NOT NULL DEFAULT 0,
    health text NOT NULL DEFAULT '{}',
    created_at integer NOT NULL,
    removed_at integer
);
CREATE UNIQUE INDEX repositories_name ON repositories (name) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX repositories_root ON repositories (host, root) WHERE removed_at IS NULL;

CREATE TABLE file_systems (
    number integer PRIMARY KEY AUTOINCREMENT,
    host text NOT NULL,
    mount_path text NOT NULL,
    type text NOT NULL,
    identity text NOT NULL,                  -- '' where none is stable
    device integer NOT NULL                  -- the last device number seen
);
CREATE UNIQUE INDEX file_systems_identity ON file_systems (host, type, identity) WHERE identity <> '';
CREATE UNIQUE INDEX file_systems_mount ON file_systems (host, type, mount_path) WHERE identity = '';

-- AUTOINCREMENT, so that the id of a purged record is never given to another file.
-- No foreign key leads to repositories: every writer holds the row of its repository anyway.
CREATE TABLE file_records (
    id integer PRIMARY KEY AUTOINCREMENT,
    repository_id text NOT NULL,
    file_path text NOT NULL,
    file_size integer NOT NULL,
    mod_time integer GENERATED ALWAYS AS (mtime_ns / 1000) VIRTUAL,
    content_hash text,
    last_scanned integer NOT NULL,
    scan_generation integer NOT NULL,
    created_at integer NOT NULL,
    updated_at integer NOT NULL,
    version integer NOT NULL,
    mtime_ns integer NOT NULL,
    ctime_ns integer NOT NULL,
    file_system integer NOT NULL,
    inode integer NOT NULL,
    mode integer NOT NULL,
    read_at integer,
    hash_algorithm text,
    hash_state text NOT NULL,                -- pending, done, verify, failed, skipped
    hash_tries integer NOT NULL,
    hash_retry_at integer,
    last_verified integer,
    state text NOT NULL,                     -- present, missing, deleted, ignored
    held_id integer,
    missing_at integer,
    deleted_at integer
);
-- Live paths are unique, and read in this order, page by page.
CREATE UNIQUE INDEX file_records_live ON file_records (repository_id, file_path) WHERE state <> 'deleted';
CREATE INDEX file_records_deleted ON file_records (repository_id, file_path) WHERE state = 'deleted';
CREATE INDEX file_records_purge ON file_records (repository_id, deleted_at) WHERE state = 'deleted';
CREATE INDEX file_records_inode ON file_records (repository_id, file_system, inode);
-- What the deletion gate counts, and what waits in a hold.
CREATE INDEX file_records_lost ON file_records (repository_id, missing_at) WHERE missing_at IS NOT NULL;
CREATE INDEX file_records_missing ON file_records (repository_id, held_id, id) WHERE state = 'missing';
-- What is to be hashed: newest first, the path beside it for priority folders; when it is due again;
-- oldest first.
CREATE INDEX file_records_pending ON file_records (repository_id, mtime_ns, file_path)
    WHERE state = 'present' AND hash_state = 'pending';
CREATE INDEX file_records_failed ON file_records (repository_id, hash_retry_at)
    WHERE state = 'present' AND hash_state = 'failed';
CREATE INDEX file_records_verify ON file_records (repository_id, last_verified)
    WHERE state = 'present' AND hash_state = 'verify';

-- Which part of a tree a completed scan covered: a prefix less the unknown paths (JSON, each with
-- all below). So a file that did not change costs no write, and yet shows when it was last seen.
CREATE TABLE scan_scopes (
    repository_id text NOT NULL REFERENCES repositories (id),
    generation integer NOT NULL,
    prefix text NOT NULL,
    unknown text NOT NULL DEFAULT '[]',
    finished_at integer NOT NULL,
    PRIMARY KEY (repository_id, generation, prefix)
);

-- The records as readers see them: last_scanned and scan_generation are the newest of a record's
-- own and of the completed scans that covered it.
CREATE VIEW files AS
WITH seen AS (
    SELECT r.*,
        (SELECT json_array(max(s.generation), max(s.finished_at))
         FROM scan_scopes s
         WHERE r.state = 'present' AND s.repository_id = r.repository_id
           AND s.finished_at >= r.created_at
           AND (s.prefix = '' OR r.file_path = s.prefix
                OR substr(r.file_path, 1, length(s.prefix) + 1) = s.prefix || '/')
           AND NOT EXISTS (
                SELECT 1 FROM json_each(s.unknown) u
                WHERE u.value = '' OR r.file_path = u.value
                   OR substr(r.file_path, 1, length(u.value) + 1) = u.value || '/')) AS scope
    FROM file_records r
)
SELECT id, repository_id, file_path, file_size, mod_time, content_hash,
    max(last_scanned, coalesce(json_extract(scope, '$[1]'), 0)) AS last_scanned,
    max(scan_generation, coalesce(json_extract(scope, '$[0]'), 0)) AS scan_generation,
    created_at, updated_at, version, mtime_ns, ctime_ns, file_system, inode, mode, read_at,
    hash_algorithm, hash_state, hash_tries, hash_retry_at, last_verified, state, held_id, missing_at,
    deleted_at
FROM seen;

-- The contents that the ledger knows, and how many present files have each.
CREATE VIEW file_contents AS
SELECT hash_algorithm AS algorithm, content_hash AS hash, min(file_size) AS size, count(*) AS files
FROM file_records
WHERE state = 'present' AND content_hash IS NOT NULL
GROUP BY hash_algorithm, content_hash;

CREATE TABLE sync_operations (
    id integer PRIMARY KEY AUTOINCREMENT,
    repository_id text NOT NULL REFERENCES repositories (id),
    operation_type text NOT NULL
        CHECK (operation_type IN ('startup', 'reconciliation', 'realtime', 'manual', 'scrub')),
    status text NOT NULL CHECK (status IN ('running', 'completed', 'failed')),
    scope text NOT NULL,
    generation integer NOT NULL,             -- 0 for what is no scan
    files_scanned integer NOT NULL DEFAULT 0,
    files_added integer NOT NULL DEFAULT 0,
    files_updated integer NOT NULL DEFAULT 0,
    files_removed integer NOT NULL DEFAULT 0,
    files_moved integer NOT NULL DEFAULT 0,
    files_unchanged integer NOT NULL DEFAULT 0,
    files_hashed integer NOT NULL DEFAULT 0,
    bytes_hashed integer NOT NULL DEFAULT 0,
    problems integer NOT NULL DEFAULT 0,
    start_time integer NOT NULL,
    end_time integer,
    duration_ms integer GENERATED ALWAYS AS ((end_time - start_time) / 1000) VIRTUAL,
    error_message text
);
CREATE INDEX sync_operations_repository ON sync_operations (repository_id, id);
CREATE INDEX sync_operations_running ON sync_operations (repository_id) WHERE status = 'running';

-- The journal. Times never run backwards in it, so a search by halves finds one. It outlives records and repositories, so nothing here refers to them by key.
CREATE TABLE changes (
    n integer PRIMARY KEY,
    at integer NOT NULL,
    repository_id text NOT NULL,
    record_id integer NOT NULL,
    operation_id integer,
    kind text NOT NULL,
    state text NOT NULL,                     -- of the record, after the change
    path text NOT NULL,
    path_before text,
    size integer NOT NULL,
    mtime_ns integer NOT NULL,
    ctime_ns integer NOT NULL,
    file_system integer NOT NULL,
    inode integer NOT NULL,
    mode integer NOT NULL,
    size_before integer,
    mtime_ns_before integer,
    ctime_ns_before integer,
    file_system_before integer,
    inode_before integer,
    mode_before integer,
    hash_algorithm text,
    hash text,
    hash_before text
);
CREATE INDEX changes_repository ON changes (repository_id, n);
CREATE INDEX changes_record ON changes (record_id, n);

-- One row: the last number given, the time it was given, and the first entry that is still kept.
CREATE TABLE journal_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch text NOT NULL,
    n integer NOT NULL DEFAULT 0,
    oldest integer NOT NULL DEFAULT 1,
    at integer NOT NULL DEFAULT 0
);
INSERT INTO journal_head (epoch) VALUES (lower(hex(randomblob(8))));

CREATE TABLE held_deletions (
    id integer PRIMARY KEY AUTOINCREMENT,
    repository_id text NOT NULL REFERENCES repositories (id),
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'approved', 'rejected', 'closed')),
    gone integer NOT NULL,
    live integer NOT NULL,
    reason text NOT NULL,
    opened_at integer NOT NULL,
    decided_at integer,
    decided_by text
);
CREATE INDEX held_deletions_repository ON held_deletions (repository_id, id);

-- Subtrees that must be scanned. Marks count up per repository and never come back.
CREATE TABLE dirty_paths (
    repository_id text NOT NULL REFERENCES repositories (id),
    mark integer NOT NULL,
    prefix text NOT NULL,
    reason text NOT NULL,
    marked_at integer NOT NULL,
    PRIMARY KEY (repository_id, mark)
);
CREATE UNIQUE INDEX dirty_paths_prefix ON dirty_paths (repository_id, prefix);

CREATE TABLE problems (
    repository_id text NOT NULL REFERENCES repositories (id),
    path text NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    first_seen integer NOT NULL,
    last_seen integer NOT NULL
);
CREATE UNIQUE INDEX problems_path ON problems (repository_id, path, code);

CREATE TABLE action_cursors (
    action text PRIMARY KEY,
    epoch text NOT NULL,
    n integer NOT NULL,
    updated_at integer NOT NULL
);

CREATE TABLE jobs (
    id integer PRIMARY KEY AUTOINCREMENT,
    action text NOT NULL,
    key text NOT NULL,
    payload text NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'dead')),
    priority integer NOT NULL,
    tries integer NOT NULL DEFAULT 0,        -- how often it was claimed
    not_before integer NOT NULL,
    owner text,
    lease_until integer,
    last_error text,
    created_at integer NOT NULL
);
CREATE UNIQUE INDEX jobs_key ON jobs (action, key) WHERE state = 'waiting';
CREATE INDEX jobs_due ON jobs (action, priority DESC, not_before, id) WHERE state = 'waiting';
CREATE INDEX jobs_order ON jobs (action, id) WHERE state <> 'dead';
CREATE INDEX jobs_leases ON jobs (action, lease_until) WHERE state = 'running';

-- The planner knows nothing of a table that was never analysed, and would take repository_id alone
-- for a good key. So it is told what a large ledger looks like: rows, then rows per value of each
-- column of the index.
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('repositories', 'sqlite_autoindex_repositories_1', '20 1'),
    ('repositories', 'repositories_name', '20 1'),
    ('repositories', 'repositories_root', '20 10 1'),
    ('file_records', 'file_records_live', '1000000 250000 1'),
    ('file_records', 'file_records_deleted', '50000 12500 2'),
    ('file_records', 'file_records_purge', '50000 12500 2'),
    ('file_records', 'file_records_inode', '1050000 262500 131250 1'),
    ('file_records', 'file_records_lost', '51000 12750 2'),
    ('file_records', 'file_records_missing', '1000 500 500 1'),
    ('file_records', 'file_records_pending', '50000 25000 1 1'),
    ('file_records', 'file_records_failed', '1000 500 2'),
    ('file_records', 'file_records_verify', '50000 25000 2'),
    ('changes', 'changes_repository', '5000000 1250000 1'),
    ('changes', 'changes_record', '5000000 5 1'),
    ('jobs', 'jobs_key', '50000 10000 1'),
    ('jobs', 'jobs_due', '50000 10000 5000 2 1'),
    ('jobs', 'jobs_order', '50000 10000 1'),
    ('jobs', 'jobs_leases', '500 100 50'),
    ('problems', 'problems_path', '10000 2500 1 1'),
    ('scan_scopes', 'sqlite_autoindex_scan_scopes_1', '100 10 1 1');
ANALYZE sqlite_schema;
