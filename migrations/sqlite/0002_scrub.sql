-- What a scrub reads next: never verified first, oldest read first, then the oldest verified; what is
-- corrupted goes by its last reading, lest it come first every time.
CREATE INDEX file_records_scrub ON file_records (
    repository_id,
    coalesce(CASE WHEN hash_state = 'corrupted' THEN read_at ELSE last_verified END, 0),
    coalesce(read_at, 0),
    id
) WHERE state = 'present' AND hash_state IN ('done', 'verify', 'corrupted');

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('file_records', 'file_records_scrub', '1000000 250000 100 2 1');
ANALYZE sqlite_schema;
