"""Holds a declared SLA of KVM guests with the fewest vCPUs, by resizing the running guest."""

__version__ = "0.1.0"
