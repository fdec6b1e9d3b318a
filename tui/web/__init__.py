"""The dashboard in browsers: a server of this host's own pages, and a process for each window."""
