"""The ports over another process, which holds the right to change guests."""
