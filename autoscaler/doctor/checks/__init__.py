"""The checks, a module for each group: pure functions from facts to findings."""
