"""The Grafana dashboards, as Python: one module for each, and what they share in `frame` and `panels`.

`python -m grafana` writes dashboards/*.json, which are committed: a test holds them to what is written here.
"""
