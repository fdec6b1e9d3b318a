-- SQLite's planner was told by 0001 what a large ledger looks like, and is not told anything else.
ANALYZE sqlite_schema;
