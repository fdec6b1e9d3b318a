"""Configuration: plugins.toml, the environment, and what they come to for each repository.

`discovery` finds the file, `configuration` loads it, `settings` types it, `layers` says what wins,
`stores` and `secrets` resolve, `show` and `edit` serve `treeledger config`. Import from those
modules: this one stays empty, so that who needs one type does not load the rest.
"""
