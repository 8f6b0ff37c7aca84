"""The status page: what a browser is shown of the newest snapshot, and kept up to date with."""
