"""From YAML files to typed values, with every fault at its file, line and column."""

from autoscaler.policyfile.load import LoadedPolicies, load_policies
from autoscaler.policyfile.problem import Problem

__all__ = ["LoadedPolicies", "Problem", "load_policies"]
