"""Recorded demand from files and servers: every format ends as the same recordings, or in a placed error.

Invariant: a format is recognised by what a file holds, never by its name, and no value is guessed at.
"""
