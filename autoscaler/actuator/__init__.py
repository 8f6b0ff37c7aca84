"""The process that alone may change guests; small, so that it can be read whole.

It knows no YAML and no HTTP: what it may do is in a file of bounds, which others make of the policies.
"""
