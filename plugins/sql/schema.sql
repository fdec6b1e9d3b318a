-- Which migrations a ledger has.

-- name: create_migrations
-- The one table that no migration creates.
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at {time} NOT NULL
)

-- name: applied_migrations
-- What was applied, in order.
SELECT version, name, applied_at FROM schema_migrations ORDER BY version

-- name: add_migration
-- Notes that a migration was applied.
INSERT INTO schema_migrations (version, name, applied_at) VALUES (:version, :name, now())
