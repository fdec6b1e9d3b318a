"""The dashboard. It imports the core only, and reads the ledger through the client of every front end."""
