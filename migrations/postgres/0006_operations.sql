-- What was asked for or scheduled, among a great many bursts of changes: of one repository, and of all.
CREATE INDEX sync_operations_asked ON sync_operations (repository_id, id) WHERE operation_type <> 'realtime';
CREATE INDEX sync_operations_asked_for ON sync_operations (id) WHERE operation_type <> 'realtime';
