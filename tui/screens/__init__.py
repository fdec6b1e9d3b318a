"""The screens of the dashboard, each a function of a snapshot."""
