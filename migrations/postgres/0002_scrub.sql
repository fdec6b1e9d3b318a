-- What a scrub reads next: never verified first, oldest read first, then the oldest verified; what is
-- corrupted goes by its last reading, lest it come first every time.
CREATE INDEX file_records_scrub ON file_records (
    repository_id,
    coalesce(CASE WHEN hash_state = 'corrupted' THEN read_at ELSE last_verified END, to_timestamp(0)),
    coalesce(read_at, to_timestamp(0)),
    id
) WHERE state = 'present' AND hash_state IN ('done', 'verify', 'corrupted');
