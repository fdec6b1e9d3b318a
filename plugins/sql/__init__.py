"""What the SQL stores share: queries, mapping of rows to values, and every method of `Store`.

The work of a transaction is a generator (see `work`): it yields statements by name and is sent their
rows. So one text serves SQLite, which runs a whole transaction in its own thread, and PostgreSQL,
which runs it in the event loop. `plugins/sqlite` and `plugins/postgres` hold what differs.
"""
