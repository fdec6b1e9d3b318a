"""What is fast, against whom, and by how much: `make bench`, `make bench-quick`; see README.md."""
