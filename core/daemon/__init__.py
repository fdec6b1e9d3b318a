"""treeledger without a person before it: logs, signals, readiness, what waits for somebody."""
