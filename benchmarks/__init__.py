"""What is fast, against whom, and by how much. Run with `make bench`."""
