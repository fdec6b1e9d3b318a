"""What each kind of part promises, as test suites that the built-in ones inherit and an author's own may."""
