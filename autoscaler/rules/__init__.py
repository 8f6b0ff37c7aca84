"""Prometheus rules, made from what the service exports and from what the policies promise."""

from autoscaler.rules.document import Options, document

__all__ = ["Options", "document"]
