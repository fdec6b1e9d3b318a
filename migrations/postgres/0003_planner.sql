-- The planner scales what it knew of a table with its size, but not how many values a column has. One that
-- was analyzed with its first record and then grew by a burst would have "a record per repository": any
-- index that begins with repository_id seems good enough then, and each path is searched for in all records.
ALTER TABLE file_records ALTER COLUMN repository_id SET (n_distinct = 1);
ALTER TABLE changes ALTER COLUMN repository_id SET (n_distinct = 1);
