-- How many of the present records have the hash of their content: kept like `files`, as nobody could count
-- a million of them every two seconds.
ALTER TABLE repositories ADD COLUMN hashed bigint NOT NULL DEFAULT 0;
UPDATE repositories SET hashed = (
    SELECT count(*) FROM file_records
    WHERE repository_id = repositories.id AND state = 'present' AND content_hash IS NOT NULL);
